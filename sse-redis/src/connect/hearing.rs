use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::settings::millis;

/// What this node has learned from the subscribed connection of a session.
#[derive(Debug)]
pub(crate) struct Hearing(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the session's heartbeat last arrived.
    heard: Option<Instant>,
    /// A message that arrives now was not published before this time.
    published_after: Instant,
    clock: Option<Clock>,
    /// The number of subscriptions to shard channels that this node itself is ending.
    leaving: usize,
    /// Redis has ended a subscription, because a slot has moved. Redis then sends a message that the client library
    /// mistakes for an answer. So answers on this connection prove nothing any more.
    is_cut: bool,
}

/// The clock of Redis. It showed `millis` at some time between `after` and `before`, which are times of this node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    after: Instant,
    before: Instant,
    millis: u64,
}

impl Clock {
    /// What it shows now at least.
    pub(crate) fn at_least(&self) -> u64 {
        self.millis + millis(self.before.elapsed())
    }

    /// What it shows now at most.
    pub(crate) fn at_most(&self) -> u64 {
        self.millis + millis(self.after.elapsed()) + 2
    }
}

impl Hearing {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            heard: None,
            published_after: Instant::now(),
            clock: None,
            leaving: 0,
            is_cut: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that could panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The heartbeat has arrived.
    pub(crate) fn hear(&self) {
        self.state().heard = Some(Instant::now());
    }

    /// For how long no heartbeat has arrived, if one has.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.state().heard.map(|heard| heard.elapsed())
    }

    /// The heartbeat that was sent at this time has been answered, with the clock of Redis.
    pub(crate) fn answered(&self, sent: Instant, clock: Option<u64>) {
        let mut state = self.state();
        state.published_after = sent;
        state.clock = clock.map(|millis| Clock {
            after: sent,
            before: Instant::now(),
            millis,
        });
    }

    pub(crate) fn clock(&self) -> Option<Clock> {
        self.state().clock
    }

    pub(crate) fn published_after(&self) -> Instant {
        self.state().published_after
    }

    /// This node is about to end its subscriptions to this many shard channels.
    pub(crate) fn note_unsubscribing(&self, channels: usize) {
        self.state().leaving += channels;
    }

    /// Redis has refused to end this many subscriptions.
    pub(crate) fn note_unsubscribe_refused(&self, channels: usize) {
        let mut state = self.state();
        state.leaving = state.leaving.saturating_sub(channels);
    }

    /// A subscription to a shard channel has ended. Returns true if this node did not request that.
    pub(crate) fn note_unsubscribed(&self) -> bool {
        let mut state = self.state();
        match state.leaving.checked_sub(1) {
            Some(rest) => state.leaving = rest,
            None => state.is_cut = true,
        }
        state.is_cut
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state().is_cut
    }
}
