//! A subscription that reads: its position in each topic, and how it gets on.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    num::NonZeroUsize,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, SystemTime},
    vec,
};

use actix_web::Error;
use futures_core::future::LocalBoxFuture;
use smallvec::SmallVec;
use sse_actix_core::{
    Ahead, Batch, Completion, Entry, Event, EventId, Frame, Keep, Limit, LogError, Position, Positions,
    Record, Start, gap_frame,
};
use tokio::time::Sleep;

use super::{
    OnGap,
    part::{Manner, Missed},
    state::TopicState,
    stats::Eviction,
    worker::{Member, PAUSE, Spot, Worker, error_cause},
};
use crate::{
    outbox::Outbox,
    server::{Wire, Wired},
    source::{Outcome, Source},
};

/// What a reader gets at once. With the last event, if that is small, and the framing of HTTP/1.1 it fits the 8 KiB
/// of actix's buffer, which grows for more and does not shrink again: ten thousand that have caught up would keep it.
const PORTION: usize = 7 * 1024 + 512;

/// What a reader with a wire gets at once: nothing is kept of it.
const WIRED_PORTION: usize = 32 * 1024;

/// What a reader gets that is given a wire after it.
const FIRST_PORTION: usize = 512;

/// What a reader that has fallen behind takes from the log at once: some portions.
const CATCH_UP: Limit = Limit {
    events: NonZeroUsize::new(1_000).unwrap(),
    bytes: 64 * 1024,
};

pub(super) struct Reading {
    worker: Rc<Worker>,
    member: Rc<Member>,
    parts: SmallVec<[Part; 1]>,
    expects_wire: bool,
}

pub(super) struct Part {
    pub(super) topic: Arc<TopicState>,
    pub(super) manner: Option<Box<Manner>>,
    /// What it does before it reads from the window; `None` when it does that.
    work: Option<Box<Work>>,
    /// Where it stops, while draining.
    until: Option<u64>,
    /// It has read once.
    begun: bool,
}

enum Work {
    /// It asks the log, from there.
    Read(Completion<Result<Batch, LogError>>, Start, Asked),
    /// The log could not be read.
    Pause(Pin<Box<Sleep>>, Start, Asked),
    /// It delivers what it was given.
    Deliver(vec::IntoIter<Arc<Entry>>, Position, Next),
    /// It waits for a snapshot.
    Snapshot(LocalBoxFuture<'static, Result<Vec<Event>, Error>>, Position),
    /// It delivers a snapshot.
    Show(vec::IntoIter<Entry>, Position),
}

/// Why the log was asked.
enum Asked {
    /// To begin, or to catch up.
    On,
    /// For where a snapshot begins.
    Head,
    /// For the last `usize` entries that it may see.
    History(usize, VecDeque<Arc<Entry>>),
}

/// What comes after a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more in the log.
    Read,
    /// It has reached the head.
    Live,
}

/// Where frames go.
pub(super) trait Sink {
    fn is_full(&self) -> bool;
    fn entry(&mut self, entry: &Entry, id: Id<'_>);
    fn frame(&mut self, frame: &Frame);
}

/// The id line of an entry, as one reader gets it.
pub(super) enum Id<'a> {
    Own,
    None,
    /// A line, with its LF.
    Line(&'a [u8]),
}

impl Part {
    pub(super) fn new(topic: Arc<TopicState>, manner: Option<Box<Manner>>) -> Self {
        Self {
            topic,
            manner,
            work: None,
            until: None,
            begun: false,
        }
    }

    /// How a reader begins that brought this position, or none.
    fn start(&self, brought: Brought) -> (Start, Asked) {
        match brought {
            _ if !self.topic.options.replays => (Start::Head, Asked::On),
            Brought::Position(position) => (Start::After(position), Asked::On),
            Brought::Nonsense => (Start::Lost, Asked::On),
            Brought::Nothing => match self.manner.as_deref() {
                Some(Manner {
                    snapshot: Some(_), ..
                }) => (Start::Head, Asked::Head),
                Some(Manner {
                    history: Some(events),
                    filter,
                    since,
                    ..
                }) => {
                    if filter.is_some() || since.is_some() {
                        (Start::Oldest, Asked::History(*events, VecDeque::new()))
                    } else {
                        (Start::Last(*events), Asked::On)
                    }
                }
                _ if self.topic.options.retention.keeps() == Keep::LatestPerKey => (Start::Oldest, Asked::On),
                _ => (Start::Head, Asked::On),
            },
        }
    }
}

/// What a client brought for one topic.
#[derive(Debug, Clone, Copy)]
pub(super) enum Brought {
    /// Nothing: it is new.
    Nothing,
    /// An id in which no position is found that could be meant.
    Nonsense,
    Position(Position),
}

impl Reading {
    pub(super) fn new(
        worker: Rc<Worker>,
        member: Rc<Member>,
        mut parts: SmallVec<[Part; 1]>,
        brought: &[Brought],
    ) -> Self {
        for (at, (part, brought)) in parts.iter_mut().zip(brought).enumerate() {
            if let (Some(spot), Brought::Position(position)) = (member.places.get(at), brought) {
                // Kept in the ids of other topics' events until this one has begun.
                spot.position
                    .set(Some(*position).filter(|_| part.topic.options.replays));
            }
            if let Some(spot) = member.places.get(at) {
                spot.silent.set(!part.topic.options.replays);
            }
            // First it is registered, then it is read: what comes in between is not missed.
            worker.join(&member, at, &part.topic);
            let (start, asked) = part.start(*brought);
            let read = worker
                .state
                .log
                .read(&part.topic.name, start, CATCH_UP, SystemTime::now());
            part.work = Some(Box::new(Work::Read(read, start, asked)));
        }
        Self {
            worker,
            member,
            parts,
            expects_wire: false,
        }
    }

    /// Gives what is ready to `out`.
    pub(super) fn poll(&mut self, out: &mut impl Sink, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.member.touch(self.worker.now());
        if self.member.is_over() {
            self.member.wait(cx);
            return Poll::Pending;
        }
        let mut reader = Reader {
            worker: &self.worker,
            member: &self.member,
            combines: self.parts.len() > 1,
            out,
        };
        loop {
            let mut moved = false;
            for (at, part) in self.parts.iter_mut().enumerate() {
                if reader.out.is_full() {
                    return Poll::Pending;
                }
                let Some(spot) = self.member.places.get(at) else {
                    continue;
                };
                match reader.advance(part, spot, cx) {
                    Ok(true) => moved = true,
                    Ok(false) => {}
                    Err(Stop::Failed(error)) => return Poll::Ready(Err(error)),
                    Err(Stop::Overtaken) => {
                        self.worker.evict(&self.member, Eviction::Overtaken);
                        return Poll::Pending;
                    }
                }
            }
            if !moved {
                self.member.wait(cx);
                self.member
                    .follows
                    .set(matches!(&*self.parts, [part] if part.follows()));
                return Poll::Pending;
            }
        }
    }

    pub(super) fn member(&self) -> &Rc<Member> {
        &self.member
    }

    /// How many bytes are enough at once.
    fn mark(&self) -> usize {
        match self.member.wire.get() {
            Some(wire) if wire.is_clear() => WIRED_PORTION,
            None if self.expects_wire => FIRST_PORTION,
            _ => PORTION,
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.worker.leave(&self.member);
    }
}

impl Source for Reading {
    fn poll_fill(&mut self, outbox: &Outbox, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mark = self.mark();
        self.poll(&mut Marked { outbox, mark }, cx)
    }

    fn beats(&mut self, after: Duration, comment: bool, wrote: bool) -> Option<bool> {
        Some(self.worker.beats(&self.member, after, comment, wrote))
    }

    fn portion(&self) -> Option<usize> {
        Some(self.mark())
    }

    fn expect_wire(&mut self, may_come: bool) {
        self.expects_wire = may_come;
    }

    fn wants_wire(&self) -> Option<Rc<dyn Wired>> {
        Some(Rc::clone(&self.member) as _)
    }

    fn wire(&self) -> Option<&Wire> {
        self.member.wire.get().map(Rc::as_ref)
    }

    fn written(&self) -> (u64, u64) {
        self.member.written.get()
    }

    fn waits(&self) -> bool {
        self.member.is_waiting()
    }

    fn drain(&mut self) -> bool {
        for part in &mut self.parts {
            if part.until.is_none() {
                let known = self.worker.state.log.stats(&part.topic.name);
                part.until = Some(known.map_or(0, |stats| stats.head));
            }
        }
        true
    }
}

/// An outbox, to be filled up to a mark.
struct Marked<'a> {
    outbox: &'a Outbox,
    mark: usize,
}

impl Sink for Marked<'_> {
    fn is_full(&self) -> bool {
        self.outbox.holds(self.mark)
    }

    fn entry(&mut self, entry: &Entry, id: Id<'_>) {
        match id {
            Id::Own => self.outbox.push_shared(entry.frame()),
            Id::None => self.outbox.push_encoded(b"", entry.body()),
            Id::Line(line) => self.outbox.push_encoded(line, entry.body()),
        }
    }

    fn frame(&mut self, frame: &Frame) {
        self.outbox.push_encoded(frame, b"");
    }
}

/// One poll of a subscription.
struct Reader<'a, S> {
    worker: &'a Worker,
    member: &'a Member,
    combines: bool,
    out: &'a mut S,
}

/// Why a poll does not go on.
enum Stop {
    Failed(Box<Error>),
    Overtaken,
}

impl<S: Sink> Reader<'_, S> {
    /// Takes a part one step further. Whether it moved; if not, it is registered with whoever moves it.
    fn advance(&mut self, part: &mut Part, spot: &Spot, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let Some(mut work) = part.work.take() else {
            return Ok(self.follow(part, spot));
        };
        match &mut *work {
            Work::Read(read, start, asked) => {
                if let Poll::Ready(batch) = Pin::new(read).poll(cx) {
                    let asked = mem::replace(asked, Asked::On);
                    match batch {
                        Ok(batch) => self.begin(part, spot, batch, asked)?,
                        Err(error) => pause(part, &error, *start, asked),
                    }
                    return Ok(true);
                }
            }
            Work::Pause(pause, start, asked) => {
                if pause.as_mut().poll(cx).is_ready() {
                    let asked = mem::replace(asked, Asked::On);
                    self.read(part, *start, asked);
                    return Ok(true);
                }
            }
            Work::Deliver(entries, end, next) => {
                let moved = self.deliver(part, spot, entries, *end);
                if entries.as_slice().is_empty() {
                    spot.position.set(Some(*end));
                    match next {
                        Next::Read => self.read(part, Start::After(*end), Asked::On),
                        Next::Live => self.worker.reached(spot, *end),
                    }
                    return Ok(true);
                }
                part.work = Some(work);
                return Ok(moved);
            }
            Work::Snapshot(taking, at) => {
                if let Poll::Ready(taken) = taking.as_mut().poll(cx) {
                    let entries = taken
                        .and_then(|events| visible(part, *at, &events))
                        .map_err(|error| Stop::Failed(Box::new(error)))?;
                    part.work = Some(Box::new(Work::Show(entries.into_iter(), *at)));
                    return Ok(true);
                }
            }
            Work::Show(entries, at) => {
                while !self.out.is_full()
                    && let Some(entry) = entries.next()
                {
                    if entries.as_slice().is_empty() {
                        // Only the last brings the id: a client that has lost the rest begins anew.
                        spot.position.set(Some(*at));
                        self.give(&entry, true);
                    } else {
                        self.out.entry(&entry, Id::None);
                    }
                }
                if entries.as_slice().is_empty() {
                    spot.position.set(Some(*at));
                    self.read(part, Start::After(*at), Asked::On);
                    return Ok(true);
                }
            }
        }
        part.work = Some(work);
        Ok(false)
    }

    /// Asks the log.
    fn read(&self, part: &mut Part, start: Start, asked: Asked) {
        let log = &self.worker.state.log;
        let read = log.read(&part.topic.name, start, CATCH_UP, SystemTime::now());
        part.work = Some(Box::new(Work::Read(read, start, asked)));
    }

    /// The log has answered.
    fn begin(&mut self, part: &mut Part, spot: &Spot, batch: Batch, asked: Asked) -> Result<(), Stop> {
        match asked {
            Asked::Head => self.take_snapshot(part, batch.end),
            Asked::History(most, mut kept) => {
                let manner = part.manner.as_deref();
                for entry in batch.entries {
                    if manner.is_none_or(|manner| manner.shows(&entry, batch.end)) {
                        kept.push_back(entry);
                    }
                    if kept.len() > most {
                        kept.pop_front();
                    }
                }
                if batch.more {
                    self.read(part, Start::After(batch.end), Asked::History(most, kept));
                } else {
                    let entries = Vec::from(kept).into_iter();
                    part.work = Some(Box::new(Work::Deliver(entries, batch.end, Next::Live)));
                }
            }
            Asked::On => {
                let from = spot.position.get();
                let missed = match part.manner.as_deref() {
                    None => Missed::of(batch.resume),
                    Some(manner) => manner.gap(&batch, from),
                };
                if let Some(missed) = missed {
                    if part.begun && part.topic.options.on_gap == OnGap::End {
                        return Err(Stop::Overtaken);
                    }
                    part.topic.gaps.fetch_add(1, Ordering::Relaxed);
                    if part
                        .manner
                        .as_deref()
                        .is_some_and(|manner| manner.snapshot.is_some())
                    {
                        // Without an id: a client that loses the snapshot is told again.
                        self.tell_gap(part, missed, None);
                        self.read(part, Start::Head, Asked::Head);
                        return Ok(());
                    }
                    spot.position.set(Some(batch.start));
                    let id = self.id();
                    self.tell_gap(part, missed, id.as_ref());
                } else {
                    spot.position.set(Some(batch.start));
                }
                let next = if batch.more { Next::Read } else { Next::Live };
                let entries = batch.entries.into_iter();
                part.work = Some(Box::new(Work::Deliver(entries, batch.end, next)));
            }
        }
        part.begun = true;
        Ok(())
    }

    fn tell_gap(&mut self, part: &Part, missed: Missed, id: Option<&EventId>) {
        let frame = gap_frame(&part.topic.options.gap_event, id, missed.0);
        self.out.frame(&frame);
    }

    /// Asks for the state of the topic at its head.
    fn take_snapshot(&self, part: &mut Part, at: Position) {
        let snapshot = part.manner.as_ref().and_then(|manner| manner.snapshot.as_ref());
        let id = Positions::id([at]).to_event_id();
        match (snapshot, id) {
            (Some(snapshot), Some(id)) => {
                part.work = Some(Box::new(Work::Snapshot(snapshot(id), at)));
            }
            _ => self.read(part, Start::After(at), Asked::On),
        }
    }

    /// Gives what the log has returned. Whether anything was given, or passed over.
    fn deliver(
        &mut self,
        part: &Part,
        spot: &Spot,
        entries: &mut vec::IntoIter<Arc<Entry>>,
        end: Position,
    ) -> bool {
        let mut position = end;
        let before = entries.as_slice().len();
        let mut delivered = 0;
        while !self.out.is_full()
            && let Some(entry) = entries.as_slice().first()
            && part.until.is_none_or(|until| entry.sequence() <= until)
            && let Some(entry) = entries.next()
        {
            position.sequence = entry.sequence();
            spot.position.set(Some(position));
            if part.shows(&entry, position) {
                self.give(&entry, !spot.silent.get());
                delivered += 1;
            }
        }
        part.topic.delivered.fetch_add(delivered, Ordering::Relaxed);
        entries.as_slice().len() < before
    }

    /// Reads from the window. Whether it moved.
    fn follow(&mut self, part: &mut Part, spot: &Spot) -> bool {
        let Some(mut position) = spot.position.get() else {
            return false;
        };
        let worker = self.worker;
        if part.manner.is_some() {
            // What it may see is decided by code that may do anything, so not within the window's borrow.
            let next = worker.with_topic(spot, |local| match local.window.ahead(position) {
                Ahead::Next(entry) => Some(Some(Arc::clone(entry))),
                Ahead::Nothing => Some(None),
                Ahead::Behind => None,
            });
            return match next {
                Some(Some(Some(entry))) => {
                    let mut entries = vec![entry].into_iter();
                    self.deliver(part, spot, &mut entries, position)
                }
                Some(Some(None)) => self.lags(part, position),
                None => false,
                Some(None) => self.fall_behind(part, position),
            };
        }
        let mut moved = false;
        let behind = worker.with_topic(spot, |local| {
            let mut given = 0;
            let behind = loop {
                match local.window.ahead(position) {
                    // While draining, the window may not know yet of what was published before.
                    Ahead::Nothing => break part.until.is_some(),
                    Ahead::Behind => break true,
                    Ahead::Next(entry) => {
                        let due = part.until.is_none_or(|until| entry.sequence() <= until);
                        if !due || self.out.is_full() {
                            break false;
                        }
                        position.sequence = entry.sequence();
                        spot.position.set(Some(position));
                        self.give(entry, !spot.silent.get());
                        given += 1;
                    }
                }
            };
            moved = given > 0;
            local.delivered.set(local.delivered.get() + given);
            behind
        });
        if behind == Some(true) {
            return self.fall_behind(part, position);
        }
        moved
    }

    /// While draining, the window may not know yet of what was published before.
    fn lags(&self, part: &mut Part, position: Position) -> bool {
        part.until.is_some() && self.fall_behind(part, position)
    }

    fn fall_behind(&self, part: &mut Part, position: Position) -> bool {
        if part.until.is_some_and(|until| position.sequence >= until) {
            return false;
        }
        self.read(part, Start::After(position), Asked::On);
        true
    }

    /// Writes an entry as this subscription's readers get it.
    fn give(&mut self, entry: &Entry, tells: bool) {
        match (tells, self.combines) {
            (false, false) => self.out.entry(entry, Id::None),
            (true, false) => self.out.entry(entry, Id::Own),
            // The position of this topic may be told by none of its own, but those of others are.
            (_, true) => {
                let mut line = self.worker.scratch.take();
                line.clear();
                line.extend_from_slice(b"id: ");
                Positions::write(self.positions(), &mut line);
                line.push(b'\n');
                if line.len() > b"id: \n".len() {
                    self.out.entry(entry, Id::Line(&line));
                } else {
                    self.out.entry(entry, Id::None);
                }
                self.worker.scratch.set(line);
            }
        }
    }

    /// The id that says where it is in all its topics.
    fn id(&self) -> Option<EventId> {
        Positions::id(self.positions()).to_event_id()
    }

    fn positions(&self) -> impl Iterator<Item = Position> {
        let told = self.member.places.iter().filter(|spot| !spot.silent.get());
        told.filter_map(|spot| spot.position.get())
    }
}

impl Part {
    /// It reads from the window, and is shown all that is there.
    fn follows(&self) -> bool {
        self.work.is_none() && self.manner.is_none() && self.until.is_none()
    }

    fn shows(&self, entry: &Entry, position: Position) -> bool {
        self.manner
            .as_deref()
            .is_none_or(|manner| manner.shows(entry, position))
    }
}

/// What a reader may see of a snapshot.
fn visible(part: &Part, at: Position, events: &[Event]) -> Result<Vec<Entry>, Error> {
    let name = part.topic.options.event.as_ref();
    let now = SystemTime::now();
    let mut entries = Vec::with_capacity(events.len());
    for event in events {
        let entry = Entry::new(at, Record::event(event, name)?, now);
        let filter = part.manner.as_ref().and_then(|manner| manner.filter.as_ref());
        if filter.is_none_or(|filter| filter(&entry)) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Leaves the log alone for a while.
fn pause(part: &mut Part, error: &LogError, start: Start, asked: Asked) {
    tracing::warn!(
        target: "sse_actix", topic = part.topic.name.as_str(), %error, cause = error_cause(error),
        "a topic cannot be read; its stream stays open"
    );
    let pause = Box::pin(tokio::time::sleep(PAUSE));
    part.work = Some(Box::new(Work::Pause(pause, start, asked)));
}
