use std::{
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime},
};

/// The time as the callers of the log have it, for work that nobody calls for: retention of topics that are not used.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<(SystemTime, Instant)>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((SystemTime::now(), Instant::now())))
    }

    /// A caller says that it is now.
    pub(crate) fn set(&self, now: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (now, Instant::now());
    }

    /// What a caller would say.
    pub(crate) fn now(&self) -> SystemTime {
        let (then, at) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        then.checked_add(at.elapsed()).unwrap_or(then)
    }
}
