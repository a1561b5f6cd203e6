//! Decides when a topic's snapshot may be taken again.

use std::{fmt, future::Future as _, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// The shortest wait of a reader before its next snapshot.
const SHORTEST: Duration = Duration::from_millis(500);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Spaces out a reader's snapshots. If retention is shorter than the time that a snapshot takes, the log has deleted
/// events again after each snapshot. A reader that took one snapshot after another would never send a live event.
#[derive(Default)]
pub(in crate::hub) struct SnapshotBackoff {
    /// The earliest time of the next snapshot, and the wait after the last one.
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

    /// Notes that a snapshot is needed, but may not be taken yet.
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
