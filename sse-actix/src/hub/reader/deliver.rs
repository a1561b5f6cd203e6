//! A reader's deliveries: the entries that the log has returned, and, once all are replayed, the entries of its
//! worker's window.

use std::{
    sync::{Arc, atomic::Ordering},
    vec,
};

use sse_actix_core::{Entry, Frame, Position, PositionsLine, Start, WindowRead};

use super::topic::{ReadPurpose, TopicReader};
use crate::hub::worker::{LastSentId, Subscriber, TopicCursor, Worker};

/// The target to which a reader writes frames.
pub(in crate::hub) trait FrameTarget {
    fn is_full(&self) -> bool;
    fn entry(&mut self, entry: &Entry, id: IdLine<'_>);
    fn frame(&mut self, frame: &Frame);
    /// Writes a frame that is not counted, because it was not published.
    fn position(&mut self, frame: &Frame) {
        self.frame(frame);
    }
}

/// The id line of an entry for one reader.
pub(in crate::hub) enum IdLine<'a> {
    Own,
    None,
    Positions(&'a PositionsLine),
}

/// What one step of one topic needs. The step itself is `advance` in `advance.rs`.
pub(super) struct ReadStep<'a, S> {
    pub(super) worker: &'a Worker,
    pub(super) subscriber: &'a Subscriber,
    pub(super) has_several_topics: bool,
    /// True while the log has not answered for each topic.
    pub(super) awaits_answers: bool,
    /// True while nothing is delivered: before the answers, and before a gap event that has waited for them.
    pub(super) must_hold_back: bool,
    pub(super) out: &'a mut S,
    /// How many entries the reader has hidden in this poll, or read for a history.
    pub(super) hidden: &'a mut usize,
}

/// How many entries a reader may hide in one poll before other tasks on the thread get a turn.
pub(super) const MAX_HIDDEN_PER_TURN: usize = 1_000;

impl<S: FrameTarget> ReadStep<'_, S> {
    /// Delivers the entries that the log has returned. Returns true if an entry was delivered or hidden.
    pub(super) fn deliver(
        &mut self,
        reader: &TopicReader,
        cursor: &TopicCursor,
        entries: &mut vec::IntoIter<Arc<Entry>>,
        end: Position,
    ) -> bool {
        let mut position = end;
        let before = entries.as_slice().len();
        let mut delivered = 0;
        while !self.out.is_full()
            && *self.hidden < MAX_HIDDEN_PER_TURN
            && let Some(entry) = entries.as_slice().first()
            && reader.stop_at.is_none_or(|stop_at| entry.sequence() <= stop_at)
            && let Some(entry) = entries.next()
        {
            position.sequence = entry.sequence();
            if reader.shows(&entry, position) {
                cursor.position.set(Some(position));
                self.write_entry(&entry, !cursor.omitted_from_ids.get());
                delivered += 1;
            } else {
                *self.hidden += 1;
                self.subscriber.move_to(cursor, position);
            }
        }
        reader
            .topic
            .counts
            .delivered
            .fetch_add(delivered, Ordering::Relaxed);
        entries.as_slice().len() < before
    }

    /// Writes an entry in the form for this subscription.
    pub(super) fn write_entry(&mut self, entry: &Entry, with_position: bool) {
        match (with_position, self.has_several_topics) {
            (false, false) => self.out.entry(entry, IdLine::None),
            (true, false) => {
                self.out.entry(entry, IdLine::Own);
                self.subscriber
                    .known_position
                    .last_sent_id
                    .set(LastSentId::Current);
            }
            // This topic's position may be left out, but the id still carries the positions of the other topics.
            (_, true) => {
                let mut line = self.worker.id_line.take();
                line.set(self.subscriber.positions());
                self.out.entry(entry, IdLine::Positions(&line));
                if !line.as_bytes().is_empty() {
                    self.subscriber
                        .known_position
                        .last_sent_id
                        .set(LastSentId::Current);
                }
                self.worker.id_line.set(line);
            }
        }
    }

    /// Reads from the window. Returns true if the cursor advanced.
    pub(super) fn follow(&mut self, reader: &mut TopicReader, cursor: &TopicCursor) -> bool {
        let Some(mut position) = cursor.position.get() else {
            return false;
        };
        let worker = self.worker;
        // When the stream is being ended, events from before the shutdown may not be in the window yet, so read the
        // log.
        let draining = reader.stop_at.is_some();
        if reader.options.is_some() {
            // A user's filters may call anything, so they do not run while the window is borrowed.
            let mut next = None;
            let behind = worker.with_topic(cursor, |topic| match topic.window.next_after(position) {
                WindowRead::Next(entry) => {
                    next = Some(Arc::clone(entry));
                    false
                }
                WindowRead::UpToDate => draining,
                WindowRead::NotCovered => true,
            });
            return match next {
                Some(entry) => self.deliver(reader, cursor, &mut vec![entry].into_iter(), position),
                None => behind == Some(true) && self.read_from_log(reader, position),
            };
        }
        let mut moved = false;
        let behind = worker.with_topic(cursor, |topic| {
            let mut delivered = 0;
            let behind = loop {
                match topic.window.next_after(position) {
                    WindowRead::UpToDate => break draining,
                    WindowRead::NotCovered => break true,
                    WindowRead::Next(entry) => {
                        let may_deliver = reader.stop_at.is_none_or(|stop_at| entry.sequence() <= stop_at);
                        if !may_deliver || self.out.is_full() {
                            break false;
                        }
                        position.sequence = entry.sequence();
                        cursor.position.set(Some(position));
                        self.write_entry(entry, !cursor.omitted_from_ids.get());
                        delivered += 1;
                    }
                }
            };
            moved = delivered > 0;
            topic.delivered.set(topic.delivered.get() + delivered);
            behind
        });
        if behind == Some(true) {
            return self.read_from_log(reader, position);
        }
        moved
    }

    /// Issues a read of the log for the entries that the window does not have. Returns true if there may be such
    /// entries.
    fn read_from_log(&self, reader: &mut TopicReader, position: Position) -> bool {
        if reader.stop_at.is_some_and(|stop_at| position.sequence >= stop_at) {
            return false;
        }
        self.read(reader, Start::After(position), ReadPurpose::CatchUp);
        true
    }
}
