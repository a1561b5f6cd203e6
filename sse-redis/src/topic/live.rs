use std::{collections::VecDeque, time::SystemTime};

use sse_actix_core::{Epoch, Keep, Retention, Ring, TopicName};

use super::entries_of;
use crate::entry::{Content, EntryId, Header, NONE, Stored};

/// How many earlier epochs are remembered.
const MAX_EARLIER_EPOCHS: usize = 16;

/// The epoch number of a topic without any events.
pub(super) const WITHOUT_EVENTS: u64 = 0;

/// An epoch of the stream that another epoch has continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) epoch_number: u64,
    /// The sequence of its last event. Its later events are lost.
    pub(super) ends: u64,
}

/// A followed topic: the node's knowledge of its stream.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) epoch_number: u64,
    pub(super) ring: Ring,
    /// The newest entry that is known.
    pub(super) head: EntryId,
    /// Everything up to here was read, including entries of other programs.
    pub(super) passed: EntryId,
    /// The newest entry that Redis is known to have.
    pub(super) target: EntryId,
    /// True if the ring has everything that the stream has and retention allows.
    pub(super) complete: bool,
    /// True if the ring began with the stream's first entry, even if retention has deleted it since.
    pub(super) has_stream_start: bool,
    /// Epochs that this one has continued, the newest first.
    pub(super) earlier: Vec<Earlier>,
    /// A time, as a sequence: from then on this node knew that the topic had no event. A client whose position is
    /// before the first event, and not older than this, has missed nothing.
    pub(super) without_events_since: Option<u64>,
    /// True if the newest events were lost and the stream went on in the same epoch: another epoch has to begin.
    pub(super) is_rolled_back: bool,
}

/// The result of taking an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It was taken in.
    Taken,
    /// It was already known, or another program has written it.
    Passed,
    /// Something between it and the head is not known yet.
    Hole,
    /// The stream has to be read again from its newest entry.
    NeedsNewest,
}

impl Live {
    /// A topic without any events, as of this time.
    pub(super) fn without_events(name: &TopicName, keep: Keep, millis: u64) -> Self {
        let epoch = Epoch::new(name, WITHOUT_EVENTS);
        let now = sequence_before_first_event(millis);
        Self {
            epoch_number: WITHOUT_EVENTS,
            ring: Ring::new(epoch, keep, now, false),
            head: NONE,
            passed: NONE,
            target: NONE,
            complete: true,
            has_stream_start: false,
            earlier: Vec::new(),
            without_events_since: Some(now),
            is_rolled_back: false,
        }
    }

    /// A topic whose newest entry is this.
    pub(super) fn at(name: &TopicName, keep: Keep, id: EntryId, header: &Header) -> Self {
        let last = header.last(id);
        Self {
            epoch_number: header.epoch_number,
            ring: Ring::new(Epoch::new(name, header.epoch_number), keep, last, false),
            head: id,
            passed: id,
            target: id,
            complete: false,
            has_stream_start: false,
            earlier: Vec::new(),
            without_events_since: None,
            is_rolled_back: false,
        }
    }

    /// Takes an entry. `in_order` is true if nothing is between it and the last entry that was read.
    ///
    /// An entry that is already known, or that another program has written, changes nothing. Any other entry names its
    /// predecessor (`previous`):
    ///
    /// - **`previous` is after the head.** There is a hole, which has to be read first. If the entry is in order, the
    ///   entries in the hole are gone: the ring begins with this entry.
    /// - **`previous` is before the head.** The stream has lost the entries after `previous`. The ring begins with this
    ///   entry, and positions in the lost part are unknown.
    /// - **`previous` is the head, and the topic had no events.** The first epoch begins.
    /// - **`previous` is the head.** The entry is appended to the ring. If it is of another epoch, that epoch continues
    ///   this one.
    pub(super) fn take(
        &mut self,
        name: &TopicName,
        retention: &Retention,
        stored: Stored,
        in_order: bool,
    ) -> Step {
        if in_order {
            self.passed = self.passed.max(stored.id);
        }
        let keyed = retention.keeps() == Keep::LatestPerKey;
        let Some(header) = stored.header() else {
            if matches!(stored.content, Content::Foreign) || stored.id <= self.head {
                return Step::Passed;
            }
            // The meaning of a later version is unknown, so all its events count as missed.
            self.restart(
                name,
                retention.keeps(),
                self.epoch_number,
                stored.id.last(usize::MAX),
            );
            self.moves_to(stored.id);
            return Step::Taken;
        };
        let is_known_epoch = header.epoch_number == self.epoch_number
            || self
                .earlier
                .iter()
                .any(|earlier| earlier.epoch_number == header.epoch_number);
        if is_known_epoch && stored.id <= self.head {
            return Step::Passed;
        }
        if self.is_in_doubt() && !in_order {
            return Step::Hole;
        }
        let has_stream_start = header.previous == NONE && header.events > 0;
        if header.previous > self.head {
            if !in_order {
                return Step::Hole;
            }
            if keyed {
                return Step::NeedsNewest;
            }
            // The entries in between are gone. It is also unknown whether another epoch has continued this one.
            if header.epoch_number != self.epoch_number {
                self.earlier.clear();
            }
            self.restart(name, retention.keeps(), header.epoch_number, header.previous_last);
        } else if header.previous < self.head {
            // Later events are lost.
            self.is_rolled_back = header.epoch_number == self.epoch_number;
            if keyed && header.previous != NONE {
                self.go_back_to(&header);
                self.restart(name, retention.keeps(), header.epoch_number, header.previous_last);
                self.moves_to(stored.id);
                return Step::NeedsNewest;
            }
            let is_known_before = self.is_rolled_back || header.previous == NONE;
            self.go_back_to(&header);
            let last_deleted = match header.events {
                0 => stored.last(),
                _ => header.previous_last,
            };
            self.restart(name, retention.keeps(), header.epoch_number, last_deleted);
            if !is_known_before {
                // The beginning of the other epoch is unknown, so older entries have to be read again.
                self.earlier.clear();
                self.complete = false;
            }
        } else if self.epoch_number == WITHOUT_EVENTS {
            let without_events_since = self.without_events_since;
            self.restart(name, retention.keeps(), header.epoch_number, 0);
            self.complete = true;
            self.without_events_since = without_events_since;
        } else if header.epoch_number != self.epoch_number {
            self.earlier.insert(
                0,
                Earlier {
                    epoch_number: self.epoch_number,
                    ends: self.ring.kept_range().head,
                },
            );
            self.earlier.truncate(MAX_EARLIER_EPOCHS);
            self.epoch_number = header.epoch_number;
            self.ring.continue_as(Epoch::new(name, header.epoch_number));
        }
        self.has_stream_start |= has_stream_start;
        let (id, last) = (stored.id, stored.last());
        match stored.content {
            Content::Events(..) => {
                for entry in entries_of(name, stored) {
                    self.ring.push(entry);
                }
                self.ring.advance(last);
            }
            Content::Unreadable(_) | Content::Newer(_) | Content::Foreign => {
                if keyed {
                    return Step::NeedsNewest;
                }
                self.restart(name, retention.keeps(), header.epoch_number, last);
            }
        }
        self.ring.trim(retention, SystemTime::now());
        self.moves_to(id);
        Step::Taken
    }

    /// Takes entries that came early and follow now.
    pub(super) fn take_early(
        &mut self,
        name: &TopicName,
        retention: &Retention,
        early: &mut VecDeque<Stored>,
    ) -> Step {
        while let Some(stored) = early.pop_front() {
            match self.take(name, retention, stored.clone(), false) {
                Step::Taken | Step::Passed => {}
                Step::Hole => {
                    early.push_front(stored);
                    return Step::Hole;
                }
                Step::NeedsNewest => {
                    early.clear();
                    return Step::NeedsNewest;
                }
            }
        }
        Step::Taken
    }

    /// Another epoch has continued the stream, perhaps not after the known newest entry: that entry may be lost, or
    /// another entry may have its id. So the stream is read on from before it.
    pub(super) fn doubt(&mut self) {
        self.passed = self.head.before();
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.passed < self.head
    }

    /// True if a page that begins before the known newest entry shows that the stream has it, or had it until retention
    /// deleted it. Then there is no doubt any more.
    pub(super) fn is_proven_by(&mut self, page: &[Stored]) -> bool {
        let mut ours = page
            .iter()
            .filter_map(|stored| Some((stored.id, stored.header()?)));
        let last = self.ring.kept_range().head;
        let is_proven = ours.next().is_some_and(|(id, header)| {
            let is_head =
                id == self.head && header.epoch_number == self.epoch_number && header.last(id) == last;
            is_head || header.previous == self.head && header.previous_last == last
        });
        if is_proven {
            self.passed = self.head;
        }
        is_proven
    }

    fn moves_to(&mut self, id: EntryId) {
        self.head = id;
        self.passed = self.passed.max(id);
        self.target = self.target.max(id);
    }

    /// Forgets the events, and continues after this sequence.
    fn restart(&mut self, name: &TopicName, keep: Keep, epoch_number: u64, last_deleted: u64) {
        self.epoch_number = epoch_number;
        self.ring = Ring::new(Epoch::new(name, epoch_number), keep, last_deleted, false);
        self.complete = keep == Keep::Every;
        self.has_stream_start = false;
        self.without_events_since = None;
    }

    /// The stream has lost the events after this entry's predecessor: the earlier epochs end there.
    fn go_back_to(&mut self, header: &Header) {
        let (epoch_number, ends) = (self.epoch_number, header.previous_last);
        if header.previous == NONE {
            self.earlier.clear();
        } else {
            self.earlier.retain(|earlier| earlier.ends <= ends);
            if epoch_number != header.epoch_number {
                self.earlier.insert(0, Earlier { epoch_number, ends });
            }
        }
        self.target = header.previous;
        self.passed = header.previous;
    }
}

/// How many milliseconds early the position of a topic without events is.
pub(super) const EARLY: u64 = 60_000;

/// The sequence of a position before a topic's first event: it contains the time minus [`EARLY`], so that it is less
/// than the sequence of any event, whatever the clocks show.
pub(super) fn sequence_before_first_event(millis: u64) -> u64 {
    EntryId::at(millis.saturating_sub(EARLY)).sequence(0)
}
