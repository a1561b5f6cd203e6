//! A subscription that reads: its position in each topic, and how it gets on.

mod advance;
mod sink;

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, SystemTime},
    vec,
};

use actix_web::Error;
use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use smallvec::SmallVec;
use sse_actix_core::{
    Batch, Completion, Entry, Event, EventId, EventName, Frame, Keep, Limit, LogError, Position, Start,
    position_frame,
};
use tokio::time::Sleep;

pub(super) use self::sink::SingleFrame;
use self::{
    advance::{ReadStep, StopReason},
    sink::{LimitedBuffer, Sink},
};
use super::{
    registry::TopicState,
    stats::Eviction,
    subscription::selection::ReadOptions,
    worker::{Subscriber, Told, Worker},
};
use crate::{
    server::ConnectionOwner,
    stream::{
        buffer::EventBuffer,
        source::{Outcome, Source},
    },
};

/// What a reader gets at once. With the last event, if that is small, and the framing of HTTP/1.1 it fits the 8 KiB
/// of actix's buffer, which grows for more and does not shrink again: ten thousand that have caught up would keep it.
const PORTION: usize = 7 * 1024 + 512;

/// What a reader gets at once whose connection was handed over: nothing is kept of it.
const DRIVEN_PORTION: usize = 32 * 1024;

/// What a reader that has fallen behind takes from the log at once: some portions.
const CATCH_UP: Limit = Limit {
    events: NonZeroUsize::new(1_000).unwrap(),
    bytes: 64 * 1024,
};

pub(super) struct SubscriptionReader {
    worker: Rc<Worker>,
    subscriber: Rc<Subscriber>,
    parts: SmallVec<[TopicReader; 1]>,
    /// The tags that become present once it reads all its topics.
    arriving: Vec<Box<str>>,
}

pub(super) struct TopicReader {
    pub(super) topic: Arc<TopicState>,
    pub(super) manner: Option<Box<ReadOptions>>,
    /// What it does before it reads from the window; `None` when it does that.
    work: Option<Box<ReadState>>,
    /// Where it stops, while draining.
    until: Option<u64>,
    /// It has read once.
    begun: bool,
    /// Its first read was answered, or has failed.
    answered: bool,
    /// Its client's id says nothing of it that could be understood, and it has not begun.
    lost: bool,
}

enum ReadState {
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
enum ReadPurpose {
    /// To begin, or to catch up.
    On,
    /// For where a snapshot begins.
    Head,
    /// For the last `usize` entries that it may see.
    History(usize, VecDeque<Arc<Entry>>),
}

/// What comes after a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterReplay {
    /// There is more in the log.
    Read,
    /// It has reached the head.
    Live,
}

impl TopicReader {
    pub(super) fn new(topic: Arc<TopicState>, manner: Option<Box<ReadOptions>>) -> Self {
        Self {
            topic,
            manner,
            work: None,
            until: None,
            begun: false,
            answered: false,
            lost: false,
        }
    }

    /// How a reader begins that brought this position, or none.
    fn start(&self, brought: ResumePoint) -> (Start, ReadPurpose) {
        match brought {
            _ if !self.topic.options.replays => (Start::Head, ReadPurpose::On),
            ResumePoint::Position(position) => (Start::After(position), ReadPurpose::On),
            ResumePoint::Nonsense => (Start::Lost, ReadPurpose::On),
            ResumePoint::Nothing => match self.manner.as_deref() {
                Some(ReadOptions {
                    snapshot: Some(_), ..
                }) => (Start::Head, ReadPurpose::Head),
                Some(ReadOptions {
                    history: Some(events),
                    filter,
                    since,
                    ..
                }) => {
                    if filter.is_some() || since.is_some() {
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

    fn shows(&self, entry: &Entry, position: Position) -> bool {
        self.manner
            .as_deref()
            .is_none_or(|manner| manner.shows(entry, position))
    }
}

/// What a client brought for one topic.
#[derive(Debug, Clone, Copy)]
pub(super) enum ResumePoint {
    /// Nothing: it is new.
    Nothing,
    /// An id in which no position is found that could be meant.
    Nonsense,
    Position(Position),
}

impl SubscriptionReader {
    pub(super) fn new(
        worker: Rc<Worker>,
        subscriber: Rc<Subscriber>,
        mut parts: SmallVec<[TopicReader; 1]>,
        brought: &[ResumePoint],
        tags: Vec<Box<str>>,
    ) -> Self {
        for (at, (part, brought)) in parts.iter_mut().zip(brought).enumerate() {
            if let (Some(cursor), ResumePoint::Position(position)) = (subscriber.cursors.get(at), brought) {
                // Kept in the ids of other topics' events until this one has begun.
                cursor
                    .position
                    .set(Some(*position).filter(|_| part.topic.options.replays));
            }
            if let Some(cursor) = subscriber.cursors.get(at) {
                cursor.silent.set(!part.topic.options.replays);
            }
            if matches!(brought, ResumePoint::Nonsense) && part.topic.options.replays {
                part.lost = true;
                subscriber.client.lost.set(subscriber.client.lost.get() + 1);
            }
            // First it is registered, then it is read: what comes in between is not missed.
            worker.join(&subscriber, at, &part.topic);
            let (start, asked) = part.start(*brought);
            let read = worker
                .state
                .log
                .read(&part.topic.name, start, CATCH_UP, SystemTime::now());
            part.work = Some(Box::new(ReadState::Read(read, start, asked)));
            part.topic.subscribers.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            worker,
            subscriber,
            parts,
            arriving: tags,
        }
    }

    /// Gives what is ready to `out`.
    pub(super) fn poll(&mut self, out: &mut impl Sink, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.subscriber.touch(self.worker.now());
        if self.subscriber.is_over() {
            self.subscriber.wait(cx);
            return Poll::Pending;
        }
        loop {
            let mut moved = false;
            let combines = self.parts.len() > 1;
            // Nothing is delivered until each topic has answered once. An id that lacks a topic tells the server, at the
            // next reconnect, that this topic is new for the client: its missed events would be lost.
            let holds_back = self.parts.iter().any(|part| !part.answered);
            if self.parts.iter().all(|part| part.begun) {
                self.arrive();
            }
            for (at, part) in self.parts.iter_mut().enumerate() {
                if out.is_full() {
                    return Poll::Pending;
                }
                let mut reader = ReadStep {
                    worker: &self.worker,
                    subscriber: &self.subscriber,
                    combines,
                    holds_back,
                    out,
                };
                let Some(cursor) = self.subscriber.cursors.get(at) else {
                    continue;
                };
                match reader.advance(part, cursor, cx) {
                    Ok(true) => moved = true,
                    Ok(false) => {}
                    Err(StopReason::Failed(error)) => return Poll::Ready(Err(error)),
                    Err(StopReason::Overtaken) => {
                        self.worker.evict(&self.subscriber, Eviction::Overtaken);
                        return Poll::Pending;
                    }
                }
            }
            if !moved {
                if !holds_back
                    && self.subscriber.client.told.get() == Told::Nothing
                    && let Some(frame) = self.position_frame()
                {
                    out.position(&frame);
                }
                self.subscriber.wait(cx);
                return Poll::Pending;
            }
        }
    }

    /// Counts it as present, from when whatever is published because of that reaches it.
    fn arrive(&mut self) {
        if self.arriving.is_empty() {
            return;
        }
        let tags: Vec<Arc<str>> = self.arriving.drain(..).map(Arc::from).collect();
        let presence = self.parts.iter().map(|part| part.topic.present.join(&tags));
        self.subscriber.presence.set(presence.collect());
    }

    pub(super) fn subscriber(&self) -> &Rc<Subscriber> {
        &self.subscriber
    }

    /// Whether one of its topics tells positions by events of their own; [`position_frame`](Self::position_frame)
    /// tells those of all.
    pub(super) fn tells_position(&self) -> bool {
        self.position_event().is_some()
    }

    fn position_event(&self) -> Option<&EventName> {
        let options = self.parts.iter().map(|part| &part.topic.options);
        let mut telling = options.filter(|options| options.replays && options.positions);
        telling.next().map(|options| &options.position_event)
    }

    /// The event that tells its client where it is, which then is told; `None` if it is not to be, or is nowhere
    /// yet.
    fn position_frame(&self) -> Option<Frame> {
        self.take_position(|id| Some(position_frame(self.position_event()?, id)))
    }

    fn take_position(&self, frame: impl FnOnce(&EventId) -> Option<Frame>) -> Option<Frame> {
        let id = self
            .subscriber
            .has_position_to_tell()
            .then(|| self.subscriber.id())
            .flatten()?;
        self.subscriber.client.told.set(Told::All);
        frame(&id)
    }

    /// What is due on a stream that looks after its keep-alives itself: the position, after so much silence.
    pub(super) fn due_position(&self, after: Duration) -> Option<Frame> {
        if self.subscriber.has_position_to_tell()
            && self.worker.keep_alive_due(&self.subscriber, after, false)
        {
            return self.position_frame();
        }
        None
    }
}

impl Drop for SubscriptionReader {
    fn drop(&mut self) {
        self.worker.leave(&self.subscriber);
    }
}

impl Source for SubscriptionReader {
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mark = self.fill_limit();
        self.poll(&mut LimitedBuffer { buffer, mark }, cx)
    }

    fn keep_alive_due(&mut self, after: Duration, wrote: bool) -> Option<bool> {
        Some(self.worker.keep_alive_due(&self.subscriber, after, wrote))
    }

    fn keep_alive_with_position(&mut self, name: Option<&EventName>) -> Option<Bytes> {
        let frame = match name {
            Some(name) => self.take_position(|id| Some(Event::data("").event(name).id(id).into())),
            None => self.position_frame(),
        };
        frame.map(Frame::into_bytes)
    }

    fn may_finish(&self) -> bool {
        false
    }

    fn fill_limit(&self) -> usize {
        if self.subscriber.is_driven() {
            DRIVEN_PORTION
        } else {
            PORTION
        }
    }

    fn chunk_limit(&self) -> Option<usize> {
        // A connection that was handed over keeps no buffer.
        (!self.subscriber.is_driven()).then_some(PORTION)
    }

    fn driven(&self) -> Option<Rc<dyn ConnectionOwner>> {
        Some(Rc::clone(&self.subscriber) as _)
    }

    fn is_idle(&self) -> bool {
        self.subscriber.is_waiting()
    }

    fn stop_at_current_head(&mut self) -> bool {
        for part in &mut self.parts {
            if part.until.is_none() {
                let known = self.worker.state.log.stats(&part.topic.name);
                part.until = Some(known.map_or(0, |stats| stats.head));
            }
        }
        true
    }
}
