use std::time::{Duration, SystemTime};

use super::Position;

/// The result of an append. See [`Record::once`](crate::Record::once)'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The record's position; for a repetition, the position of the first record with its key.
    pub position: Position,
    /// True if a record with the same [`IdempotencyKey`](crate::IdempotencyKey) had been appended within the
    /// [window](OnceWindow). Then nothing was appended, and the first record is kept, even if this one differs.
    pub repeated: bool,
}

/// How long a topic's log remembers the [`IdempotencyKey`](crate::IdempotencyKey)s of appended records. Whichever bound
/// is reached first makes it forget the oldest key. This does not depend on how long the events are kept. A key that is
/// not remembered counts as new.
///
/// ```
/// use std::time::Duration;
/// use sse_actix_core::{OnceWindow, Retention};
///
/// let window = OnceWindow::new().max_age(Duration::from_secs(3_600)).max_keys(1_000);
/// let retention = Retention::new().max_events(1).once_within(window);
/// assert_eq!(retention.once_window().age(), Duration::from_secs(3_600));
/// assert_eq!(retention.once_window().keys(), 1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct OnceWindow {
    age: Duration,
    keys: usize,
}

impl OnceWindow {
    /// The defaults: ten minutes, and 100,000 keys.
    pub const fn new() -> Self {
        Self {
            age: Duration::from_secs(600),
            keys: 100_000,
        }
    }

    /// How long a key is remembered, counted from its first append: a repetition does not prolong the time. Choose more
    /// than the time during which publishers retry. Default: ten minutes.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// How many keys of a topic are remembered: the newest ones, and at least one. Default: 100,000.
    pub const fn max_keys(mut self, keys: usize) -> Self {
        self.keys = if keys == 0 { 1 } else { keys };
        self
    }

    /// How long a key is remembered.
    pub const fn age(&self) -> Duration {
        self.age
    }

    /// How many keys of a topic are remembered.
    pub const fn keys(&self) -> usize {
        self.keys
    }
}

impl Default for OnceWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// Statistics of a topic's [`IdempotencyKey`](crate::IdempotencyKey)s, as far as this process knows them. All zero if
/// no key was used. See [`reach`](Self::reach)'s example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnceStats {
    /// Keys that are remembered.
    pub keys: usize,
    /// Their approximate memory in bytes.
    pub bytes: usize,
    /// A bound other than [`age`](OnceWindow::age) can make the log forget a key. This is the append time of the newest
    /// key that was forgotten so. All later keys within the window are remembered. `None` if there was no such key.
    pub cut_at: Option<SystemTime>,
}

impl OnceStats {
    /// How far back all keys are remembered: for the window's age, or less if another bound has made the log forget a
    /// key.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sse_actix_core::{OnceStats, OnceWindow};
    ///
    /// let (window, now) = (OnceWindow::new(), SystemTime::UNIX_EPOCH + Duration::from_secs(10_000));
    /// let mut stats = OnceStats::default();
    /// assert_eq!(stats.reach(window, now), Duration::from_secs(600));
    ///
    /// stats.cut_at = Some(now - Duration::from_secs(20));
    /// assert_eq!(stats.reach(window, now), Duration::from_secs(20));
    /// ```
    pub fn reach(&self, window: OnceWindow, now: SystemTime) -> Duration {
        let since_cut = self.cut_at.map_or(Duration::MAX, |cut_at| {
            now.duration_since(cut_at).unwrap_or_default()
        });
        since_cut.min(window.age())
    }
}
