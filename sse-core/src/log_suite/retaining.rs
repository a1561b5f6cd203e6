//! Retention: which events are deleted, which stay, and which gap a reader gets.

use super::{
    LogFactory,
    bench::{Bench, data, record},
};
use crate::{Keep, Log as _, Resume, Retention, Start};

/// The newest events are kept, and a reader that was before them gets a gap.
pub async fn count_deletes_the_oldest<F: LogFactory>(factory: &F) {
    let mut bench = Bench::new(factory, Retention::new().max_events(4)).await;
    let before = bench.read(Start::Head).await.end;
    bench.count(10).await;
    if F::IS_EXACT {
        assert_eq!(bench.data().await, bench.after(6));
        let batch = bench.read(Start::After(before)).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Gap { missed: Some(6) }, bench.after(6))
        );
        let batch = bench.read(Start::After(bench.position(4))).await;
        assert_eq!(batch.resume, Resume::Gap { missed: Some(1) });
        let stats = bench.log.stats(&bench.topic).unwrap();
        assert_eq!(
            (stats.events, stats.oldest),
            (4, Some(bench.position(6).sequence))
        );
    }
    assert!(bench.data().await.ends_with(&bench.after(6)));
    bench.has_no_silent_hole(4).await;
}

/// As many of the newest are kept as there is room for.
pub async fn bytes_delete_the_oldest<F: LogFactory>(factory: &F) {
    let mut bench = Bench::new(factory, Retention::new().max_bytes(10_000)).await;
    for nth in 0..30 {
        bench.append(record(&format!("{nth}{}", "x".repeat(900)))).await;
    }
    let kept = bench.data().await;
    assert!(!kept.is_empty());
    if F::IS_EXACT {
        let bytes: usize = kept.iter().map(String::len).sum();
        assert!(
            bytes <= 10_000 && kept.len() > 5,
            "{} events of {bytes} bytes",
            kept.len()
        );
        let stats = bench.log.stats(&bench.topic).unwrap();
        assert!(stats.bytes <= 10_000, "{stats:?}");
        assert_eq!(stats.events, kept.len());
    }
    bench.has_no_silent_hole(1).await;
}

/// Events that are older than their topic allows are not read any more; younger events stay.
pub async fn age_deletes_the_oldest<F: LogFactory>(factory: &F) {
    let age = F::TICK * 10;
    let mut bench = Bench::new(factory, Retention::new().max_age(age)).await;
    for nth in 0..4 {
        bench.append(record(&nth.to_string())).await;
        factory.pass(F::TICK * 4).await;
    }
    bench.log.maintain(factory.now());
    // A log with a clock of its own may be a tick ahead or behind.
    let (before, kept, after) = (factory.now(), bench.data().await, factory.now());
    for known in &bench.known {
        let is_kept = kept.contains(&known.data);
        if known.at.0 + age > after + F::TICK {
            assert!(is_kept, "{} is young enough", known.data);
        }
        if F::IS_EXACT && known.at.1 + age + F::TICK < before {
            assert!(!is_kept, "{} is too old", known.data);
        }
    }
    bench.has_no_silent_hole(0).await;
    factory.pass(F::TICK * 12).await;
    if F::IS_EXACT {
        // No event is left, but the topic keeps its position.
        let batch = bench.read(Start::Oldest).await;
        assert_eq!((batch.entries.len(), batch.end), (0, bench.position(3)));
        let batch = bench.read(Start::After(bench.position(1))).await;
        assert_eq!(
            (batch.resume, batch.entries.len()),
            (Resume::Gap { missed: Some(2) }, 0)
        );
        let batch = bench.read(Start::After(bench.position(3))).await;
        assert_eq!(batch.resume, Resume::Complete);
    }
    bench.append(record("new")).await;
    assert!(bench.data().await.ends_with(&["new".to_owned()]));
}

/// A state that a newer one has replaced is not missed; a state that retention takes is.
pub async fn of_each_key_the_latest_is_kept<F: LogFactory>(factory: &F) {
    let retention = Retention::new().keep(Keep::LatestPerKey);
    let mut bench = Bench::new(factory, retention.clone()).await;
    let before = bench.read(Start::Head).await.end;
    for (key, text) in [
        ("a", "a1"),
        ("b", "b1"),
        ("a", "a2"),
        ("c", "c1"),
        ("a", "a3"),
        ("", "none"),
    ] {
        bench.append(record(text).key(key)).await;
    }
    assert_eq!(bench.data().await, ["b1", "c1", "a3", "none"]);
    for (start, due) in [
        (Start::After(before), &["b1", "c1", "a3", "none"][..]),
        (Start::After(bench.position(0)), &["b1", "c1", "a3", "none"]),
        (Start::After(bench.position(2)), &["c1", "a3", "none"]),
        (Start::After(bench.position(4)), &["none"]),
    ] {
        let batch = bench.read(start).await;
        assert_eq!(
            (batch.resume, data(&batch)),
            (Resume::Complete, due.iter().map(ToString::to_string).collect())
        );
        assert_eq!(batch.end, bench.position(5));
    }
    assert_eq!(
        bench.log.behind(&bench.topic, bench.position(0)),
        4,
        "what was replaced is not to be read"
    );

    bench.retention = retention.max_events(2);
    bench.append(record("d1").key("d")).await;
    if F::IS_EXACT {
        assert_eq!(bench.data().await, ["none", "d1"]);
        let batch = bench.read(Start::After(bench.position(2))).await;
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
    let mut bench = Bench::new(factory, retention).await;
    let seen = bench.append(record("x").key("seen")).await;
    for _ in 0..100 {
        bench.append(record("x").key("many")).await;
    }
    let batch = bench.read(Start::After(seen)).await;
    assert_eq!((batch.resume, batch.entries.len()), (Resume::Complete, 1));
    assert_eq!(bench.log.behind(&bench.topic, seen), 1);
    for key in ["b", "c"] {
        bench.append(record("x").key(key)).await;
    }
    if F::IS_EXACT {
        assert_eq!(bench.log.behind(&bench.topic, seen), 2);
        let batch = bench.read(Start::After(seen)).await;
        assert_eq!(batch.resume, Resume::Gap { missed: None });
    }
}

/// The retention that an append brings is the topic's.
pub async fn a_changed_retention_holds_from_the_next_append_on<F: LogFactory>(factory: &F) {
    let mut bench = Bench::new(factory, Retention::new()).await;
    for nth in 0..10 {
        bench
            .append(record(&nth.to_string()).key(format!("{}", nth % 2)))
            .await;
    }
    bench.retention = Retention::new().max_events(5);
    bench.append(record("10").key("0")).await;
    if F::IS_EXACT {
        assert_eq!(bench.data().await, bench.after(6));
    }
    bench.has_no_silent_hole(5).await;
    // A larger bound does not bring deleted events back.
    bench.retention = Retention::new();
    bench.append(record("11").key("1")).await;
    if F::IS_EXACT {
        assert_eq!(bench.data().await, bench.after(6));
        bench.retention = Retention::new().keep(Keep::LatestPerKey);
        bench.append(record("12").key("2")).await;
        assert_eq!(bench.data().await, ["10", "11", "12"]);
    }
}
