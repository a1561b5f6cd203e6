//! A log and what has been appended to one topic of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
    time::SystemTime,
};

use super::LogFactory;
use crate::{
    AppendError, Appended, Batch, Event, IdempotencyKey, Limit, Log, Position, Record, Resume, Retention,
    Start, TopicName,
};

/// No limit.
pub(super) const ALL: Limit = Limit {
    events: std::num::NonZeroUsize::MAX,
    bytes: usize::MAX,
};

/// An appended record, and the time of its append.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) position: Position,
    pub(super) data: String,
    /// The clock before and after the append.
    pub(super) at: (SystemTime, SystemTime),
}

/// One topic of a log.
pub(super) struct TestedTopic<'a, F: LogFactory> {
    pub(super) factory: &'a F,
    pub(super) log: Arc<F::Log>,
    pub(super) topic: TopicName,
    pub(super) retention: Retention,
    pub(super) known: Vec<Known>,
}

impl<'a, F: LogFactory> TestedTopic<'a, F> {
    pub(super) async fn new(factory: &'a F, retention: Retention) -> Self {
        let log = Arc::new(factory.open().await);
        Self::on(factory, log, "a topic", retention)
    }

    /// Another topic of the same log.
    pub(super) fn on(factory: &'a F, log: Arc<F::Log>, topic: &str, retention: Retention) -> Self {
        let topic = TopicName::try_from(topic).unwrap();
        log.prepare(&topic, &retention);
        Self {
            factory,
            log,
            topic,
            retention,
            known: Vec::new(),
        }
    }

    pub(super) async fn try_append(&self, record: Record) -> Result<Appended, AppendError> {
        let now = self.factory.now();
        self.log.append(&self.topic, record, &self.retention, now).await
    }

    /// Appends a record, which must not be a repetition.
    pub(super) async fn append(&mut self, record: Record) -> Position {
        let before = self.factory.now();
        let data = data_of(&record);
        let appended = self.try_append(record).await.expect("it is appended");
        assert!(!appended.repeated, "{data}: it is new");
        self.known.push(Known {
            position: appended.position,
            data,
            at: (before, self.factory.now()),
        });
        appended.position
    }

    /// Appends this many records. Their texts are the numbers from 1 on.
    pub(super) async fn append_numbers(&mut self, records: usize) {
        for nth in 1..=records {
            self.append(record(&nth.to_string())).await;
        }
    }

    pub(super) async fn read_up_to(&self, start: Start, limit: Limit) -> Batch {
        let now = self.factory.now();
        let batch = self.log.read(&self.topic, start, limit, now).await;
        batch.expect("it can be read")
    }

    pub(super) async fn read(&self, start: Start) -> Batch {
        self.read_up_to(start, ALL).await
    }

    pub(super) async fn data(&self) -> Vec<String> {
        data(&self.read(Start::Oldest).await)
    }

    /// The data of the known records after the first `records`.
    pub(super) fn after(&self, records: usize) -> Vec<String> {
        self.known[records..]
            .iter()
            .map(|known| known.data.clone())
            .collect()
    }

    pub(super) fn position(&self, nth: usize) -> Position {
        self.known[nth].position
    }

    /// Waits until `holds` returns true, while the log does its own work.
    pub(super) async fn until(&self, awaited: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if holds() {
                return;
            }
            self.factory.rest().await;
        }
        panic!("waited in vain for {awaited}");
    }

    /// Reads after each event of a topic that keeps every event. Each read must return all later events, or the newest
    /// of them and a gap. If the gap has a number, it must be right. Each read must return at least the newest `least`
    /// events.
    pub(super) async fn has_no_silent_hole(&self, least: usize) {
        for read in 1..=self.known.len() {
            let start = Start::After(self.position(read - 1));
            let batch = self.read(start).await;
            let (got, due) = (data(&batch), self.after(read));
            assert!(
                due.ends_with(&got),
                "after {read}: these were appended {due:?}, and these read {got:?}"
            );
            assert!(
                got.len() >= least.min(due.len()),
                "after {read}: retention leaves {least}, and these were read: {got:?}"
            );
            match batch.resume {
                Resume::Complete => assert_eq!(got, due, "after {read}: nothing is missing"),
                Resume::Gap { missed } => {
                    let gone = (due.len() - got.len()) as u64;
                    assert!(
                        missed.is_none_or(|missed| missed == gone),
                        "after {read}: {missed:?} of {gone}"
                    );
                    assert!(gone > 0, "after {read}: a gap, and nothing is gone");
                }
                other => panic!("after {read}: {other:?}"),
            }
        }
    }
}

pub(super) fn record(text: &str) -> Record {
    Record::event(&Event::data(text), None).unwrap()
}

pub(super) fn idempotency_key(text: &str) -> IdempotencyKey {
    IdempotencyKey::try_from(text).unwrap()
}

/// The data of a record of one line.
pub(super) fn data_of(record: &Record) -> String {
    let body = str::from_utf8(record.body()).unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.collect()
}

pub(super) fn data(batch: &Batch) -> Vec<String> {
    batch.entries.iter().map(|entry| entry.data()).collect()
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(super) struct Woken(AtomicUsize);

impl Woken {
    pub(super) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
