use std::{collections::VecDeque, sync::Arc};

use sse_actix_core::{Entry, TopicName};

use super::{Earlier, entries_of};
use crate::entry::{Content, EntryId, NONE, Stored};

/// The entries before an event, read backwards. Each entry must be the predecessor that the next one names.
#[derive(Debug)]
pub(super) struct Chain {
    /// The sequence up to which it reads.
    until: u64,
    /// The entry that comes next, and the sequence of its last event.
    expected: (EntryId, u64),
    epoch_number: u64,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Epochs that it has passed, the newest first.
    earlier: Vec<Earlier>,
    /// True if it has reached the stream's first entry.
    has_stream_start: bool,
    is_over: bool,
}

/// The result of a finished chain.
pub(super) struct Found {
    pub(super) entries: Vec<Arc<Entry>>,
    /// The sequence after which they begin.
    pub(super) last_deleted: u64,
    pub(super) earlier: Vec<Earlier>,
    pub(super) has_stream_start: bool,
}

impl Chain {
    /// A chain before the event after `until`, in a stream with this epoch.
    pub(super) fn new(until: u64, epoch_number: u64) -> Self {
        Self {
            until,
            expected: (EntryId::of(until), until),
            epoch_number,
            entries: VecDeque::new(),
            bytes: 0,
            earlier: Vec::new(),
            has_stream_start: until == 0,
            is_over: until == 0,
        }
    }

    /// True if it continues backwards from an event after this sequence.
    pub(super) fn joins(&self, last_deleted: u64) -> bool {
        self.until == last_deleted
    }

    /// True if it continues backwards from an event before the one after this sequence.
    pub(super) fn is_before(&self, last_deleted: u64) -> bool {
        self.until < last_deleted
    }

    /// The entry to read next, backwards.
    pub(super) fn next(&self) -> EntryId {
        self.expected.0
    }

    /// Takes an older entry, until it has enough events or bytes.
    pub(super) fn push(&mut self, stored: Stored, topic: &TopicName, events: usize, bytes: usize) {
        let header = match &stored.content {
            Content::Foreign => return,
            Content::Events(header, _) if stored.id == self.expected.0 => *header,
            _ => return self.end(),
        };
        if self.is_over {
            return;
        }
        let last = header.last(stored.id);
        if last != self.expected.1 && header.events > 0 {
            return self.end();
        }
        if header.epoch_number != self.epoch_number {
            self.earlier.push(Earlier {
                epoch_number: header.epoch_number,
                ends: last,
            });
            self.epoch_number = header.epoch_number;
        }
        if header.events == 0 && header.previous == NONE {
            return self.end();
        }
        self.bytes += stored.bytes;
        for entry in entries_of(topic, stored).into_iter().rev() {
            self.entries.push_front(entry);
        }
        self.expected = (header.previous, header.previous_last);
        self.has_stream_start = header.previous == NONE && header.events > 0;
        self.is_over = self.has_stream_start || self.entries.len() >= events || self.bytes >= bytes;
    }

    /// Ends the chain, because nothing more can be added.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn finish(self) -> Found {
        Found {
            entries: self.entries.into(),
            last_deleted: self.expected.1,
            earlier: self.earlier,
            has_stream_start: self.has_stream_start,
        }
    }
}
