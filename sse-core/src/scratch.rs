//! Memory that events are built in, kept for the next one on the same thread: building an event
//! allocates nothing in the steady state, and moving one moves a pointer.

use std::cell::RefCell;

use crate::{EventId, EventName, Retry};

/// More would only be held by a thread that keeps that many unsent events at once.
const KEPT: usize = 8;
/// One huge event must not pin its size for ever.
const KEPT_CAPACITY: usize = 64 * 1024;

thread_local! {
    #[allow(clippy::vec_box, reason = "the boxes themselves are what is kept")]
    static FREE: RefCell<Vec<Box<Parts>>> = const { RefCell::new(Vec::new()) };
}

/// What an event consists of.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) name: Option<EventName>,
    pub(crate) id: Option<EventId>,
    pub(crate) retry: Option<Retry>,
    /// Complete `data` lines, each with its LF.
    pub(crate) lines: Vec<u8>,
}

/// The parts of one event, in memory that goes back to its thread's stock when dropped.
///
/// `None` only while it is being dropped.
#[derive(PartialEq, Eq)]
pub(crate) struct PooledParts(Option<Box<Parts>>);

impl PooledParts {
    pub(crate) fn take() -> Self {
        // Fails only while the thread is being torn down.
        let kept = FREE.try_with(|free| free.borrow_mut().pop());
        Self(Some(kept.ok().flatten().unwrap_or_default()))
    }

    #[inline]
    pub(crate) fn parts(&self) -> &Parts {
        static NONE: Parts = Parts {
            name: None,
            id: None,
            retry: None,
            lines: Vec::new(),
        };
        self.0.as_deref().unwrap_or(&NONE)
    }

    #[inline]
    pub(crate) fn parts_mut(&mut self) -> &mut Parts {
        self.0.get_or_insert_default()
    }
}

impl Clone for PooledParts {
    fn clone(&self) -> Self {
        let mut clone = Self::take();
        clone.parts_mut().clone_from(self.parts());
        clone
    }
}

impl Drop for PooledParts {
    fn drop(&mut self) {
        let Some(mut parts) = self.0.take() else { return };
        if parts.lines.capacity() <= KEPT_CAPACITY {
            (parts.name, parts.id, parts.retry) = (None, None, None);
            parts.lines.clear();
            let _ = FREE.try_with(|free| {
                let mut free = free.borrow_mut();
                if free.len() < KEPT {
                    free.push(parts);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Event, Frame};

    #[test]
    fn what_is_kept_holds_nothing_of_the_event_before() {
        drop(Event::data("a").event("e").id(1).retry(Duration::from_secs(1)));
        let next = Event::data("b");
        assert!(next.parts().lines.capacity() > 0);
        assert_eq!(Frame::from(next.clone()).as_ref(), b"data: b\n\n");
        assert_eq!(next, next.clone());
    }

    #[test]
    fn neither_huge_events_nor_many_are_kept() {
        drop(Event::data("x".repeat(KEPT_CAPACITY)));
        assert_eq!(FREE.with(|free| free.borrow().len()), 0);
        drop(vec![Event::data("x"); KEPT + 1]);
        assert_eq!(FREE.with(|free| free.borrow().len()), KEPT);
    }
}
