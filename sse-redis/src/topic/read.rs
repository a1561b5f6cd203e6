//! Reads from a node's memory, and finds out what is missing.

use std::time::{Instant, SystemTime};

use sse_actix_core::{Batch, Epoch, Keep, Limit, Position, Resume, Start, TopicName};

use super::{
    State, Topic,
    live::{EARLY, Live, WITHOUT_EVENTS},
};
use crate::entry::EntryId;

/// A position, compared with what the node knows.
enum PositionAnswer {
    /// After this sequence.
    At(u64),
    /// It was lost, with all events after this sequence.
    Lost(u64),
    /// Older entries have to be read before the answer is known.
    NeedsHistory,
    /// Other nodes may know more.
    NeedsNewest,
    /// Redis has to be asked whether it has this event.
    NeedsProof(u64),
    /// It was lost, or never existed.
    Unknown,
}

impl Live {
    /// The sequence of a position, if this node knows it without asking Redis.
    pub(super) fn known_sequence(&self, name: &TopicName, position: Position) -> Option<u64> {
        let span = self.ring.kept_range();
        if position.epoch == span.epoch {
            return Some(position.sequence);
        }
        let earlier = self
            .earlier
            .iter()
            .find(|earlier| Epoch::new(name, earlier.epoch_number) == position.epoch)?;
        (position.sequence <= earlier.ends).then_some(position.sequence)
    }

    fn locate(&self, name: &TopicName, keep: Keep, position: Position, ttl_millis: u64) -> PositionAnswer {
        let span = self.ring.kept_range();
        if position.epoch == Epoch::new(name, WITHOUT_EVENTS) {
            return self.locate_before_first_event(keep, position, ttl_millis);
        }
        let Some(sequence) = self.known_sequence(name, position) else {
            let mut earlier = self.earlier.iter();
            let ended = earlier.find(|earlier| Epoch::new(name, earlier.epoch_number) == position.epoch);
            return match (ended, self.complete) {
                (Some(ended), _) => PositionAnswer::Lost(ended.ends),
                (None, false) if keep == Keep::Every => PositionAnswer::NeedsHistory,
                (None, _) => PositionAnswer::NeedsNewest,
            };
        };
        if sequence > span.head {
            return PositionAnswer::NeedsNewest;
        }
        let is_known = sequence <= span.last_deleted || sequence == span.head || self.ring.contains(sequence);
        match keep {
            _ if is_known && keep == Keep::Every => PositionAnswer::At(sequence),
            // This node never had this event, so it does not know which events are around it.
            Keep::Every => PositionAnswer::Unknown,
            Keep::LatestPerKey if is_known && sequence > span.last_deleted => PositionAnswer::At(sequence),
            Keep::LatestPerKey => PositionAnswer::NeedsProof(sequence),
        }
    }

    /// The place of a reader whose position is before the topic's first event.
    fn locate_before_first_event(&self, keep: Keep, position: Position, ttl_millis: u64) -> PositionAnswer {
        let span = self.ring.kept_range();
        if self.epoch_number == WITHOUT_EVENTS {
            return PositionAnswer::At(span.head);
        }
        if keep == Keep::LatestPerKey {
            return PositionAnswer::At(span.last_deleted);
        }
        if !self.complete {
            return PositionAnswer::NeedsHistory;
        }
        if !self.has_stream_start {
            return PositionAnswer::Unknown;
        }
        if self
            .without_events_since
            .is_some_and(|since| position.sequence >= since)
        {
            return PositionAnswer::At(0);
        }
        // In so long a time, there may have been another epoch that has ended.
        let is_old = self.ring.stats().oldest.is_some_and(|first| {
            let position = EntryId::of(position.sequence).millis();
            position.saturating_add(EARLY).saturating_add(ttl_millis) < EntryId::of(first).millis()
        });
        if is_old {
            PositionAnswer::Unknown
        } else {
            PositionAnswer::At(0)
        }
    }
}

impl Topic {
    /// Reads, if what is here is enough; else says what is wanted. `ticket` is the newest request that this read
    /// waits for.
    pub(crate) fn read(
        &self,
        start: Start,
        limit: Limit,
        now: SystemTime,
        ttl_millis: u64,
        ticket: &mut Option<u64>,
    ) -> Option<Batch> {
        let mut state = self.state();
        state.touched = Instant::now();
        let State {
            retention,
            live,
            wants,
            ..
        } = &mut *state;
        let Some(live) = live else {
            wants.newest_requests.request();
            return None;
        };
        live.ring.trim(retention, now);
        if live.target > live.head {
            return None;
        }
        let span = live.ring.kept_range();
        let at = |sequence| {
            Start::After(Position {
                epoch: span.epoch,
                sequence,
            })
        };
        let mut was_lost = false;
        let start = match start {
            Start::After(position) => {
                match live.locate(&self.name, retention.keeps(), position, ttl_millis) {
                    PositionAnswer::At(sequence) => at(sequence),
                    // The reader has everything that was not lost.
                    PositionAnswer::Lost(ends)
                        if ends >= span.last_deleted && retention.keeps() == Keep::Every =>
                    {
                        was_lost = true;
                        at(ends)
                    }
                    PositionAnswer::Lost(_) | PositionAnswer::Unknown => Start::Unknown,
                    PositionAnswer::NeedsHistory => {
                        wants.history = true;
                        return None;
                    }
                    PositionAnswer::NeedsNewest => {
                        // Another node may know more by now.
                        let ticket = ticket.get_or_insert(wants.newest_requests.begun + 1);
                        if wants.newest_requests.done < *ticket {
                            wants.newest_requests.asked = wants.newest_requests.asked.max(*ticket);
                            return None;
                        }
                        Start::Unknown
                    }
                    PositionAnswer::NeedsProof(sequence) => match wants.verified.get(&sequence) {
                        Some(Some(true)) => at(sequence),
                        Some(Some(false)) => Start::Unknown,
                        other => {
                            if other.is_none() {
                                wants.verified.insert(sequence, None);
                            }
                            return None;
                        }
                    },
                }
            }
            other => other,
        };
        let enough = live.complete
            || match start {
                Start::Head => true,
                Start::Last(events) => live.ring.len() >= events,
                Start::After(position) => position.sequence >= span.last_deleted,
                Start::Oldest | Start::Unknown => false,
            };
        if !enough {
            wants.history = true;
            return None;
        }
        let mut batch = live.ring.read(start, limit);
        if was_lost {
            batch.resume = Resume::Unknown;
        }
        Some(batch)
    }
}
