//! Idempotency keys: each is appended once within its window, even if its event is deleted.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    LogFactory,
    tested_topic::{TestedTopic, data, idempotency_key, record},
};
use crate::{AppendError, Keep, Log as _, OnceWindow, Retention, Start};

/// Each call returns the position of the first record, and says whether this record is a repetition. If the records
/// differ, the first one is kept.
pub async fn a_repeated_key_is_appended_once<F: LogFactory>(factory: &F) {
    if !F::REMEMBERS_KEYS {
        return keys_are_refused(factory).await;
    }
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let mut other = TestedTopic::on(
        factory,
        Arc::clone(&tested.log),
        "another topic",
        Retention::new(),
    );
    // Texts that differ little, the longest text, and texts that a log could mistake for its own syntax.
    let long = "x".repeat(200);
    let keys = [
        "a",
        "A",
        "a ",
        " a",
        "ä",
        "a\u{308}",
        "0",
        "'; --",
        "{a}:*?",
        "%00\\0",
        &long,
        long.split_at(1).1,
    ];
    for text in keys {
        tested.append(record(text).once(idempotency_key(text))).await;
    }
    for _ in 0..2 {
        for (nth, text) in keys.into_iter().enumerate() {
            for value in [text, "something else"] {
                let again = tested.try_append(record(value).once(idempotency_key(text))).await;
                let again = again.expect("a repetition is no failure");
                assert_eq!(
                    (again.position, again.repeated),
                    (tested.position(nth), true),
                    "{text:?}"
                );
            }
        }
    }
    // Records without a key are all new, and so is a key in another topic.
    tested.append(record("no key")).await;
    tested.append(record("no key")).await;
    for text in keys {
        other.append(record(text).once(idempotency_key(text))).await;
    }
    assert_eq!(tested.data().await, tested.after(0));
    assert_eq!(other.data().await, other.after(0));
}

/// Of several appends in progress, one is appended, and all get its position.
pub async fn a_key_at_the_same_time_is_appended_once<F: LogFactory>(factory: &F) {
    if !F::REMEMBERS_KEYS {
        return keys_are_refused(factory).await;
    }
    let tested = TestedTopic::new(factory, Retention::new()).await;
    let now = factory.now();
    for round in 0..10 {
        let key = idempotency_key(&format!("round {round}"));
        let append = |nth: usize| {
            let (log, topic, retention) = (
                Arc::clone(&tested.log),
                tested.topic.clone(),
                tested.retention.clone(),
            );
            let record = record(&format!("{round}/{nth}")).once(key.clone());
            std::thread::spawn(move || (nth, log.append(&topic, record, &retention, now)))
        };
        let threads: Vec<_> = (0..4).map(append).collect();
        let appends = threads.into_iter().map(|thread| thread.join().unwrap());
        let appended = join_all(appends.map(|(nth, completion)| async move {
            (nth, completion.await.expect("it is appended, or was"))
        }));
        let appended = appended.await;
        let first: Vec<_> = appended
            .iter()
            .filter(|(_, appended)| !appended.repeated)
            .collect();
        assert_eq!(first.len(), 1, "one of them was the first: {appended:?}");
        let (nth, first) = first[0];
        assert!(
            appended
                .iter()
                .all(|(_, appended)| appended.position == first.position)
        );
        let last = tested.read(Start::Last(1)).await;
        assert_eq!(
            (data(&last), last.end),
            (vec![format!("{round}/{nth}")], first.position)
        );
    }
    assert_eq!(tested.read(Start::Oldest).await.entries.len(), 10);
}

/// If an event has been deleted, because of any bound, its key is still remembered.
pub async fn a_key_outlives_its_event<F: LogFactory>(factory: &F) {
    if !F::REMEMBERS_KEYS {
        return keys_are_refused(factory).await;
    }
    let retention = Retention::new();
    for retention in [
        retention.clone().max_events(1),
        retention.clone().max_bytes(2_000),
        retention.clone().max_age(F::TICK),
        retention.keep(Keep::LatestPerKey),
    ] {
        let mut tested = TestedTopic::new(factory, retention.clone()).await;
        let append = |text: &str| record(text).key("the same").once(idempotency_key("once"));
        let first = tested.append(append("first")).await;
        factory.pass(F::TICK * 3).await;
        for nth in 0..20 {
            tested
                .append(record(&format!("{nth}{}", "x".repeat(200))).key("the same"))
                .await;
        }
        tested.log.maintain(factory.now());
        if F::IS_EXACT {
            assert!(
                !tested.data().await.contains(&"first".to_owned()),
                "{retention:?}"
            );
        }
        let again = tested.try_append(append("first")).await.expect("it was appended");
        assert_eq!((again.position, again.repeated), (first, true), "{retention:?}");
    }
}

/// The time counts from the first append. When it is over, the key counts as new.
pub async fn a_key_is_forgotten_with_its_time<F: LogFactory>(factory: &F) {
    if !F::REMEMBERS_KEYS {
        return keys_are_refused(factory).await;
    }
    let window = OnceWindow::new().max_age(F::TICK * 10);
    let mut tested = TestedTopic::new(factory, Retention::new().once_within(window)).await;
    let append = |text: &str| record(text).once(idempotency_key(text));
    tested.append(append("a")).await;
    factory.pass(F::TICK * 5).await;
    tested.append(append("b")).await;
    for text in ["a", "b"] {
        let (nth, young) = (usize::from(text == "b"), factory.now());
        let again = tested
            .try_append(append(text))
            .await
            .expect("it is appended, or was");
        let deadline = tested.known[nth].at.0 + window.age();
        // A machine that was busy for long may have let the time pass by itself.
        if factory.now() + F::TICK < deadline {
            assert_eq!(
                (again.position, again.repeated),
                (tested.position(nth), true),
                "{text} at {young:?}"
            );
        }
    }
    if !F::IS_EXACT {
        return;
    }
    // A repetition has not prolonged it.
    factory.pass(F::TICK * 7).await;
    let again = tested.try_append(append("a")).await.expect("it is appended");
    assert!(!again.repeated && again.position != tested.position(0));
    let once_more = tested.try_append(append("a")).await.expect("it was appended");
    assert_eq!(
        (once_more.position, once_more.repeated),
        (again.position, true),
        "it is remembered again"
    );
}

/// As many keys of a topic are remembered as its window says, whatever other topics do.
pub async fn newer_keys_push_out_the_oldest<F: LogFactory>(factory: &F) {
    if !F::REMEMBERS_KEYS {
        return keys_are_refused(factory).await;
    }
    let window = OnceWindow::new().max_keys(5);
    let mut tested = TestedTopic::new(factory, Retention::new().once_within(window)).await;
    let mut other = TestedTopic::on(
        factory,
        Arc::clone(&tested.log),
        "another topic",
        Retention::new(),
    );
    let append = |nth: usize| record(&nth.to_string()).once(idempotency_key(&nth.to_string()));
    for nth in 0..5 {
        tested.append(append(nth)).await;
    }
    for nth in 0..20 {
        other.append(append(nth)).await;
        tested.append(record("no key")).await;
    }
    for nth in 0..5 {
        let again = tested.try_append(append(nth)).await.expect("it was appended");
        assert_eq!((again.position, again.repeated), (tested.position(nth), true));
    }
    tested.append(append(5)).await;
    for nth in [1, 2, 3, 4, 5] {
        assert!(
            tested
                .try_append(append(nth))
                .await
                .expect("it was appended")
                .repeated,
            "{nth}"
        );
    }
    if F::IS_EXACT {
        assert!(
            !tested
                .try_append(append(0))
                .await
                .expect("it is appended")
                .repeated
        );
        assert!(
            !tested
                .try_append(append(1))
                .await
                .expect("it is appended")
                .repeated,
            "0 has pushed it out"
        );
    }
}

/// A key is remembered if and only if its record was appended.
pub async fn a_refused_record_leaves_no_key<F: LogFactory>(factory: &F) {
    if !F::REMEMBERS_KEYS {
        return keys_are_refused(factory).await;
    }
    let key = || idempotency_key("once");
    let mut tested = TestedTopic::new(factory, Retention::new().max_bytes(4_000)).await;
    let refused = tested.try_append(record(&"x".repeat(5_000)).once(key())).await;
    assert!(refused.is_err(), "it can never be kept: {refused:?}");
    tested.append(record("small").once(key())).await;

    let mut latest = TestedTopic::new(factory, Retention::new().keep(Keep::LatestPerKey)).await;
    let refused = latest.try_append(record("of nothing").once(key())).await;
    assert!(
        refused.is_err(),
        "it has an idempotency key, but no `key`: {refused:?}"
    );
    latest
        .append(record("of something").key("something").once(key()))
        .await;
    assert_eq!(latest.data().await, ["of something"]);
}

/// A log that remembers no keys must refuse a record with a key, because its publisher relies on the key.
async fn keys_are_refused<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    tested.append_numbers(2).await;
    let refused = tested.try_append(record("x").once(idempotency_key("a"))).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    assert_eq!(tested.data().await, ["1", "2"]);
}
