use std::{
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime},
};

/// The time of the log's callers, for work without a caller: retention of topics that are not used.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<(SystemTime, Instant)>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((SystemTime::now(), Instant::now())))
    }

    /// Stores the time of a caller.
    pub(crate) fn set(&self, now: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (now, Instant::now());
    }

    /// The time that a caller would have now.
    pub(crate) fn now(&self) -> SystemTime {
        let (then, at) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        then.checked_add(at.elapsed()).unwrap_or(then)
    }
}
