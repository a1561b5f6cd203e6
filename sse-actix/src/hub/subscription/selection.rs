//! One topic of a subscription, with its filters, history and snapshot.

use std::{
    fmt,
    rc::Rc,
    time::{Duration, SystemTime},
};

use actix_web::Error;
use futures_core::future::LocalBoxFuture;
use sse_actix_core::{Batch, Entry, Event, EventId, Position, Resume, TopicName};

use super::snapshot_backoff::SnapshotBackoff;
use crate::hub::topic_of::{EventsType, TopicToRead};

pub(in crate::hub) struct TopicSelection {
    pub(in crate::hub) topic: TopicName,
    /// The type of its events.
    pub(in crate::hub) event_type: Option<EventsType>,
    pub(in crate::hub) options: Option<Box<ReadOptions>>,
}

/// Options of one subscription for one topic, beyond "all events from now on". Most subscriptions have none.
///
/// Not to be confused with:
///
/// | options | apply to | set with |
/// |---|---|---|
/// | `TopicOptions` | a topic, for all its streams: retention, names of events | `HubBuilder` |
/// | `StreamOptions` | one stream, of any source: keep-alive, headers, reconnection time | `#[sse_stream]`, `Sse`, and the setters of `Subscription` in `options.rs` |
#[derive(Default)]
pub(in crate::hub) struct ReadOptions {
    /// An event is sent only if all filters return true.
    pub(in crate::hub) filters: Vec<Filter>,
    pub(in crate::hub) since: Option<SystemTime>,
    /// The latest position of each epoch.
    pub(in crate::hub) after: Vec<Position>,
    pub(in crate::hub) history: Option<usize>,
    pub(in crate::hub) snapshot: Option<TakeSnapshot>,
    pub(in crate::hub) backoff: SnapshotBackoff,
    /// The time at which it began to read.
    pub(in crate::hub) opened: Option<SystemTime>,
}

pub(in crate::hub) type Filter = Rc<dyn Fn(&Entry) -> bool>;

pub(in crate::hub) type TakeSnapshot =
    Rc<dyn Fn(EventId) -> LocalBoxFuture<'static, Result<Vec<Event>, Error>>>;

impl TopicSelection {
    pub(in crate::hub) fn new(topic: TopicToRead) -> Self {
        Self {
            topic: topic.name,
            event_type: topic.event_type,
            options: None,
        }
    }

    pub(in crate::hub) fn options(&mut self) -> &mut ReadOptions {
        self.options.get_or_insert_default()
    }
}

impl ReadOptions {
    /// Hides all events up to this one; events that are already hidden stay hidden.
    pub(in crate::hub) fn hide_up_to(&mut self, position: Position) {
        match self.after.iter_mut().find(|after| after.epoch == position.epoch) {
            Some(after) => after.sequence = after.sequence.max(position.sequence),
            None => self.after.push(position),
        }
    }

    /// Hides events from before `time`, to the millisecond, which is the precision of an entry's time.
    pub(in crate::hub) fn hide_before(&mut self, time: SystemTime) {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let rest = Duration::from_nanos(u64::from(since_epoch.subsec_nanos()) % 1_000_000);
        self.since = self.since.max(time.checked_sub(rest));
    }

    /// Its reader has received everything that was published before it opened. So if `since` had passed when the reader
    /// opened, all later events may be sent, even if the clock is set back: the limit is removed.
    pub(in crate::hub) fn becomes_live(&mut self) {
        let opened = self.opened;
        self.since = self
            .since
            .filter(|since| opened.is_none_or(|opened| *since > opened));
    }

    /// The position up to which events of `position`'s epoch are hidden.
    fn after_in(&self, position: Position) -> Option<Position> {
        let same_epoch = |after: &&Position| after.epoch == position.epoch;
        self.after.iter().find(same_epoch).copied()
    }

    /// True if a reader may see an entry.
    pub(in crate::hub) fn shows(&self, entry: &Entry, position: Position) -> bool {
        let in_time = self.since.is_none_or(|since| entry.at() >= since);
        // A log that continues in another epoch may still hold entries of the earlier epoch.
        let in_place = self.after.is_empty() || {
            let epoch = entry.epoch().unwrap_or(position.epoch);
            let after = self.after_in(Position { epoch, ..position });
            after.is_none_or(|after| entry.sequence() > after.sequence)
        };
        in_time && in_place && self.passes_filters(entry)
    }

    pub(in crate::hub) fn passes_filters(&self, entry: &Entry) -> bool {
        self.filters.iter().all(|filter| filter(entry))
    }

    /// The gap for a reader that was at `from`. It reveals nothing that the reader may not see.
    pub(in crate::hub) fn gap(&self, batch: &Batch, from: Option<Position>) -> Option<GapSize> {
        let Resume::Gap { mut missed } = batch.resume else {
            return GapSize::of(batch.resume);
        };
        let until = batch.start;
        // The oldest kept entry is older than `since`, so nothing that this reader may see has been deleted.
        if let (Some(since), Some(oldest)) = (self.since, batch.entries.first())
            && oldest.at() < since
        {
            return None;
        }
        if let (Some(after), Some(from)) = (self.after_in(until), from)
            && after.sequence > from.sequence
        {
            if after.sequence >= until.sequence {
                return None;
            }
            missed = missed.map(|_| until.sequence - after.sequence);
        }
        // How many of the deleted events this client might have seen is unknown.
        let hides = !self.filters.is_empty() || self.since.is_some();
        Some(GapSize(missed.filter(|_| !hides)))
    }
}

/// The number of events that a reader has missed; `None` if the number is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct GapSize(pub(in crate::hub) Option<u64>);

impl GapSize {
    /// The gap for a reader that may see everything.
    pub(in crate::hub) fn of(resume: Resume) -> Option<Self> {
        match resume {
            Resume::Live | Resume::Complete => None,
            Resume::Gap { missed } => Some(Self(missed)),
            Resume::Unknown => Some(Self(None)),
        }
    }
}

impl fmt::Debug for TopicSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicSelection").field(&self.topic).finish()
    }
}

/// The types that a function for [`Subscription::snapshot`](crate::Subscription::snapshot) may return: an [`Event`], an
/// `Option` or `Vec` of them, or a `Result` of these. See
/// [`Subscription::snapshot`](crate::Subscription::snapshot)'s example.
pub trait Snapshot {
    /// The snapshot's events; none of them has an id.
    ///
    /// # Errors
    ///
    /// An error, with which the stream fails.
    fn into_events(self) -> Result<Vec<Event>, Error>;
}

impl Snapshot for Event {
    fn into_events(self) -> Result<Vec<Event>, Error> {
        Ok(vec![self])
    }
}

impl Snapshot for Option<Event> {
    fn into_events(self) -> Result<Vec<Event>, Error> {
        Ok(self.into_iter().collect())
    }
}

impl Snapshot for Vec<Event> {
    fn into_events(self) -> Result<Vec<Event>, Error> {
        Ok(self)
    }
}

impl<T: Snapshot, E: Into<Error>> Snapshot for Result<T, E> {
    fn into_events(self) -> Result<Vec<Event>, Error> {
        self.map_err(Into::into)?.into_events()
    }
}
