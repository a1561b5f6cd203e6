//! The bounds of a log in memory, and what it refuses.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    thread,
};

use proptest::{collection::vec, prelude::*};
use sse_actix_core::{
    AppendError, Batch, Keep, Log, MemoryLog, Position, Resume, Retention, Start, TopicName,
};

use crate::{ALL, TOPIC, at, record};

fn topic(nth: usize) -> TopicName {
    TopicName::try_from(format!("topic {nth}")).unwrap()
}

fn append(log: &MemoryLog, name: &TopicName, text: &str, millis: u64) -> Result<Position, AppendError> {
    let appended = log.append(name, record(text, None), &Retention::new(), at(millis));
    appended.into_ready().unwrap().map(|appended| appended.position)
}

fn read(log: &MemoryLog, name: &TopicName, start: Start) -> Batch {
    log.read(name, start, ALL, at(0)).into_ready().unwrap().unwrap()
}

/// What the topics say that they keep, in all.
fn bytes_of(log: &MemoryLog, topics: usize) -> usize {
    let stats = (0..topics).filter_map(|nth| log.stats(&topic(nth)));
    stats.map(|stats| stats.bytes).sum()
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_could_never_be_kept_is_refused_with_its_size() {
    let log = MemoryLog::new();
    let retention = Retention::new().max_bytes(1_000);
    let append = |len: usize| {
        log.append(&TOPIC, record(&"x".repeat(len), None), &retention, at(0))
            .into_ready()
            .unwrap()
    };
    let Err(AppendError::TooLarge { bytes, limit: 1_000 }) = append(2_000) else {
        panic!("more than the topic may keep")
    };
    // The largest that is taken is kept, and one byte more is refused.
    let most = 2_000 - (bytes - 1_000);
    assert!(append(most).is_ok());
    assert_eq!(read(&log, &TOPIC, Start::Oldest).entries.len(), 1);
    let refused = append(most + 1).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the event takes 1001 bytes, and its topic may keep 1000; raise the topic's `max_bytes`, or publish less"
    );
    assert_eq!(log.stats(&TOPIC).unwrap().head, 1, "it has no place");

    // Nor may one take more than half of what all may.
    let small = MemoryLog::builder().max_bytes(1_000).build();
    let refused = small
        .append(&TOPIC, record(&"x".repeat(600), None), &Retention::new(), at(0))
        .into_ready();
    assert!(matches!(
        refused.unwrap(),
        Err(AppendError::TooLarge { limit: 500, .. })
    ));
    assert_eq!((small.topics(), small.bytes()), (0, 0));
}

#[test]
fn a_record_without_key_is_refused() {
    let log = MemoryLog::new();
    let retention = Retention::new().keep(Keep::LatestPerKey);
    let append = |key| {
        log.append(&TOPIC, record("x", key), &retention, at(0))
            .into_ready()
            .unwrap()
    };
    let refused = append(None).unwrap_err();
    assert!(matches!(refused, AppendError::NoKey));
    assert_eq!(
        refused.to_string(),
        "the topic keeps the latest event of each key, and the event has none; publish it with a key"
    );
    assert!(append(Some("")).is_ok());
    assert_eq!(log.stats(&TOPIC).unwrap().head, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn all_topics_together_stay_within_their_bounds(
        max_bytes in 2_000usize..20_000, max_topics in 1usize..12,
        appends in vec((0usize..16, 0usize..700), 0..300),
    ) {
        let log = MemoryLog::builder().max_bytes(max_bytes).max_topics(max_topics).build();
        for (millis, (nth, len)) in appends.into_iter().enumerate() {
            let appended = append(&log, &topic(nth), &"x".repeat(len), millis as u64);
            if let Err(AppendError::TooLarge { limit, .. }) = appended {
                prop_assert_eq!(limit, max_bytes / 2);
            }
            prop_assert!(log.bytes() <= max_bytes, "{} of {}", log.bytes(), max_bytes);
            prop_assert!(log.topics() <= max_topics);
            prop_assert_eq!(log.bytes(), bytes_of(&log, 16));
        }
    }
}

#[test]
fn the_topics_that_take_most_make_room() {
    let log = MemoryLog::builder().max_bytes(100_000).build();
    for nth in 1..4 {
        append(&log, &topic(nth), "small", 0).unwrap();
    }
    let mut longest = 0;
    for _ in 0..2_000 {
        append(&log, &topic(0), &"x".repeat(100), 0).unwrap();
        longest = longest.max(log.bytes());
    }
    assert!(longest <= 100_000 && longest > 80_000, "{longest}");
    for nth in 1..4 {
        assert_eq!(read(&log, &topic(nth), Start::Oldest).entries.len(), 1);
    }
    // And who has missed what is gone is told how much.
    let first = Position {
        epoch: read(&log, &topic(0), Start::Oldest).end.epoch,
        sequence: 1,
    };
    let batch = read(&log, &topic(0), Start::After(first));
    let missed = 2_000 - 1 - batch.entries.len() as u64;
    assert_eq!(batch.resume, Resume::Gap { missed: Some(missed) });
}

#[test]
fn no_topic_gives_all_that_it_has() {
    let log = MemoryLog::builder().max_bytes(100_000).build();
    // All grow alike, until the first have to give.
    for nth in 0.. {
        let before = log.bytes();
        append(&log, &topic(nth % 10), &"x".repeat(100), 0).unwrap();
        if log.bytes() < before {
            break;
        }
    }
    assert!(log.bytes() < 90_000, "{}", log.bytes());
    let least = (0..10).map(|nth| log.stats(&topic(nth)).unwrap().events).min();
    assert!(least.unwrap() > 10, "{least:?}");
}

#[test]
fn a_topic_of_which_nothing_is_kept_is_forgotten_first() {
    let log = MemoryLog::builder().max_topics(2).build();
    append(&log, &topic(0), "a", 0).unwrap();
    // Asked for, and never published to, if later.
    let nothing = log.read(&topic(1), Start::Head, ALL, at(5)).into_ready();
    assert!(nothing.unwrap().unwrap().entries.is_empty());
    append(&log, &topic(2), "c", 6).unwrap();
    assert_eq!(log.stats(&topic(1)), None);
    assert_eq!(log.stats(&topic(0)).unwrap().events, 1);
}

#[test]
fn a_topic_that_is_read_is_not_forgotten_and_one_that_was_begins_anew() {
    let log = MemoryLog::builder().max_topics(2).build();
    let woken = Arc::new(Woken::default());
    let watch = log.watch(&topic(0), Waker::from(Arc::clone(&woken)), at(0));
    let read_one = append(&log, &topic(0), "a", 0).unwrap();
    let silent = append(&log, &topic(1), "b", 1).unwrap();
    append(&log, &topic(2), "c", 2).unwrap();
    assert_eq!(log.topics(), 2);
    assert_eq!(log.stats(&topic(1)), None);

    // Its second epoch is another, so that what was known of the first is not taken for it.
    append(&log, &topic(1), "d", 3).unwrap();
    let batch = read(&log, &topic(1), Start::After(silent));
    assert_eq!(batch.resume, Resume::Unknown);
    assert_eq!(batch.entries[0].data(), "d");
    let batch = read(&log, &topic(0), Start::After(read_one));
    assert_eq!((batch.resume, batch.entries.len()), (Resume::Complete, 0));

    append(&log, &topic(0), "e", 4).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    drop(watch);
    append(&log, &topic(0), "f", 5).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 2, "nobody looks any more");
}

#[test]
fn more_topics_than_may_be_are_forgotten_once_nobody_reads_them() {
    let log = MemoryLog::builder().max_topics(3).build();
    let watches: Vec<_> = (0..10)
        .map(|nth| log.watch(&topic(nth), Waker::noop().clone(), at(0)))
        .collect();
    assert_eq!(log.topics(), 10, "all are read");
    drop(watches);
    append(&log, &topic(10), "a", 1).unwrap();
    assert_eq!(log.topics(), 3);
}

/// Threads that forget each other's topics: what is appended is counted, and can be read by who watches.
#[test]
fn a_topic_that_is_being_used_is_not_forgotten_by_another_thread() {
    const THREADS: usize = 4;
    let log = MemoryLog::builder().max_topics(1).build();
    let begin = Barrier::new(THREADS);
    let lost = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|nth| {
                let (log, begin) = (&log, &begin);
                scope.spawn(move || {
                    begin.wait();
                    let mut lost = 0;
                    for round in 0..3_000 {
                        let name = topic(nth + round % 2 * THREADS);
                        let woken = Arc::new(Woken::default());
                        let watch = log.watch(&name, Waker::from(Arc::clone(&woken)), at(0));
                        let position = append(log, &name, "x", 0).unwrap();
                        let before = Position {
                            sequence: position.sequence - 1,
                            ..position
                        };
                        let batch = read(log, &name, Start::After(before));
                        let is_there = batch.resume == Resume::Complete && batch.entries.len() == 1;
                        if !is_there || woken.0.load(Ordering::SeqCst) == 0 {
                            lost += 1;
                        }
                        drop(watch);
                    }
                    lost
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<u32>()
    });
    assert_eq!(
        lost, 0,
        "appends that their watcher was not told of, or did not find"
    );
    assert_eq!(log.bytes(), bytes_of(&log, 2 * THREADS));
}

/// No more goes than has to, and of no topic more than half.
#[test]
fn exactly_at_its_bound_nothing_goes_and_beyond_it_no_topic_loses_more_than_half() {
    let probe = MemoryLog::new();
    append(&probe, &topic(0), "x", 0).unwrap();
    let one = probe.bytes();
    let log = MemoryLog::builder().max_bytes(16 * one).build();
    for nth in 0..16 {
        append(&log, &topic(nth % 8), "x", 0).unwrap();
    }
    assert_eq!(log.bytes(), 16 * one);
    append(&log, &topic(8), "x", 0).unwrap();
    assert_eq!(log.bytes(), 14 * one);
    let kept = |nth| log.stats(&topic(nth)).unwrap().events;
    assert!((0..9).all(|nth| kept(nth) >= 1));

    let log = MemoryLog::builder().max_bytes(16 * one).build();
    for _ in 0..17 {
        append(&log, &topic(0), "x", 0).unwrap();
    }
    assert_eq!(log.stats(&topic(0)).unwrap().events, 14);
}
