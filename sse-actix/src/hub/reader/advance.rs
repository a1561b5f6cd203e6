//! One poll of a subscription: advance each topic by one step, until no topic can advance. `deliver.rs` has the
//! delivery of a step.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    vec::IntoIter,
};

use actix_web::Error;
use sse_actix_core::{Batch, Entry, EventId, GAP_EVENT, Limit, Position, Positions, Start, gap_frame};

use super::{
    deliver::{FrameTarget, IdLine, ReadStep},
    topic::{AfterReplay, ReadPurpose, ReplayState, TopicReader},
};
use crate::clock;
use crate::hub::{
    OnGap,
    subscription::selection::GapSize,
    worker::{LastSentId, TopicCursor},
};

/// The reason why a reader cannot continue.
pub(super) enum ReadFailure {
    /// The application's snapshot failed.
    Failed(Box<Error>),
    /// Unread events are not in the log any more. For a plain stream: any gap, also an unknown id or a deleted topic.
    Overtaken,
}

impl<S: FrameTarget> ReadStep<'_, S> {
    /// Advances a topic by one step. Returns true if the topic advanced. If not, the reader's task is woken when the
    /// topic can advance.
    pub(super) fn advance(
        &mut self,
        reader: &mut TopicReader,
        cursor: &TopicCursor,
        cx: &mut Context<'_>,
    ) -> Result<bool, ReadFailure> {
        let Some(mut replay) = reader.replay.take() else {
            if let Some(options) = &mut reader.options
                && options.backoff.poll_due(cx)
            {
                self.read(reader, Start::Head, ReadPurpose::SnapshotPosition);
                return Ok(true);
            }
            return Ok(!self.must_hold_back && self.follow(reader, cursor));
        };
        if self.must_hold_back
            && matches!(
                *replay,
                ReplayState::Deliver(..) | ReplayState::DeliverSnapshot(..)
            )
        {
            reader.replay = Some(replay);
            return Ok(false);
        }
        match &mut *replay {
            ReplayState::Read(read, start, purpose) => {
                if let Poll::Ready(batch) = Pin::new(read).poll(cx) {
                    let purpose = mem::replace(purpose, ReadPurpose::CatchUp);
                    match batch {
                        Ok(batch) if self.must_wait(reader, cursor, &batch, &purpose) => {
                            self.wait_for_other_topics(reader, cursor, batch);
                        }
                        Ok(batch) => self.take_batch(reader, cursor, batch, purpose)?,
                        Err(error) => {
                            reader.first_read_answered = true;
                            reader.pause(&error, *start, purpose);
                        }
                    }
                    return Ok(true);
                }
            }
            ReplayState::AwaitOtherTopics(_) if self.awaits_answers => {}
            ReplayState::AwaitOtherTopics(_) => {
                if let ReplayState::AwaitOtherTopics(batch) = *replay {
                    self.take_batch(reader, cursor, *batch, ReadPurpose::CatchUp)?;
                }
                return Ok(true);
            }
            ReplayState::Pause(pause, start, purpose) => {
                if pause.as_mut().poll(cx).is_ready() {
                    let purpose = mem::replace(purpose, ReadPurpose::CatchUp);
                    self.read(reader, *start, purpose);
                    return Ok(true);
                }
            }
            ReplayState::Deliver(entries, end, next) => {
                let moved = self.deliver(reader, cursor, entries, *end);
                if entries.as_slice().is_empty() {
                    self.subscriber.move_to(cursor, *end);
                    match next {
                        AfterReplay::ReadMore => self.read(reader, Start::After(*end), ReadPurpose::CatchUp),
                        AfterReplay::FollowWindow => {
                            if let Some(options) = &mut reader.options {
                                options.becomes_live();
                            }
                            self.worker.reader_reached_newest(cursor, *end);
                        }
                    }
                    return Ok(true);
                }
                reader.replay = Some(replay);
                return Ok(moved);
            }
            ReplayState::AwaitSnapshot(taking, at) => {
                if let Poll::Ready(taken) = taking.as_mut().poll(cx) {
                    let entries = taken
                        .and_then(|events| reader.visible_snapshot_entries(*at, &events))
                        .map_err(|error| ReadFailure::Failed(Box::new(error)))?;
                    reader.replay = Some(Box::new(ReplayState::DeliverSnapshot(entries.into_iter(), *at)));
                    return Ok(true);
                }
            }
            ReplayState::DeliverSnapshot(entries, at) => {
                let moved = self.deliver_snapshot(reader, cursor, entries, *at);
                if reader.replay.is_some() {
                    return Ok(true);
                }
                reader.replay = Some(replay);
                return Ok(moved);
            }
        }
        reader.replay = Some(replay);
        Ok(false)
    }

    /// Delivers entries of a snapshot. After the last one, it issues a read of the entries after the snapshot. Returns
    /// true if it has delivered any entry.
    fn deliver_snapshot(
        &mut self,
        reader: &mut TopicReader,
        cursor: &TopicCursor,
        entries: &mut IntoIter<Entry>,
        at: Position,
    ) -> bool {
        let before = entries.as_slice().len();
        while !self.out.is_full()
            && let Some(entry) = entries.next()
        {
            if entries.as_slice().is_empty() {
                // Only the last event has the id: a client that loses its connection before that event gets the
                // snapshot again.
                cursor.position.set(Some(at));
                cursor.omitted_from_ids.set(!reader.topic.options.replays);
                self.write_entry(&entry, true);
            } else {
                self.out.entry(&entry, IdLine::None);
            }
        }
        if entries.as_slice().is_empty() {
            cursor.omitted_from_ids.set(!reader.topic.options.replays);
            if let Some(options) = &mut reader.options {
                options.backoff.delivered();
            }
            self.subscriber.move_to(cursor, at);
            self.read(reader, Start::After(at), ReadPurpose::CatchUp);
        }
        entries.as_slice().len() < before
    }

    /// Issues a read of the log.
    pub(super) fn read(&self, reader: &mut TopicReader, start: Start, purpose: ReadPurpose) {
        let log = &self.worker.hub.log;
        let read = log.read(&reader.topic.name, start, Limit::DEFAULT, clock::wall());
        reader.replay = Some(Box::new(ReplayState::Read(read, start, purpose)));
    }

    /// True if this answer has to wait until the log has answered for each topic of the stream: it brings a gap event,
    /// whose id would lack a topic.
    fn must_wait(
        &self,
        reader: &TopicReader,
        cursor: &TopicCursor,
        batch: &Batch,
        purpose: &ReadPurpose,
    ) -> bool {
        self.awaits_answers
            && self.has_several_topics
            && matches!(purpose, ReadPurpose::CatchUp)
            && gap_of(reader, cursor, batch).is_some()
    }

    /// Keeps an answer until the log has answered for all topics. This topic already counts as answered. Until then,
    /// ids contain the client's old position in this topic. If it is unknown, no id is sent at all.
    fn wait_for_other_topics(&self, reader: &mut TopicReader, cursor: &TopicCursor, batch: Batch) {
        if cursor.position.get().is_none() && !reader.has_unknown_id {
            self.subscriber.move_to(cursor, batch.start);
        }
        reader.first_read_answered = true;
        reader.replay = Some(Box::new(ReplayState::AwaitOtherTopics(Box::new(batch))));
    }

    /// Takes the log's answer to a read.
    fn take_batch(
        &mut self,
        reader: &mut TopicReader,
        cursor: &TopicCursor,
        batch: Batch,
        purpose: ReadPurpose,
    ) -> Result<(), ReadFailure> {
        match purpose {
            ReadPurpose::SnapshotPosition => self.take_snapshot(reader, batch.end),
            ReadPurpose::History(most, mut kept) => {
                *self.hidden += batch.entries.len();
                let options = reader.options.as_deref();
                if GapSize::of(batch.resume).is_some() {
                    // Retention deleted what was found so far, or the log was lost. A history has no hole.
                    kept.clear();
                }
                let mut before = batch.start.sequence;
                for entry in batch.entries {
                    let sequence = entry.sequence();
                    if options.is_none_or(|options| options.shows(&entry, batch.end)) {
                        kept.push_back((before, entry));
                    }
                    before = sequence;
                    if kept.len() > most {
                        kept.pop_front();
                    }
                }
                if batch.more {
                    self.read(reader, Start::After(batch.end), ReadPurpose::History(most, kept));
                    // It has no position yet, so it has not answered.
                    return Ok(());
                }
                // From now on, ids of other topics' events say where this topic begins.
                let start = kept.front().map_or(batch.end, |(before, _)| Position {
                    sequence: *before,
                    ..batch.end
                });
                self.subscriber.move_to(cursor, start);
                let entries: Vec<_> = kept.into_iter().map(|(_, entry)| entry).collect();
                let entries = entries.into_iter();
                reader.replay = Some(Box::new(ReplayState::Deliver(
                    entries,
                    batch.end,
                    AfterReplay::FollowWindow,
                )));
            }
            ReadPurpose::CatchUp => {
                if mem::take(&mut reader.has_unknown_id) {
                    self.subscriber.known_position.unknown_topics.set(
                        self.subscriber
                            .known_position
                            .unknown_topics
                            .get()
                            .saturating_sub(1),
                    );
                }
                if let Some(stop_at) = &mut reader.stop_at
                    && !batch.more
                {
                    // The log has no more, for example because it was lost.
                    *stop_at = batch.end.sequence.min(*stop_at);
                }
                reader.first_read_answered = true;
                if let Some(missed) = gap_of(reader, cursor, &batch) {
                    if self.subscriber.plain.get() {
                        // The client of a plain stream cannot resume, so the answer must not look complete.
                        if reader.topic.options.gap_event != GAP_EVENT {
                            self.write_gap_event(reader, missed, None);
                        }
                        return Err(ReadFailure::Overtaken);
                    }
                    if reader.first_read_succeeded && reader.topic.options.on_gap == OnGap::End {
                        return Err(ReadFailure::Overtaken);
                    }
                    reader.topic.count_gap();
                    match reader.options.as_deref_mut() {
                        Some(options) if options.snapshot.is_some() => {
                            let may_take_snapshot = options.backoff.is_allowed();
                            if !may_take_snapshot {
                                options.backoff.request();
                            }
                            // Without an id: a client that loses the snapshot gets the gap event again.
                            self.write_gap_event(reader, missed, None);
                            if may_take_snapshot {
                                self.read(reader, Start::Head, ReadPurpose::SnapshotPosition);
                                return Ok(());
                            }
                            // Until the snapshot may be taken, the reader gets the kept events without this topic's
                            // position in their ids. So a client that reconnects before then gets the snapshot.
                            cursor.omitted_from_ids.set(true);
                            self.subscriber.move_to(cursor, batch.start);
                        }
                        _ => {
                            cursor.position.set(Some(batch.start));
                            let id = self.subscriber.id();
                            self.write_gap_event(reader, missed, id.as_ref());
                        }
                    }
                } else {
                    self.subscriber.move_to(cursor, batch.start);
                }
                let next = if batch.more {
                    AfterReplay::ReadMore
                } else {
                    AfterReplay::FollowWindow
                };
                let entries = batch.entries.into_iter();
                reader.replay = Some(Box::new(ReplayState::Deliver(entries, batch.end, next)));
            }
        }
        reader.first_read_answered = true;
        reader.first_read_succeeded = true;
        Ok(())
    }

    fn write_gap_event(&mut self, reader: &TopicReader, missed: GapSize, id: Option<&EventId>) {
        let frame = gap_frame(&reader.topic.options.gap_event, id, missed.0);
        self.out.frame(&frame);
        if id.is_some() {
            self.subscriber
                .known_position
                .last_sent_id
                .set(LastSentId::Current);
        }
    }

    /// Requests the application's snapshot of the topic at its newest entry.
    fn take_snapshot(&self, reader: &mut TopicReader, at: Position) {
        let id = Positions::id([at]).to_event_id();
        let snapshot = reader.options.as_mut().and_then(|options| {
            options.backoff.started();
            options.snapshot.as_ref()
        });
        match (snapshot, id) {
            (Some(snapshot), Some(id)) => {
                reader.replay = Some(Box::new(ReplayState::AwaitSnapshot(snapshot(id), at)));
            }
            _ => self.read(reader, Start::After(at), ReadPurpose::CatchUp),
        }
    }
}

/// The gap of which this answer tells the reader.
fn gap_of(reader: &TopicReader, cursor: &TopicCursor, batch: &Batch) -> Option<GapSize> {
    match reader.options.as_deref() {
        None => GapSize::of(batch.resume),
        Some(options) => options.gap(batch, cursor.position.get()),
    }
}
