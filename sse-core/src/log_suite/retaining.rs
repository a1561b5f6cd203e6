//! Retention: which events are deleted, which stay, and which gap a reader gets.

use super::{
    LogFactory,
    tested_topic::{TestedTopic, data, record},
};
use crate::{Keep, Log as _, Resume, Retention, Start};

/// The newest events are kept, and a reader that was before them gets a gap.
pub async fn count_deletes_the_oldest<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new().max_events(4)).await;
    let before = tested.read(Start::Head).await.end;
    tested.append_numbers(10).await;
    if F::IS_EXACT {
        assert_eq!(tested.data().await, tested.after(6));
        let batch = tested.read(Start::After(before)).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Gap { missed: Some(6) }, tested.after(6))
        );
        let batch = tested.read(Start::After(tested.position(4))).await;
        assert_eq!(batch.resume, Resume::Gap { missed: Some(1) });
        let stats = tested.log.stats(&tested.topic).unwrap();
        assert_eq!(
            (stats.events, stats.oldest),
            (4, Some(tested.position(6).sequence))
        );
    }
    assert!(tested.data().await.ends_with(&tested.after(6)));
    tested.has_no_silent_hole(4).await;
}

/// As many of the newest are kept as there is room for.
pub async fn bytes_delete_the_oldest<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new().max_bytes(10_000)).await;
    for nth in 0..30 {
        tested.append(record(&format!("{nth}{}", "x".repeat(900)))).await;
    }
    let kept = tested.data().await;
    assert!(!kept.is_empty());
    if F::IS_EXACT {
        let bytes: usize = kept.iter().map(String::len).sum();
        assert!(
            bytes <= 10_000 && kept.len() > 5,
            "{} events of {bytes} bytes",
            kept.len()
        );
        let stats = tested.log.stats(&tested.topic).unwrap();
        assert!(stats.bytes <= 10_000, "{stats:?}");
        assert_eq!(stats.events, kept.len());
    }
    tested.has_no_silent_hole(1).await;
}

/// Events that are older than their topic allows are not read any more; younger events stay.
pub async fn age_deletes_the_oldest<F: LogFactory>(factory: &F) {
    let age = F::TICK * 10;
    let mut tested = TestedTopic::new(factory, Retention::new().max_age(age)).await;
    for nth in 0..4 {
        tested.append(record(&nth.to_string())).await;
        factory.pass(F::TICK * 4).await;
    }
    tested.log.maintain(factory.now());
    // A log with a clock of its own may be a tick ahead or behind.
    let (before, kept, after) = (factory.now(), tested.data().await, factory.now());
    for known in &tested.known {
        let is_kept = kept.contains(&known.data);
        if known.at.0 + age > after + F::TICK {
            assert!(is_kept, "{} is young enough", known.data);
        }
        if F::IS_EXACT && known.at.1 + age + F::TICK < before {
            assert!(!is_kept, "{} is too old", known.data);
        }
    }
    tested.has_no_silent_hole(0).await;
    factory.pass(F::TICK * 12).await;
    if F::IS_EXACT {
        // No event is left, but the topic keeps its position.
        let batch = tested.read(Start::Oldest).await;
        assert_eq!((batch.entries.len(), batch.end), (0, tested.position(3)));
        let batch = tested.read(Start::After(tested.position(1))).await;
        assert_eq!(
            (batch.resume, batch.entries.len()),
            (Resume::Gap { missed: Some(2) }, 0)
        );
        let batch = tested.read(Start::After(tested.position(3))).await;
        assert_eq!(batch.resume, Resume::Complete);
    }
    tested.append(record("new")).await;
    assert!(tested.data().await.ends_with(&["new".to_owned()]));
}

/// A state that a newer one has replaced is not missed; a state that retention takes is.
pub async fn of_each_key_the_latest_is_kept<F: LogFactory>(factory: &F) {
    let retention = Retention::new().keep(Keep::LatestPerKey);
    let mut tested = TestedTopic::new(factory, retention.clone()).await;
    let before = tested.read(Start::Head).await.end;
    for (key, text) in [
        ("a", "a1"),
        ("b", "b1"),
        ("a", "a2"),
        ("c", "c1"),
        ("a", "a3"),
        ("", "none"),
    ] {
        tested.append(record(text).key(key)).await;
    }
    assert_eq!(tested.data().await, ["b1", "c1", "a3", "none"]);
    for (start, due) in [
        (Start::After(before), &["b1", "c1", "a3", "none"][..]),
        (Start::After(tested.position(0)), &["b1", "c1", "a3", "none"]),
        (Start::After(tested.position(2)), &["c1", "a3", "none"]),
        (Start::After(tested.position(4)), &["none"]),
    ] {
        let batch = tested.read(start).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Complete, due.iter().map(ToString::to_string).collect())
        );
        assert_eq!(batch.end, tested.position(5));
    }
    assert_eq!(
        tested.log.behind(&tested.topic, tested.position(0)),
        4,
        "what was replaced is not to be read"
    );

    tested.retention = retention.max_events(2);
    tested.append(record("d1").key("d")).await;
    if F::IS_EXACT {
        assert_eq!(tested.data().await, ["none", "d1"]);
        let batch = tested.read(Start::After(tested.position(2))).await;
        assert_eq!(
            batch.resume,
            Resume::Gap { missed: None },
            "states were replaced, so nobody can count"
        );
    }
}

/// A replaced event counts neither as missed nor as still to be read.
pub async fn what_was_replaced_is_neither_missed_nor_ahead<F: LogFactory>(factory: &F) {
    let retention = Retention::new().keep(Keep::LatestPerKey).max_events(2);
    let mut tested = TestedTopic::new(factory, retention).await;
    let seen = tested.append(record("x").key("seen")).await;
    for _ in 0..100 {
        tested.append(record("x").key("many")).await;
    }
    let batch = tested.read(Start::After(seen)).await;
    assert_eq!((batch.resume, batch.entries.len()), (Resume::Complete, 1));
    assert_eq!(tested.log.behind(&tested.topic, seen), 1);
    for key in ["b", "c"] {
        tested.append(record("x").key(key)).await;
    }
    if F::IS_EXACT {
        assert_eq!(tested.log.behind(&tested.topic, seen), 2);
        let batch = tested.read(Start::After(seen)).await;
        assert_eq!(batch.resume, Resume::Gap { missed: None });
    }
}

/// The retention that an append brings is the topic's.
pub async fn a_changed_retention_holds_from_the_next_append_on<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    for nth in 0..10 {
        tested
            .append(record(&nth.to_string()).key(format!("{}", nth % 2)))
            .await;
    }
    tested.retention = Retention::new().max_events(5);
    tested.append(record("10").key("0")).await;
    if F::IS_EXACT {
        assert_eq!(tested.data().await, tested.after(6));
    }
    tested.has_no_silent_hole(5).await;
    // A larger bound does not bring deleted events back.
    tested.retention = Retention::new();
    tested.append(record("11").key("1")).await;
    if F::IS_EXACT {
        assert_eq!(tested.data().await, tested.after(6));
        tested.retention = Retention::new().keep(Keep::LatestPerKey);
        tested.append(record("12").key("2")).await;
        assert_eq!(tested.data().await, ["10", "11", "12"]);
    }
}
