//! What a log has that implements no more than it must, and what a reader is told of an entry.

use std::{sync::Arc, task::Waker, time::SystemTime};

use sse_actix_core::{
    AppendError, Appended, Batch, Completion, DecodeEventError, Entry, EventName, Keep, Limit, Log, LogError,
    LogStats, MemoryLog, Position, Positions, Record, Retention, Ring, SseEvents, Start, TopicName,
    TopicValue, Watch,
};

use crate::{ALL, TOPIC, at, epoch, record};

/// A log in memory that leaves out all it may.
#[derive(Debug)]
struct Least(MemoryLog);

impl Log for Least {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        self.0.append(topic, record, retention, now)
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        self.0.read(topic, start, limit, now)
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.0.watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.0.stats(topic)
    }
}

#[test]
fn a_log_that_leaves_it_out_counts_sequences_and_knows_of_no_fault() {
    let log = Least(MemoryLog::new());
    let append = || {
        let appended = log.append(&TOPIC, record("x", None), &Retention::new(), at(0));
        appended.into_ready().unwrap().unwrap().position
    };
    let [first, _, _, last] = [append(), append(), append(), append()];
    assert_eq!(log.behind(&TOPIC, first), 3);
    assert_eq!(log.behind(&TOPIC, last), 0);
    let of_another_life = Position {
        epoch: epoch(1),
        sequence: 1,
    };
    assert_eq!(log.behind(&TOPIC, of_another_life), 0);
    assert_eq!(log.behind(&TopicName::from_static("news"), first), 0);
    assert_eq!(log.fault(&TOPIC), None);
    assert!(log.cluster().is_none());
}

#[derive(serde::Serialize, serde::Deserialize)]
enum Market {
    Price(f64),
}

impl SseEvents for Market {
    const NAMES: &'static [EventName] = &[EventName::from_static("price")];

    fn event_name(&self) -> &EventName {
        &Self::NAMES[0]
    }
}

impl TopicValue for Market {}

#[test]
fn an_entry_is_an_event_that_a_filter_says_yes_to_and_nothing_else() {
    let place = Position {
        epoch: epoch(1),
        sequence: 1,
    };
    let none_is_told = |error: &DecodeEventError| panic!("{error}");
    let entry = Entry::new(place, Record::from_value(&Market::Price(12.5)).unwrap(), at(0));
    assert!(entry.is_event(|Market::Price(price)| *price > 10.0, none_is_told));
    assert!(!entry.is_event(|Market::Price(price)| *price > 20.0, none_is_told));

    let foreign = Entry::new(place, record("no price", None), at(0));
    let mut told = 0;
    assert!(!foreign.is_event(|_: &Market| true, |_| told += 1));
    assert!(!foreign.is_event(|_: &Market| true, |_| told += 1));
    assert_eq!(told, 1);
}

#[test]
fn positions_are_empty_only_where_none_was_read() {
    let id = Positions::id([Position {
        epoch: epoch(1),
        sequence: 7,
    }]);
    assert!(!Positions::parse(&id.to_string()).is_empty());
    assert!(Positions::parse("7").is_empty());
}

#[test]
fn a_ring_knows_what_it_holds_and_what_a_reader_still_has_to_read() {
    let entry = |sequence| {
        let place = Position {
            epoch: epoch(1),
            sequence,
        };
        Arc::new(Entry::new(place, record("x", None), at(0)))
    };
    let mut ring = Ring::new(epoch(1), Keep::Every, 20, false);
    ring.push(entry(30));
    let one = ring.bytes();
    ring.prepend(vec![entry(11), entry(20)], 10);
    assert_eq!(ring.bytes(), 3 * one);
    let left = [10, 11, 19, 20, 30, 40].map(|sequence| ring.count_after(sequence));
    assert_eq!(left, [3, 2, 2, 1, 0, 0]);
    let read = ring.read(Start::Oldest, ALL).entries;
    assert_eq!(read.len(), 3);
}

#[test]
fn an_entrys_key_counts_as_memory() {
    let bytes = |key: Option<&str>| {
        let mut ring = Ring::new(epoch(1), Keep::Every, 0, true);
        ring.append(record("x", key), at(0));
        ring.bytes()
    };
    assert_eq!(bytes(Some("ACME")), bytes(None) + 4);
}
