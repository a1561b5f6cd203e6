//! One poll of a subscription: each part a step further, until nothing moves.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::SystemTime,
    vec,
};

use actix_web::Error;
use sse_actix_core::{
    Ahead, Batch, Entry, Event, EventId, GAP_EVENT, LogError, Position, Positions, Record, Start, gap_frame,
};

use super::{
    AfterReplay, CATCH_UP, ReadPurpose, ReadState, TopicReader,
    sink::{IdLine, Sink},
};
use crate::hub::{
    OnGap,
    subscription::selection::GapSize,
    worker::{PAUSE, Subscriber, Told, TopicCursor, Worker, error_cause},
};

/// One poll of a subscription.
pub(super) struct ReadStep<'a, S> {
    pub(super) worker: &'a Worker,
    pub(super) subscriber: &'a Subscriber,
    pub(super) combines: bool,
    /// A topic has not answered yet, so nothing is delivered.
    pub(super) holds_back: bool,
    pub(super) out: &'a mut S,
}

/// Why a poll does not go on.
pub(super) enum StopReason {
    Failed(Box<Error>),
    Overtaken,
}

impl<S: Sink> ReadStep<'_, S> {
    /// Takes a topic one step further. Returns whether it moved; if not, its task is woken when it can.
    pub(super) fn advance(
        &mut self,
        part: &mut TopicReader,
        cursor: &TopicCursor,
        cx: &mut Context<'_>,
    ) -> Result<bool, StopReason> {
        let Some(mut work) = part.work.take() else {
            return Ok(!self.holds_back && self.follow(part, cursor));
        };
        if self.holds_back && matches!(*work, ReadState::Deliver(..) | ReadState::Show(..)) {
            part.work = Some(work);
            return Ok(false);
        }
        match &mut *work {
            ReadState::Read(read, start, asked) => {
                if let Poll::Ready(batch) = Pin::new(read).poll(cx) {
                    let asked = mem::replace(asked, ReadPurpose::On);
                    part.answered = true;
                    match batch {
                        Ok(batch) => self.begin(part, cursor, batch, asked)?,
                        Err(error) => pause(part, &error, *start, asked),
                    }
                    return Ok(true);
                }
            }
            ReadState::Pause(pause, start, asked) => {
                if pause.as_mut().poll(cx).is_ready() {
                    let asked = mem::replace(asked, ReadPurpose::On);
                    self.read(part, *start, asked);
                    return Ok(true);
                }
            }
            ReadState::Deliver(entries, end, next) => {
                let moved = self.deliver(part, cursor, entries, *end);
                if entries.as_slice().is_empty() {
                    self.subscriber.moves(cursor, *end);
                    match next {
                        AfterReplay::Read => self.read(part, Start::After(*end), ReadPurpose::On),
                        AfterReplay::Live => self.worker.reached(cursor, *end),
                    }
                    return Ok(true);
                }
                part.work = Some(work);
                return Ok(moved);
            }
            ReadState::Snapshot(taking, at) => {
                if let Poll::Ready(taken) = taking.as_mut().poll(cx) {
                    let entries = taken
                        .and_then(|events| visible(part, *at, &events))
                        .map_err(|error| StopReason::Failed(Box::new(error)))?;
                    part.work = Some(Box::new(ReadState::Show(entries.into_iter(), *at)));
                    return Ok(true);
                }
            }
            ReadState::Show(entries, at) => {
                while !self.out.is_full()
                    && let Some(entry) = entries.next()
                {
                    if entries.as_slice().is_empty() {
                        // Only the last brings the id: a client that has lost the rest starts again.
                        cursor.position.set(Some(*at));
                        self.give(&entry, true);
                    } else {
                        self.out.entry(&entry, IdLine::None);
                    }
                }
                if entries.as_slice().is_empty() {
                    self.subscriber.moves(cursor, *at);
                    self.read(part, Start::After(*at), ReadPurpose::On);
                    return Ok(true);
                }
            }
        }
        part.work = Some(work);
        Ok(false)
    }

    /// Asks the log.
    fn read(&self, part: &mut TopicReader, start: Start, asked: ReadPurpose) {
        let log = &self.worker.state.log;
        let read = log.read(&part.topic.name, start, CATCH_UP, SystemTime::now());
        part.work = Some(Box::new(ReadState::Read(read, start, asked)));
    }

    /// The log has answered.
    fn begin(
        &mut self,
        part: &mut TopicReader,
        cursor: &TopicCursor,
        batch: Batch,
        asked: ReadPurpose,
    ) -> Result<(), StopReason> {
        match asked {
            ReadPurpose::Head => self.take_snapshot(part, batch.end),
            ReadPurpose::History(most, mut kept) => {
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
                    part.answered = false;
                    self.read(part, Start::After(batch.end), ReadPurpose::History(most, kept));
                } else {
                    let entries = Vec::from(kept).into_iter();
                    part.work = Some(Box::new(ReadState::Deliver(
                        entries,
                        batch.end,
                        AfterReplay::Live,
                    )));
                }
            }
            ReadPurpose::On => {
                if mem::take(&mut part.lost) {
                    self.subscriber
                        .client
                        .lost
                        .set(self.subscriber.client.lost.get().saturating_sub(1));
                }
                let from = cursor.position.get();
                let missed = match part.manner.as_deref() {
                    None => GapSize::of(batch.resume),
                    Some(manner) => manner.gap(&batch, from),
                };
                if let Some(missed) = missed {
                    if self.subscriber.plain.get() {
                        // Its client cannot resume, so the answer must not look whole.
                        if part.topic.options.gap_event != GAP_EVENT {
                            self.tell_gap(part, missed, None);
                        }
                        return Err(StopReason::Overtaken);
                    }
                    if part.begun && part.topic.options.on_gap == OnGap::End {
                        return Err(StopReason::Overtaken);
                    }
                    part.topic.gaps.fetch_add(1, Ordering::Relaxed);
                    if part
                        .manner
                        .as_deref()
                        .is_some_and(|manner| manner.snapshot.is_some())
                    {
                        // Without an id: a client that loses the snapshot is told again.
                        self.tell_gap(part, missed, None);
                        self.read(part, Start::Head, ReadPurpose::Head);
                        return Ok(());
                    }
                    cursor.position.set(Some(batch.start));
                    let id = self.subscriber.id();
                    self.tell_gap(part, missed, id.as_ref());
                } else {
                    self.subscriber.moves(cursor, batch.start);
                }
                let next = if batch.more {
                    AfterReplay::Read
                } else {
                    AfterReplay::Live
                };
                let entries = batch.entries.into_iter();
                part.work = Some(Box::new(ReadState::Deliver(entries, batch.end, next)));
            }
        }
        part.begun = true;
        Ok(())
    }

    fn tell_gap(&mut self, part: &TopicReader, missed: GapSize, id: Option<&EventId>) {
        let frame = gap_frame(&part.topic.options.gap_event, id, missed.0);
        self.out.frame(&frame);
        if id.is_some() {
            self.subscriber.client.told.set(Told::All);
        }
    }

    /// Asks for the state of the topic at its head.
    fn take_snapshot(&self, part: &mut TopicReader, at: Position) {
        let snapshot = part.manner.as_ref().and_then(|manner| manner.snapshot.as_ref());
        let id = Positions::id([at]).to_event_id();
        match (snapshot, id) {
            (Some(snapshot), Some(id)) => {
                part.work = Some(Box::new(ReadState::Snapshot(snapshot(id), at)));
            }
            _ => self.read(part, Start::After(at), ReadPurpose::On),
        }
    }

    /// Gives what the log has returned. Whether anything was given, or passed over.
    fn deliver(
        &mut self,
        part: &TopicReader,
        cursor: &TopicCursor,
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
            if part.shows(&entry, position) {
                cursor.position.set(Some(position));
                self.give(&entry, !cursor.silent.get());
                delivered += 1;
            } else {
                self.subscriber.moves(cursor, position);
            }
        }
        part.topic.delivered.fetch_add(delivered, Ordering::Relaxed);
        entries.as_slice().len() < before
    }

    /// Reads from the window. Whether it moved.
    fn follow(&mut self, part: &mut TopicReader, cursor: &TopicCursor) -> bool {
        let Some(mut position) = cursor.position.get() else {
            return false;
        };
        let worker = self.worker;
        if part.manner.is_some() {
            // What it may see is decided by code that may do anything, so not within the window's borrow.
            let next = worker.with_topic(cursor, |local| match local.window.ahead(position) {
                Ahead::Next(entry) => Some(Some(Arc::clone(entry))),
                Ahead::Nothing => Some(None),
                Ahead::Behind => None,
            });
            return match next {
                Some(Some(Some(entry))) => {
                    let mut entries = vec![entry].into_iter();
                    self.deliver(part, cursor, &mut entries, position)
                }
                Some(Some(None)) => self.lags(part, position),
                None => false,
                Some(None) => self.fall_behind(part, position),
            };
        }
        let mut moved = false;
        let behind = worker.with_topic(cursor, |local| {
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
                        cursor.position.set(Some(position));
                        self.give(entry, !cursor.silent.get());
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
    fn lags(&self, part: &mut TopicReader, position: Position) -> bool {
        part.until.is_some() && self.fall_behind(part, position)
    }

    fn fall_behind(&self, part: &mut TopicReader, position: Position) -> bool {
        if part.until.is_some_and(|until| position.sequence >= until) {
            return false;
        }
        self.read(part, Start::After(position), ReadPurpose::On);
        true
    }

    /// Writes an entry as this subscription's readers get it.
    fn give(&mut self, entry: &Entry, tells: bool) {
        match (tells, self.combines) {
            (false, false) => self.out.entry(entry, IdLine::None),
            (true, false) => {
                self.out.entry(entry, IdLine::Own);
                self.subscriber.client.told.set(Told::All);
            }
            // This topic's position may be silent, but the id still carries the positions of the other topics.
            (_, true) => {
                let mut line = self.worker.scratch.take();
                line.clear();
                line.extend_from_slice(b"id: ");
                Positions::write(self.subscriber.positions(), &mut line);
                line.push(b'\n');
                if line.len() > b"id: \n".len() {
                    self.out.entry(entry, IdLine::Line(&line));
                    self.subscriber.client.told.set(Told::All);
                } else {
                    self.out.entry(entry, IdLine::None);
                }
                self.worker.scratch.set(line);
            }
        }
    }
}

/// What a reader may see of a snapshot.
fn visible(part: &TopicReader, at: Position, events: &[Event]) -> Result<Vec<Entry>, Error> {
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
fn pause(part: &mut TopicReader, error: &LogError, start: Start, asked: ReadPurpose) {
    tracing::warn!(
        target: "sse_actix", topic = part.topic.name.as_str(), %error, cause = error_cause(error),
        "a topic cannot be read; its stream stays open"
    );
    let pause = Box::pin(tokio::time::sleep(PAUSE));
    part.work = Some(Box::new(ReadState::Pause(pause, start, asked)));
}
