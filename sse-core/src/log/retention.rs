use std::time::Duration;

use super::OnceWindow;

/// How many of a topic's events are kept, and for how long: the bound that is reached first deletes the oldest event.
///
/// ```
/// use std::time::Duration;
/// use sse_actix_core::{Keep, Retention};
///
/// let retention = Retention::new().max_events(100).max_age(Duration::from_secs(60));
/// assert_eq!((retention.events(), retention.bytes()), (100, 4 * 1024 * 1024));
/// assert_eq!((retention.age(), retention.keeps()), (Duration::from_secs(60), Keep::Every));
///
/// let latest = Retention::new().keep(Keep::LatestPerKey).max_bytes(1024);
/// assert_eq!((latest.bytes(), latest.keeps()), (1024, Keep::LatestPerKey));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    keep: Keep,
    events: usize,
    bytes: usize,
    age: Duration,
    once_window: OnceWindow,
}

/// Which events of a topic are kept. See [`Retention`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Every event.
    Every,
    /// The newest event of each key.
    LatestPerKey,
}

impl Retention {
    /// The defaults: every event, at most 10,000 events, 4 MiB, and one hour.
    pub const fn new() -> Self {
        Self {
            keep: Keep::Every,
            events: 10_000,
            bytes: 4 * 1024 * 1024,
            age: Duration::from_secs(3_600),
            once_window: OnceWindow::new(),
        }
    }

    /// Which events are kept. Default: every event.
    pub const fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// The most events that are kept; at least one. Default: 10,000.
    pub const fn max_events(mut self, events: usize) -> Self {
        self.events = if events == 0 { 1 } else { events };
        self
    }

    /// The most bytes of memory that the events may take. Default: 4 MiB. A single event that takes more is refused.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How old they may become. Default: one hour.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// How long idempotency keys are remembered, even if their events are deleted. Default: ten minutes, and 100,000
    /// keys. See [`OnceWindow`]'s example.
    pub const fn once_within(mut self, window: OnceWindow) -> Self {
        self.once_window = window;
        self
    }

    /// Which events are kept.
    pub const fn keeps(&self) -> Keep {
        self.keep
    }

    /// The most events that are kept.
    pub const fn events(&self) -> usize {
        self.events
    }

    /// The most bytes that they may take.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How old they may become.
    pub const fn age(&self) -> Duration {
        self.age
    }

    /// How long idempotency keys are remembered. See [`OnceWindow`]'s example.
    pub const fn once_window(&self) -> OnceWindow {
        self.once_window
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::new()
    }
}
