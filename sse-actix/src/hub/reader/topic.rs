//! A reader in one topic: from where it reads, and what it does before it follows the window.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
    vec,
};

use actix_web::Error;
use futures_core::future::LocalBoxFuture;
use sse_actix_core::{Batch, Completion, Entry, Event, Keep, Limit, LogError, Position, Record, Start};
use tokio::time::{Sleep, sleep};

use crate::hub::{
    registry::TopicState,
    subscription::selection::ReadOptions,
    worker::{PAUSE, Subscriber, TopicCursor, Worker},
};

/// What a reader that has fallen behind takes from the log at once: some portions.
pub(super) const CATCH_UP: Limit = Limit {
    events: NonZeroUsize::new(1_000).unwrap(),
    bytes: 64 * 1024,
};

pub(in crate::hub) struct TopicReader {
    pub(super) topic: Arc<TopicState>,
    pub(super) options: Option<Box<ReadOptions>>,
    /// What it does before it reads from the window; `None` when it does that.
    pub(super) state: Option<Box<ReadState>>,
    /// Where it stops, while draining.
    pub(super) stop_at: Option<u64>,
    /// It has read once.
    pub(super) begun: bool,
    /// Its first read was answered, or has failed.
    pub(super) answered: bool,
    /// The client sent an id without a usable position for this topic, and no read has answered yet.
    pub(super) has_unknown_id: bool,
}

pub(super) enum ReadState {
    /// It asks the log, from there.
    Read(Completion<Result<Batch, LogError>>, Start, ReadPurpose),
    /// The log could not be read.
    Pause(Pin<Box<Sleep>>, Start, ReadPurpose),
    /// It delivers what it was given.
    Deliver(vec::IntoIter<Arc<Entry>>, Position, AfterReplay),
    /// It waits for a snapshot.
    Snapshot(LocalBoxFuture<'static, Result<Vec<Event>, Error>>, Position),
    /// It delivers a snapshot.
    Show(vec::IntoIter<Entry>, Position),
}

/// Why the log was asked.
pub(super) enum ReadPurpose {
    /// To begin, or to catch up.
    On,
    /// For where a snapshot begins.
    Head,
    /// For the last `usize` entries that it may see.
    History(usize, VecDeque<Arc<Entry>>),
}

/// What comes after a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterReplay {
    /// There is more in the log.
    Read,
    /// It has reached the head.
    Live,
}

impl TopicReader {
    pub(in crate::hub) fn new(topic: Arc<TopicState>, options: Option<Box<ReadOptions>>) -> Self {
        Self {
            topic,
            options,
            state: None,
            stop_at: None,
            begun: false,
            answered: false,
            has_unknown_id: false,
        }
    }

    /// Where reading begins for a client with this resume point.
    fn start(&self, resume_point: ResumePoint) -> (Start, ReadPurpose) {
        match resume_point {
            _ if !self.topic.options.replays => (Start::Head, ReadPurpose::On),
            ResumePoint::Position(position) => (Start::After(position), ReadPurpose::On),
            ResumePoint::Unknown => (Start::Unknown, ReadPurpose::On),
            ResumePoint::Nothing => match self.options.as_deref() {
                Some(ReadOptions {
                    snapshot: Some(_), ..
                }) => (Start::Head, ReadPurpose::Head),
                Some(ReadOptions {
                    history: Some(events),
                    filters,
                    since,
                    ..
                }) => {
                    if !filters.is_empty() || since.is_some() {
                        (Start::Oldest, ReadPurpose::History(*events, VecDeque::new()))
                    } else {
                        (Start::Last(*events), ReadPurpose::On)
                    }
                }
                _ if self.topic.options.retention.keeps() == Keep::LatestPerKey => {
                    (Start::Oldest, ReadPurpose::On)
                }
                _ => (Start::Head, ReadPurpose::On),
            },
        }
    }

    /// Registers a subscriber with the topic, and issues its first read.
    pub(super) fn join(
        &mut self,
        worker: &Worker,
        subscriber: &Rc<Subscriber>,
        cursor: &TopicCursor,
        at: usize,
        resume_point: ResumePoint,
    ) {
        let replays = self.topic.options.replays;
        if let ResumePoint::Position(position) = resume_point {
            // Kept in the ids of other topics' events until this one has begun.
            cursor.position.set(Some(position).filter(|_| replays));
        }
        cursor.silent.set(!replays);
        if matches!(resume_point, ResumePoint::Unknown) && replays {
            self.has_unknown_id = true;
            let unknown = &subscriber.client.unknown_topics;
            unknown.set(unknown.get() + 1);
        }
        if let Some(options) = &mut self.options {
            options.opened = Some(SystemTime::now());
        }
        // First it is registered, then it is read: what comes in between is not missed.
        worker.join(subscriber, at, &self.topic);
        let (start, purpose) = self.start(resume_point);
        let log = &worker.state.log;
        let read = log.read(&self.topic.name, start, CATCH_UP, SystemTime::now());
        self.state = Some(Box::new(ReadState::Read(read, start, purpose)));
        self.topic.subscribers.fetch_add(1, Ordering::Relaxed);
        cursor.is_counted.set(true);
    }

    /// What a reader may see of a snapshot.
    pub(super) fn visible(&self, at: Position, events: &[Event]) -> Result<Vec<Entry>, Error> {
        let name = self.topic.options.event.as_ref();
        let now = SystemTime::now();
        let mut entries = Vec::with_capacity(events.len());
        for event in events {
            let entry = Entry::new(at, Record::event(event, name)?, now);
            let options = self.options.as_deref();
            if options.is_none_or(|options| options.passes_filters(&entry)) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Leaves the log alone for a while.
    pub(super) fn pause(&mut self, error: &LogError, start: Start, purpose: ReadPurpose) {
        self.topic.log_read_error(error);
        let pause = Box::pin(sleep(PAUSE));
        self.state = Some(Box::new(ReadState::Pause(pause, start, purpose)));
    }

    /// Whether nothing but its worker can have more for it: it waits for no log, no snapshot and no time.
    pub(super) fn waits_for_worker(&self) -> bool {
        let owes_snapshot = |options: &ReadOptions| options.renewal.is_owed();
        self.state.is_none() && !self.options.as_deref().is_some_and(owes_snapshot)
    }

    pub(super) fn shows(&self, entry: &Entry, position: Position) -> bool {
        self.options
            .as_deref()
            .is_none_or(|options| options.shows(entry, position))
    }
}

/// Where a client wants to resume in one topic.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) enum ResumePoint {
    /// Nothing: it is new.
    Nothing,
    /// An id in which no position is found that could be meant.
    Unknown,
    Position(Position),
}
