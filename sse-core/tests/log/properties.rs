//! A ring, and the log in memory, do what the model does, whatever is done to them.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use proptest::{collection::vec, option, prelude::*};
use sse_actix_core::{
    Appended, Batch, Keep, Limit, Log, LogStats, MemoryLog, OnceStats, Position, Resume, Retention, Ring,
    Start,
};

use crate::{
    ALL, TOPIC, at, epoch, limit,
    model::{Answer, Model},
    record,
};

#[derive(Debug, Clone)]
enum Step {
    Append { key: Option<u8>, len: usize },
    Trim(Retention),
    DeleteOldest,
    Keep(Keep),
    Pass(u64),
    SetClockBack(u64),
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![Just(Keep::Every), Just(Keep::LatestPerKey)]
}

fn retention() -> impl Strategy<Value = Retention> {
    let events = prop_oneof![Just(10_000), 1usize..6];
    let bytes = prop_oneof![Just(4_000_000), 200usize..2_000];
    let age = prop_oneof![Just(3_600_000), 0u64..400];
    (events, bytes, age).prop_map(|(events, bytes, age)| {
        Retention::new()
            .max_events(events)
            .max_bytes(bytes)
            .max_age(Duration::from_millis(age))
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (option::of(0u8..4), 0usize..150).prop_map(|(key, len)| Step::Append { key, len }),
        2 => retention().prop_map(Step::Trim),
        1 => Just(Step::DeleteOldest),
        1 => keep().prop_map(Step::Keep),
        2 => (0u64..300).prop_map(Step::Pass),
        1 => (0u64..1_000).prop_map(Step::SetClockBack),
    ]
}

fn limits() -> impl Strategy<Value = Limit> {
    prop_oneof![
        Just(ALL),
        (1usize..5, prop_oneof![Just(usize::MAX), 0usize..400])
            .prop_map(|(events, bytes)| limit(events, bytes)),
    ]
}

/// Every start that there is, with every position around what is kept.
fn starts(head: u64, epoch_number: u64) -> Vec<Start> {
    let after = |epoch_number, sequence| {
        Start::After(Position {
            epoch: epoch(epoch_number),
            sequence,
        })
    };
    let mut starts = vec![Start::Head, Start::Oldest, Start::Unknown];
    starts.extend((0..8).chain([usize::MAX]).map(Start::Last));
    starts.extend((0..=head + 2).map(|sequence| after(epoch_number, sequence)));
    starts.extend([0, 1, head].map(|sequence| after(epoch_number + 1, sequence)));
    starts.push(after(epoch_number, u64::MAX));
    starts
}

fn answer(batch: &Batch) -> Answer {
    Answer {
        resume: batch.resume,
        start: batch.start,
        frames: frames(batch),
        end: batch.end,
        more: batch.more,
    }
}

fn frames(batch: &Batch) -> Vec<String> {
    let frames = batch.entries.iter().map(|entry| entry.frame().to_vec());
    frames.map(|frame| String::from_utf8(frame).unwrap()).collect()
}

/// Everything after a start, read in pieces.
fn in_pieces(mut read: impl FnMut(Start) -> Batch, start: Start) -> (Vec<String>, Position) {
    let mut batch = read(start);
    let mut all = frames(&batch);
    while batch.more {
        batch = read(Start::After(batch.end));
        assert_eq!(batch.resume, Resume::Complete);
        assert!(!batch.entries.is_empty());
        all.extend(frames(&batch));
    }
    (all, batch.end)
}

fn times(batch: &Batch) -> Vec<SystemTime> {
    batch.entries.iter().map(|entry| entry.at()).collect()
}

fn check_reads(mut read: impl FnMut(Start, Limit) -> Batch, model: &Model, epoch_number: u64, limit: Limit) {
    for start in starts(model.head, epoch_number) {
        let whole = model.read(start, ALL);
        assert_eq!(answer(&read(start, ALL)), whole, "{start:?}");
        assert_eq!(
            answer(&read(start, limit)),
            model.read(start, limit),
            "{start:?} {limit:?}"
        );
        let pieces = in_pieces(|start| read(start, limit), start);
        assert_eq!(pieces, (whole.frames, whole.end), "{start:?} {limit:?}");
    }
}

fn check_stats(stats: LogStats, model: &Model, epoch_number: u64) {
    let expected = LogStats {
        epoch: epoch(epoch_number),
        head: model.head,
        oldest: model.oldest(),
        events: model.len(),
        bytes: model.bytes(),
        deleted: model.deletions,
        once: OnceStats::default(),
    };
    assert_eq!(stats, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_ring_is_what_the_model_is(
        first in keep(), last_deleted in prop_oneof![Just(0u64), 1u64..12], steps in vec(step(), 0..40), limit in limits(),
    ) {
        let mut ring = Ring::new(epoch(1), first, last_deleted, true);
        let mut model = Model::new(epoch(1), first, last_deleted);
        let mut now = 0;
        for step in steps {
            match step {
                Step::Append { key, len } => {
                    let key = key.map(|key| format!("key {key}"));
                    let record = record(&"x".repeat(len), key.as_deref());
                    model.append(&record, at(now));
                    let entry = ring.append(record, at(now));
                    prop_assert_eq!(entry.sequence(), model.head);
                }
                Step::Trim(retention) => {
                    ring.trim(&retention, at(now));
                    model.trim(&retention, at(now));
                }
                Step::DeleteOldest => prop_assert_eq!(ring.delete_oldest(), model.delete_oldest()),
                Step::Keep(keep) => {
                    ring.keep(keep);
                    model.keep(keep);
                }
                Step::Pass(millis) => now += millis,
                Step::SetClockBack(millis) => now = now.saturating_sub(millis),
            }
            check_stats(ring.stats(), &model, 1);
            prop_assert_eq!((ring.len(), ring.is_empty(), ring.bytes()), (model.len(), model.len() == 0, model.bytes()));
        }
        check_reads(|start, limit| ring.read(start, limit), &model, 1, limit);
        prop_assert_eq!(times(&ring.read(Start::Oldest, ALL)), model.times());
        prop_assert!(model.times().is_sorted());
    }

    #[test]
    fn the_log_in_memory_is_what_the_model_is(
        retention in retention(), keep in keep(), steps in vec(step(), 0..40), limit in limits(),
    ) {
        let log = MemoryLog::new();
        // Which epoch it is, only the log can say.
        let epoch_number = log.read(&TOPIC, Start::Head, ALL, at(0)).into_ready().unwrap().unwrap().end.epoch;
        let mut model = Model::new(epoch_number, keep, 0);
        let retention = retention.keep(keep);
        let mut now = 0;
        for step in steps {
            match step {
                Step::Append { key, len } => {
                    let key = key.map(|key| format!("key {key}"));
                    let record = record(&"x".repeat(len), key.as_deref());
                    let appended = log.append(&TOPIC, record.clone(), &retention, at(now)).into_ready().unwrap();
                    match appended {
                        Ok(Appended { position, .. }) => {
                            model.append(&record, at(now));
                            model.trim(&retention, at(now));
                            prop_assert_eq!(position, Position { epoch: epoch_number, sequence: model.head });
                        }
                        Err(error) => {
                            let no_key = keep == Keep::LatestPerKey && key.is_none();
                            prop_assert!(no_key || retention.bytes() < 600, "{}", error);
                        }
                    }
                }
                Step::Pass(millis) => now += millis,
                Step::SetClockBack(millis) => now = now.saturating_sub(millis),
                _ => {
                    log.maintain(at(now));
                    if model.head > 0 {
                        model.trim(&retention, at(now));
                    }
                }
            }
            let stats = log.stats(&TOPIC).unwrap();
            prop_assert_eq!((stats.events, stats.bytes, stats.head), (model.len(), model.bytes(), model.head));
            prop_assert_eq!(log.bytes(), model.bytes());
            for sequence in 0..=model.head {
                let behind = log.behind(&TOPIC, Position { epoch: epoch_number, sequence });
                prop_assert_eq!(behind, model.behind(sequence), "from {}", sequence);
            }
            prop_assert!(stats.events <= retention.events() && stats.bytes <= retention.bytes());
        }
        // A read lets go of what is too old.
        model.trim(&retention, at(now));
        let read = |start, limit| log.read(&TOPIC, start, limit, at(now)).into_ready().unwrap().unwrap();
        prop_assert_eq!(times(&read(Start::Oldest, ALL)), model.times());
        for start in [Start::Head, Start::Oldest, Start::Unknown, Start::Last(3)] {
            prop_assert_eq!(answer(&read(start, limit)), model.read(start, limit));
        }
        for sequence in 0..=model.head + 2 {
            let start = Start::After(Position { epoch: epoch_number, sequence });
            let whole = model.read(start, ALL);
            prop_assert_eq!(answer(&read(start, ALL)), model.read(start, ALL));
            prop_assert_eq!(in_pieces(|start| read(start, limit), start), (whole.frames, whole.end));
        }
        let foreign = Start::After(Position { epoch: epoch(7), sequence: 1 });
        prop_assert_eq!(read(foreign, ALL).resume, Resume::Unknown);
        prop_assert_eq!(log.bytes(), model.bytes());
    }

    #[test]
    fn of_each_key_exactly_the_newest_is_kept(keys in vec(0u8..6, 0..60)) {
        let mut ring = Ring::new(epoch(1), Keep::LatestPerKey, 0, true);
        for (at_, key) in keys.iter().enumerate() {
            ring.append(record(&at_.to_string(), Some(&key.to_string())), at(0));
        }
        let batch = ring.read(Start::Oldest, ALL);
        let kept: Vec<_> = batch.entries.iter().map(|entry| (entry.key().unwrap().to_owned(), entry.data())).collect();
        let mut seen = HashSet::new();
        let mut expected: Vec<_> = keys.iter().enumerate().rev()
            .filter(|(_, key)| seen.insert(**key))
            .map(|(at_, key)| (key.to_string(), at_.to_string()))
            .collect();
        expected.reverse();
        prop_assert_eq!(kept, expected);
    }
}

#[test]
fn a_key_that_was_replaced_is_not_missed() {
    let mut ring = Ring::new(epoch(1), Keep::LatestPerKey, 0, true);
    for price in 1..=5 {
        ring.append(record(&price.to_string(), Some("ACME")), at(0));
    }
    let after = |sequence| {
        Start::After(Position {
            epoch: epoch(1),
            sequence,
        })
    };
    for sequence in 0..=4 {
        let batch = ring.read(after(sequence), ALL);
        assert_eq!((batch.resume, batch.entries.len()), (Resume::Complete, 1));
        assert_eq!(batch.entries[0].data(), "5");
    }
}

/// A reader that may see what came after some moment sees it, also where the clock was set back meanwhile.
#[test]
fn the_times_of_a_topic_never_go_back() {
    let mut ring = Ring::new(epoch(1), Keep::Every, 0, true);
    let times = [500, 200, 300, 600, 100].map(|millis| ring.append(record("x", None), at(millis)).at());
    assert_eq!(times, [500, 500, 500, 600, 600].map(at));
    // Nor do they begin anew when nothing is left, or something else is kept.
    while ring.delete_oldest().is_some() {}
    ring.keep(Keep::LatestPerKey);
    assert_eq!(ring.append(record("x", Some("a")), at(0)).at(), at(600));
}

/// It is by its own time that an entry becomes too old, and not by the one that it was given so that none goes back.
#[test]
fn entries_grow_old_also_when_the_clock_was_set_back() {
    for keep in [Keep::Every, Keep::LatestPerKey] {
        let retention = Retention::new().max_age(Duration::from_millis(100));
        let mut ring = Ring::new(epoch(1), keep, 0, true);
        // The clock was a day ahead when the first was appended.
        for (nth, millis) in [86_400_000, 0, 60].into_iter().enumerate() {
            ring.append(record("x", Some(&nth.to_string())), at(millis));
        }
        let mut kept = |now| {
            ring.trim(&retention, at(now));
            ring.len()
        };
        assert_eq!(
            [60, 100, 101, 160, 161].map(&mut kept),
            [3, 3, 1, 1, 0],
            "{keep:?}"
        );
    }
    // Where nothing is appended meanwhile, a look at the clock is enough.
    let mut ring = Ring::new(epoch(1), Keep::Every, 0, true);
    ring.append(record("x", None), at(86_400_000));
    let retention = Retention::new().max_age(Duration::from_millis(100));
    let mut kept = |now| {
        ring.trim(&retention, at(now));
        ring.len()
    };
    assert_eq!([0, 100, 101].map(&mut kept), [1, 1, 0]);
}

#[test]
fn an_entry_of_elsewhere_that_is_not_beyond_the_head_is_left_out() {
    let mut elsewhere = Ring::new(epoch(1), Keep::Every, 0, true);
    let entries: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|text| elsewhere.append(record(text, None), at(0)))
        .collect();

    let mut ring = Ring::new(epoch(1), Keep::Every, 0, false);
    for at_ in [0, 0, 2, 1, 2] {
        ring.push(entries[at_].clone());
    }
    assert_eq!((ring.len(), ring.kept_range().head), (2, 3));
    // With holes in its sequences it cannot count what is gone.
    ring.delete_oldest();
    ring.delete_oldest();
    let start = Start::After(Position {
        epoch: epoch(1),
        sequence: 1,
    });
    let batch = ring.read(start, ALL);
    assert_eq!(batch.resume, Resume::Gap { missed: None });
    assert_eq!(
        (batch.start.sequence, batch.end.sequence, batch.more),
        (3, 3, false)
    );
}

#[test]
fn a_read_returns_as_many_bytes_as_it_may_and_no_more() {
    let mut ring = Ring::new(epoch(1), Keep::Every, 0, true);
    for _ in 0..3 {
        ring.append(record("x", None), at(0));
    }
    let frame = ring.read(Start::Oldest, ALL).entries[0].frame().len();
    let read = |bytes| ring.read(Start::Oldest, limit(9, bytes)).entries.len();
    assert_eq!(
        [0, frame, 2 * frame - 1, 2 * frame, 3 * frame].map(read),
        [1, 1, 1, 2, 3]
    );
}

#[test]
fn a_key_of_which_nothing_is_kept_is_not_remembered() {
    let mut ring = Ring::new(epoch(1), Keep::LatestPerKey, 0, true);
    ring.append(record("x", Some("one of very many")), at(0));
    assert!(format!("{ring:?}").contains("one of very many"));
    ring.delete_oldest();
    assert!(!format!("{ring:?}").contains("one of very many"), "{ring:?}");
}
