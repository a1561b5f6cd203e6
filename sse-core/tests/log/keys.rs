//! The idempotency keys of a log in memory: their bounds, and what they cost.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use sse_actix_core::{
    Appended, IdempotencyKey, Limit, Log, MemoryLog, OnceStats, OnceWindow, Retention, Start, TopicName,
};

use crate::{TOPIC, at, record};

fn key(text: impl ToString + Copy) -> IdempotencyKey {
    IdempotencyKey::try_from(text.to_string()).unwrap()
}

fn topic(nth: usize) -> TopicName {
    TopicName::try_from(format!("topic {nth}")).unwrap()
}

fn append(log: &MemoryLog, topic: &TopicName, key_: impl ToString + Copy, now: SystemTime) -> Appended {
    append_within(log, topic, key_, OnceWindow::new(), now)
}

fn append_within(
    log: &MemoryLog,
    topic: &TopicName,
    key_: impl ToString + Copy,
    window: OnceWindow,
    now: SystemTime,
) -> Appended {
    let record = record("x", None).once(key(key_));
    let appended = log.append(topic, record, &Retention::new().once_within(window), now);
    appended.into_ready().unwrap().unwrap()
}

fn once(log: &MemoryLog, topic: &TopicName) -> OnceStats {
    log.stats(topic).unwrap().once
}

#[test]
fn a_log_without_keys_keeps_none() {
    let log = MemoryLog::new();
    let appended = log.append(&TOPIC, record("x", None), &Retention::new(), at(0));
    assert!(!appended.into_ready().unwrap().unwrap().repeated);
    assert_eq!((log.key_bytes(), once(&log, &TOPIC)), (0, OnceStats::default()));

    // And what they take is given back once their time has passed.
    append(&log, &TOPIC, "a", at(0));
    assert!(log.key_bytes() > 0);
    assert_eq!(once(&log, &TOPIC).keys, 1);
    log.maintain(at(600_000));
    assert_eq!(once(&log, &TOPIC).keys, 1);
    log.maintain(at(600_001));
    assert_eq!((log.key_bytes(), once(&log, &TOPIC)), (0, OnceStats::default()));
}

#[test]
fn keys_are_remembered_although_their_topic_is_forgotten() {
    let log = MemoryLog::builder().max_topics(1).build();
    let first = append(&log, &topic(0), "a", at(0));
    for nth in 1..50 {
        append(&log, &topic(nth), "a", at(1));
        assert_eq!(log.topics(), 1);
    }
    let again = append(&log, &topic(0), "a", at(2));
    assert_eq!((again.position, again.repeated), (first.position, true));
    // It has its next epoch, and none of its events is there.
    let stats = log.stats(&topic(0)).unwrap();
    assert!(stats.events == 0 && stats.epoch != first.position.epoch);
    assert_eq!(stats.once.keys, 1);
    assert!(!append(&log, &topic(0), "b", at(2)).repeated);

    // For its time, and no longer.
    log.maintain(at(600_100));
    assert_eq!(log.key_bytes(), 0);
    assert!(!append(&log, &topic(7), "a", at(600_100)).repeated);
}

#[test]
fn all_keys_together_stay_within_their_bound_and_the_topics_with_most_give() {
    const MOST: usize = 100_000;
    let log = MemoryLog::builder().max_key_bytes(MOST).build();
    for nth in 0..20 {
        append(&log, &topic(1), nth, at(0));
    }
    let mut most = 0;
    for nth in 0..5_000 {
        append(&log, &topic(0), nth, at(nth));
        most = most.max(log.key_bytes());
    }
    assert!(most <= MOST && most > MOST * 7 / 8, "{most}");
    assert_eq!(
        log.key_bytes(),
        once(&log, &topic(0)).bytes + once(&log, &topic(1)).bytes
    );
    assert_eq!(
        (once(&log, &topic(1)).keys, once(&log, &topic(1)).cut_at),
        (20, None)
    );
    // The newest are remembered, and it is known from when on.
    let kept = once(&log, &topic(0));
    let oldest = 5_000 - kept.keys as u64;
    assert_eq!(kept.cut_at, Some(at(oldest - 1)));
    assert!(append(&log, &topic(0), oldest, at(5_000)).repeated);
    assert!(!append(&log, &topic(0), oldest - 1, at(5_000)).repeated);
    assert_eq!(
        kept.reach(OnceWindow::new(), at(5_000)),
        Duration::from_millis(5_000 - (oldest - 1))
    );
}

/// A flood of names with a key each: those of forgotten topics are pushed out first, and that is told to whoever comes back.
#[test]
fn keys_of_forgotten_topics_have_the_same_bound() {
    const MOST: usize = 100_000;
    let log = MemoryLog::builder().max_topics(10).max_key_bytes(MOST).build();
    append(&log, &topic(0), "a", at(0));
    let mut most = 0;
    for nth in 1..2_000 {
        append(&log, &topic(nth), "a", at(nth as u64));
        most = most.max(log.key_bytes());
    }
    assert!(most <= MOST && log.topics() == 10, "{most}");
    let again = append(&log, &topic(0), "a", at(2_000));
    assert!(!again.repeated, "it was pushed out");
    let reach = once(&log, &topic(0)).reach(OnceWindow::new(), at(2_000));
    assert!(reach < Duration::from_secs(2), "{reach:?}");
    // Later nothing is known to be missing.
    log.maintain(at(700_000));
    assert_eq!(log.key_bytes(), 0);
    append(&log, &topic(0), "a", at(700_000));
    assert_eq!(once(&log, &topic(0)).cut_at, None);
}

/// As the events', a key's time is lowered where the clock was set back: it would stay until the clock comes there again.
#[test]
fn keys_grow_old_also_when_the_clock_was_set_back() {
    let log = MemoryLog::new();
    let window = OnceWindow::new().max_age(Duration::from_millis(100));
    let append = |key, now| append_within(&log, &TOPIC, key, window, at(now)).repeated;
    // The clock was a day ahead when the first was appended.
    assert!(!append("a", 86_400_000));
    assert!(append("a", 50));
    assert!(append("a", 150));
    assert!(!append("b", 150));
    assert!(!append("a", 151), "101 after the clock was seen to be back");
    assert!(append("b", 250) && !append("b", 251));
}

#[test]
fn a_key_takes_its_text_and_a_constant_and_gives_both_back() {
    let log = MemoryLog::new();
    let window = OnceWindow::new().max_keys(1);
    let mut bytes = Vec::new();
    for (nth, key) in ["a", "abc", "b"].into_iter().enumerate() {
        append_within(&log, &TOPIC, key, window, at(nth as u64));
        bytes.push(log.key_bytes());
    }
    assert_eq!(bytes, [bytes[0], bytes[0] + 2, bytes[0]]);
    assert_eq!(once(&log, &TOPIC).bytes, bytes[0]);
}

#[test]
fn exactly_at_their_bound_no_key_goes() {
    let fill = |log: &MemoryLog| {
        append(log, &TOPIC, "a", at(0));
        append(log, &TOPIC, "b", at(0));
        log.key_bytes()
    };
    let most = fill(&MemoryLog::new());
    let log = MemoryLog::builder().max_key_bytes(most).build();
    assert_eq!(fill(&log), most);
    assert_eq!(once(&log, &TOPIC).keys, 2);
}

/// Maintaining the log forgets nothing before its time: neither keys of forgotten topics, nor that some were pushed out.
#[test]
fn what_is_known_of_forgotten_topics_outlives_maintenance() {
    let log = MemoryLog::builder().max_topics(1).build();
    append(&log, &topic(0), "a", at(0));
    append(&log, &topic(1), "a", at(1));
    let before = log.key_bytes();
    log.maintain(at(2));
    assert_eq!(log.key_bytes(), before);
    assert!(append(&log, &topic(0), "a", at(3)).repeated);

    let log = MemoryLog::builder().max_topics(1).max_key_bytes(10_000).build();
    for nth in 0..100 {
        append(&log, &topic(nth), "a", at(nth as u64));
    }
    log.maintain(at(200));
    assert!(!append(&log, &topic(0), "b", at(200)).repeated);
    assert!(once(&log, &topic(0)).cut_at.is_some());
}

/// A topic is deleted while another thread makes the log forget it: its keys go with it, wherever they are at that moment.
#[test]
fn a_topic_that_is_forgotten_while_it_is_deleted_leaves_no_keys() {
    let log = MemoryLog::builder().max_topics(1).build();
    let is_over = AtomicBool::new(false);
    let delete = || log.delete(&topic(0), at(0)).into_ready().unwrap().unwrap();
    let left = thread::scope(|threads| {
        threads.spawn(|| {
            for nth in (1..3).cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                let read = log.read(&topic(nth), Start::Head, Limit::DEFAULT, at(0));
                read.into_ready().unwrap().unwrap();
            }
        });
        let mut left = 0;
        for _ in 0..20_000 {
            append(&log, &topic(0), "a", at(0));
            delete();
            left += u32::from(append(&log, &topic(0), "a", at(0)).repeated);
            delete();
        }
        is_over.store(true, Ordering::Relaxed);
        left
    });
    assert_eq!(left, 0);
}
