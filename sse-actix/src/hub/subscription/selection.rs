//! One topic's part in a subscription: what of it is read, and what comes first.

use std::{fmt, rc::Rc, time::SystemTime};

use actix_web::Error;
use futures_core::future::LocalBoxFuture;
use sse_actix_core::{Batch, Entry, Event, EventId, Position, Resume, TopicName};

pub(in crate::hub) struct TopicSelection {
    pub(in crate::hub) topic: TopicName,
    pub(in crate::hub) manner: Option<Box<ReadOptions>>,
}

/// What is asked for beyond everything from now on; most parts have none.
#[derive(Default)]
pub(in crate::hub) struct ReadOptions {
    pub(in crate::hub) filter: Option<Filter>,
    pub(in crate::hub) since: Option<SystemTime>,
    pub(in crate::hub) after: Option<Position>,
    pub(in crate::hub) history: Option<usize>,
    pub(in crate::hub) snapshot: Option<TakeSnapshot>,
}

pub(in crate::hub) type Filter = Box<dyn Fn(&Entry) -> bool>;

pub(in crate::hub) type TakeSnapshot =
    Rc<dyn Fn(EventId) -> LocalBoxFuture<'static, Result<Vec<Event>, Error>>>;

impl TopicSelection {
    pub(in crate::hub) fn new(topic: TopicName) -> Self {
        Self { topic, manner: None }
    }

    pub(in crate::hub) fn manner(&mut self) -> &mut ReadOptions {
        self.manner.get_or_insert_default()
    }
}

impl ReadOptions {
    /// Whether a reader may see an entry.
    pub(in crate::hub) fn shows(&self, entry: &Entry, position: Position) -> bool {
        let in_time = self.since.is_none_or(|since| entry.at() >= since);
        let in_place = self
            .after
            .is_none_or(|after| after.epoch != position.epoch || entry.sequence() > after.sequence);
        in_time && in_place && self.filter.as_ref().is_none_or(|filter| filter(entry))
    }

    /// What a reader that was at `from` is told of a gap: nothing of what it has no right to see.
    pub(in crate::hub) fn gap(&self, batch: &Batch, from: Option<Position>) -> Option<GapSize> {
        let Resume::Gap { mut missed } = batch.resume else {
            return GapSize::of(batch.resume);
        };
        let until = batch.start;
        // Nothing that came after this is gone, and all before it is none of its business.
        if let (Some(since), Some(oldest)) = (self.since, batch.entries.first())
            && oldest.at() < since
        {
            return None;
        }
        if let (Some(after), Some(from)) = (self.after, from)
            && after.epoch == until.epoch
            && after.sequence > from.sequence
        {
            if after.sequence >= until.sequence {
                return None;
            }
            missed = missed.map(|_| until.sequence - after.sequence);
        }
        // How many of the deleted events this client might have seen is unknown.
        let hides = self.filter.is_some() || self.since.is_some();
        Some(GapSize(missed.filter(|_| !hides)))
    }
}

/// How many events a reader has missed; `None` if it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct GapSize(pub(in crate::hub) Option<u64>);

impl GapSize {
    /// What a reader is told that may see everything.
    pub(in crate::hub) fn of(resume: Resume) -> Option<Self> {
        match resume {
            Resume::Live | Resume::From => None,
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

/// What a function given to [`Subscription::snapshot`](crate::Subscription::snapshot) may return: an
/// [`Event`], some or many of them, or a `Result` of these.
pub trait Snapshot {
    /// The snapshot's events, none of which has an id of its own.
    ///
    /// # Errors
    ///
    /// The stream's failure.
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
