//! When a topic's snapshot may be taken again.

use std::{fmt, future::Future as _, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a reader waits at least before it takes another snapshot.
const SHORTEST: Duration = Duration::from_millis(500);

/// And at most.
const LONGEST: Duration = Duration::from_secs(30);

/// Spaces a reader's snapshots. Where retention is shorter than a snapshot takes, the log has deleted events after each one
/// again. A reader that took one snapshot after another would never show a live event.
#[derive(Default)]
pub(in crate::hub) struct SnapshotBackoff {
    /// Not before this time, which is so long after the last snapshot.
    next: Option<(Instant, Duration)>,
    /// Events are missing since the last snapshot, and the reader waits for the next.
    pending: Option<Pin<Box<Sleep>>>,
}

impl SnapshotBackoff {
    pub(in crate::hub) fn is_allowed(&self) -> bool {
        self.next.is_none_or(|(at, _)| Instant::now() >= at)
    }

    /// A snapshot is taken now. The wait for the next one doubles if this one follows soon after the last.
    pub(in crate::hub) fn started(&mut self) {
        let now = Instant::now();
        let pause = match self.next {
            Some((at, pause)) if now < at + pause => (pause * 2).min(LONGEST),
            _ => SHORTEST,
        };
        *self = Self {
            next: Some((now + pause, pause)),
            pending: None,
        };
    }

    /// The client has the snapshot. The wait for the next one counts from now, however long this one took.
    pub(in crate::hub) fn delivered(&mut self) {
        if let Some((at, pause)) = &mut self.next {
            *at = Instant::now() + *pause;
        }
    }

    pub(in crate::hub) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// A snapshot is needed that may not be taken yet.
    pub(in crate::hub) fn request(&mut self) {
        if let (None, Some((at, _))) = (&self.pending, self.next) {
            self.pending = Some(Box::pin(sleep_until(at)));
        }
    }

    /// Returns whether a snapshot that is pending may be taken now; if not, the task is woken when it may.
    pub(in crate::hub) fn poll_due(&mut self, cx: &mut Context<'_>) -> bool {
        self.pending
            .as_mut()
            .is_some_and(|pending| pending.as_mut().poll(cx).is_ready())
    }
}

impl fmt::Debug for SnapshotBackoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotBackoff")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
