//! Appending: one order, from whatever thread.

use std::{sync::Arc, thread, time::Duration};

use futures_util::future::join_all;

use super::{
    LogFactory,
    tested_topic::{TestedTopic, data, record},
};
use crate::{AppendError, Event, EventName, Keep, Log as _, Position, Record, Retention, Start};

/// An entry is the record at its position, byte for byte, and says when it was appended.
pub async fn what_is_read_is_what_was_appended<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let name = EventName::from_static("tick");
    for event in [
        Event::data("a"),
        Event::data(""),
        Event::data("two\nlines, ä and \u{1f980}").event(&name),
        Event::data("later").retry(Duration::from_millis(1_234)),
        Event::data("x".repeat(100_000)),
        Event::data("\0: id: 3\u{feff}"),
    ] {
        let record = Record::event(&event, None).unwrap().key("of something");
        tested.append(record.clone()).await;
        let known = tested.known.last().unwrap();
        let batch = tested.read(Start::Last(1)).await;
        let entry = &batch.entries[0];
        let frame = format!(
            "id: {}\n{}",
            known.position,
            str::from_utf8(record.body()).unwrap()
        );
        assert_eq!(entry.frame(), frame.as_bytes());
        assert_eq!(entry.sequence(), known.position.sequence);
        assert_eq!(entry.key(), Some("of something"));
        // To the millisecond, and by the clock of the log.
        let slack = Duration::from_millis(1).max(F::TICK);
        assert!(entry.at() + slack >= known.at.0 && entry.at() <= known.at.1 + slack);
    }
}

/// Each append has a greater sequence than all before it; what is appended to one topic is not in another.
pub async fn sequences_grow_and_topics_have_nothing_in_common<F: LogFactory>(factory: &F) {
    let mut one = TestedTopic::new(factory, Retention::new()).await;
    let mut other = TestedTopic::on(factory, Arc::clone(&one.log), "another topic", Retention::new());
    // Names that differ little, and contain characters that a log may use as separators.
    let mut similar: Vec<_> = [
        "a topic:",
        "a topic/1",
        "A topic",
        "a%20topic",
        "{a topic}",
        "'a topic'",
        "a topic*",
        "ä",
    ]
    .map(|name| TestedTopic::on(factory, Arc::clone(&one.log), name, Retention::new()))
    .into();
    for nth in 0..10 {
        one.append(record(&format!("one {nth}"))).await;
        for _ in 0..2 {
            other.append(record(&format!("other {nth}"))).await;
        }
    }
    for (nth, topic) in similar.iter_mut().enumerate() {
        topic.append(record(&format!("similar {nth}"))).await;
    }
    for tested in similar.iter().chain([&one, &other]) {
        let positions: Vec<_> = tested.known.iter().map(|known| known.position).collect();
        assert!(positions[0].sequence >= 1, "0 is before the first");
        assert!(
            positions
                .iter()
                .all(|position| position.epoch == positions[0].epoch)
        );
        assert!(positions.is_sorted_by_key(|position| position.sequence));
        assert!(positions.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(tested.data().await, tested.after(0));
    }
}

/// However many threads append, every reader finds the same order. It keeps the order of each thread.
pub async fn threads_append_in_one_order<F: LogFactory>(factory: &F) {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let tested = TestedTopic::new(factory, Retention::new()).await;
    let now = factory.now();
    let append = |thread: usize| {
        let (log, topic, retention) = (
            Arc::clone(&tested.log),
            tested.topic.clone(),
            tested.retention.clone(),
        );
        move || {
            let completions = (0..EACH).map(|nth| {
                let text = format!("{thread}/{nth}");
                (text.clone(), log.append(&topic, record(&text), &retention, now))
            });
            completions.collect::<Vec<_>>()
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|thread| thread::spawn(append(thread))).collect();
    let appends = threads.into_iter().flat_map(|thread| thread.join().unwrap());
    let appended =
        join_all(appends.map(|(text, completion)| async move {
            (completion.await.expect("it is appended").position, text)
        }));
    let mut appended: Vec<(Position, String)> = appended.await;
    appended.sort_by_key(|(position, _)| position.sequence);
    let sequences = appended
        .windows(2)
        .map(|pair| (pair[0].0.sequence, pair[1].0.sequence));
    assert!(
        sequences.into_iter().all(|(one, next)| one < next),
        "each has a sequence of its own"
    );
    let in_order: Vec<_> = appended.into_iter().map(|(_, text)| text).collect();
    assert_eq!(data(&tested.read(Start::Oldest).await), in_order);
}

/// This also holds if the clock is set back. Only a log that gets the time passed in can notice that.
pub async fn the_times_of_events_never_go_back<F: LogFactory>(factory: &F) {
    let tested = TestedTopic::new(factory, Retention::new()).await;
    let now = factory.now();
    for back in [0, 3, 1, 0, 5] {
        let now = now - F::TICK * back;
        let appended = tested
            .log
            .append(&tested.topic, record("x"), &tested.retention, now)
            .await;
        appended.expect("it is appended");
    }
    let batch = tested.read(Start::Oldest).await;
    assert_eq!(batch.entries.len(), 5);
    assert!(batch.entries.is_sorted_by_key(|entry| entry.at()));
}

/// A record that is larger than all that its topic may keep is refused, and no event is deleted for it.
pub async fn what_could_never_be_kept_is_refused_and_changes_nothing<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new().max_bytes(4_000)).await;
    tested.append_numbers(2).await;
    let refused = tested.try_append(record(&"x".repeat(5_000))).await;
    let Err(AppendError::TooLarge { bytes, limit }) = refused else {
        panic!("it can never be kept: {refused:?}");
    };
    assert!(limit <= 4_000 && bytes > limit, "{bytes} of {limit}");
    assert_eq!(tested.data().await, tested.after(0));
    tested.append(record("3")).await;
    assert_eq!(tested.data().await, ["1", "2", "3"]);
}

/// A topic that keeps the newest event of each key refuses a record without a key.
pub async fn a_record_without_key_is_refused_and_changes_nothing<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new().keep(Keep::LatestPerKey)).await;
    tested.append(record("a").key("")).await;
    let refused = tested.try_append(record("b")).await;
    assert!(matches!(refused, Err(AppendError::NoKey)), "{refused:?}");
    assert_eq!(tested.data().await, ["a"]);
}
