//! A reader in one topic: its start, and its work before it follows the window.

use std::{
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    vec,
};

use actix_web::Error;
use futures_core::future::LocalBoxFuture;
use sse_actix_core::{Batch, Completion, Entry, Event, Keep, Limit, LogError, Position, Record, Start};
use tokio::time::{Sleep, sleep};

use crate::{
    clock,
    hub::{
        shared::TopicState,
        subscription::selection::ReadOptions,
        worker::{READ_RETRY_PAUSE, Subscriber, TopicCursor, Worker},
    },
};

pub(in crate::hub) struct TopicReader {
    /// The topic. Its `options` apply to all streams.
    pub(super) topic: Arc<TopicState>,
    /// The subscription's own options for this topic.
    pub(super) options: Option<Box<ReadOptions>>,
    /// Work left before this reader can follow the window. `None` once it follows.
    pub(super) replay: Option<Box<ReplayState>>,
    /// The sequence at which it stops, during a drain.
    pub(super) stop_at: Option<u64>,
    /// True once its first read has succeeded.
    pub(super) first_read_succeeded: bool,
    /// True once its first read has failed, or has given it a position. Nothing is delivered before this is true for
    /// each topic of the stream.
    pub(super) first_read_answered: bool,
    /// The client sent an id without a usable position for this topic, and no read has answered yet.
    pub(super) has_unknown_id: bool,
}

pub(super) enum ReplayState {
    /// It waits for a read of the log from this start.
    Read(Completion<Result<Batch, LogError>>, Start, ReadPurpose),
    /// The log has answered with a gap. Its event is sent once the log has answered for the other topics.
    AwaitOtherTopics(Box<Batch>),
    /// The log could not be read. After this time it reads again.
    Pause(Pin<Box<Sleep>>, Start, ReadPurpose),
    /// It delivers what the log has returned, up to this position.
    Deliver(vec::IntoIter<Arc<Entry>>, Position, AfterReplay),
    /// It waits for the application's snapshot of the topic at this position.
    AwaitSnapshot(LocalBoxFuture<'static, Result<Vec<Event>, Error>>, Position),
    /// It delivers the snapshot.
    DeliverSnapshot(vec::IntoIter<Entry>, Position),
}

/// The purpose of a read of the log.
pub(super) enum ReadPurpose {
    /// To deliver the entries: at the beginning, or after the reader has fallen behind the window.
    CatchUp,
    /// To learn the position at which a snapshot is taken. Its entries are not wanted.
    SnapshotPosition,
    /// To find the last `usize` entries that this reader may see. The entries found so far, each with the sequence of
    /// the entry before it. (Sequences may have holes, so this cannot be computed.)
    History(usize, VecDeque<(u64, Arc<Entry>)>),
}

/// The work after a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterReplay {
    /// There is more in the log.
    ReadMore,
    /// It has reached the newest entry.
    FollowWindow,
}

impl TopicReader {
    pub(in crate::hub) fn new(topic: Arc<TopicState>, options: Option<Box<ReadOptions>>) -> Self {
        Self {
            topic,
            options,
            replay: None,
            stop_at: None,
            first_read_succeeded: false,
            first_read_answered: false,
            has_unknown_id: false,
        }
    }

    /// The start for a client with this resume point.
    fn start(&self, resume_point: ResumePoint) -> (Start, ReadPurpose) {
        match resume_point {
            _ if !self.topic.options.replays => (Start::Head, ReadPurpose::CatchUp),
            ResumePoint::Position(position) => (Start::After(position), ReadPurpose::CatchUp),
            ResumePoint::Unknown => (Start::Unknown, ReadPurpose::CatchUp),
            ResumePoint::NewClient => match self.options.as_deref() {
                Some(ReadOptions {
                    snapshot: Some(_), ..
                }) => (Start::Head, ReadPurpose::SnapshotPosition),
                Some(ReadOptions {
                    history: Some(events),
                    filters,
                    since,
                    ..
                }) => {
                    if !filters.is_empty() || since.is_some() {
                        (Start::Oldest, ReadPurpose::History(*events, VecDeque::new()))
                    } else {
                        (Start::Last(*events), ReadPurpose::CatchUp)
                    }
                }
                _ if self.topic.options.retention.keeps() == Keep::LatestPerKey => {
                    (Start::Oldest, ReadPurpose::CatchUp)
                }
                _ => (Start::Head, ReadPurpose::CatchUp),
            },
        }
    }

    /// Registers a subscriber with the topic, and issues its first read. The stream's first poll takes the answer:
    /// `StreamBody` polls [`SubscriptionReader`](super::SubscriptionReader), which lets each topic `advance`
    /// (`advance.rs`).
    pub(super) fn begin(
        &mut self,
        worker: &Worker,
        subscriber: &Rc<Subscriber>,
        cursor: &TopicCursor,
        topic_index: usize,
        resume_point: ResumePoint,
    ) {
        let replays = self.topic.options.replays;
        if let ResumePoint::Position(position) = resume_point {
            // Until this topic has begun, the ids of the other topics' events carry this position.
            cursor.position.set(Some(position).filter(|_| replays));
        }
        cursor.omitted_from_ids.set(!replays);
        if matches!(resume_point, ResumePoint::Unknown) && replays {
            self.has_unknown_id = true;
            let unknown = &subscriber.known_position.unknown_topics;
            unknown.set(unknown.get() + 1);
        }
        if let Some(options) = &mut self.options {
            options.opened = Some(clock::wall());
        }
        // First register, so that the log wakes this thread's worker; then read. So no event in between is missed.
        worker.register(subscriber, topic_index, &self.topic);
        let (start, purpose) = self.start(resume_point);
        let log = &worker.hub.log;
        let read = log.read(&self.topic.name, start, Limit::DEFAULT, clock::wall());
        // `ReadStep::advance` polls this read. `None` would mean that this reader follows the window.
        self.replay = Some(Box::new(ReplayState::Read(read, start, purpose)));
        self.topic.subscribers.fetch_add(1, Ordering::Relaxed);
        cursor.is_counted.set(true);
    }

    /// The events of a snapshot that this reader may see.
    pub(super) fn visible_snapshot_entries(
        &self,
        at: Position,
        events: &[Event],
    ) -> Result<Vec<Entry>, Error> {
        let name = self.topic.options.event.as_ref();
        let now = clock::wall();
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

    /// Waits before the next read of the log.
    pub(super) fn pause(&mut self, error: &LogError, start: Start, purpose: ReadPurpose) {
        self.topic.warn_read_error(error);
        let pause = Box::pin(sleep(READ_RETRY_PAUSE));
        self.replay = Some(Box::new(ReplayState::Pause(pause, start, purpose)));
    }

    /// True if it waits for an answer of the log that may bring entries.
    pub(super) fn awaits_log(&self) -> bool {
        match self.replay.as_deref() {
            Some(ReplayState::Read(.., purpose)) => !matches!(purpose, ReadPurpose::SnapshotPosition),
            _ => false,
        }
    }

    /// True if new entries can come only from its worker: it does not wait for the log, a snapshot or a timer.
    pub(super) fn is_live(&self) -> bool {
        let owes_snapshot = |options: &ReadOptions| options.backoff.is_pending();
        self.replay.is_none() && !self.options.as_deref().is_some_and(owes_snapshot)
    }

    pub(super) fn shows(&self, entry: &Entry, position: Position) -> bool {
        self.options
            .as_deref()
            .is_none_or(|options| options.shows(entry, position))
    }
}

/// What the client's `Last-Event-ID` says about one topic.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) enum ResumePoint {
    /// Nothing: the client is new to this topic.
    NewClient,
    /// The client has an id, but it holds no position of any topic of the stream.
    Unknown,
    Position(Position),
}
