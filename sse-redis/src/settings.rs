//! The settings of the log.

use std::time::Duration;

use sse_actix_core::Retention;

use crate::error::ConnectError;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The address of Redis, without user and password.
    pub(crate) address: String,
    pub(crate) prefix: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) publish_wait: Duration,
    pub(crate) max_pending: usize,
    pub(crate) max_pending_bytes: usize,
    pub(crate) topic_ttl: Duration,
    pub(crate) check_interval: Duration,
    pub(crate) linger: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: String::new(),
            prefix: "sse".to_owned(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            publish_wait: Duration::ZERO,
            max_pending: 10_000,
            max_pending_bytes: 64 * 1024 * 1024,
            topic_ttl: Duration::from_secs(7 * 24 * 3_600),
            check_interval: Duration::from_secs(10),
            linger: Duration::from_secs(60),
        }
    }
}

/// The longest time in calls to Redis, about 35 years, because the scripts calculate with it.
const LONGEST: u64 = 1 << 40;

impl Settings {
    /// Refuses settings that would never work.
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        for (name, is_zero, instead) in [
            (
                "connect_timeout",
                self.connect_timeout.is_zero(),
                "a time limit, such as 2 s",
            ),
            (
                "response_timeout",
                self.response_timeout.is_zero(),
                "a time limit, such as 2 s",
            ),
            (
                "check_interval",
                self.check_interval.is_zero(),
                "an interval, such as 10 s",
            ),
            (
                "max_pending",
                self.max_pending == 0,
                "a number of events, such as 10,000",
            ),
        ] {
            if is_zero {
                return Err(ConnectError::Setting { name, instead });
            }
        }
        Ok(())
    }

    /// Limits times to values with which the scripts can calculate.
    pub(crate) fn bounded(mut self) -> Self {
        let longest = Duration::from_millis(LONGEST);
        for time in [
            &mut self.connect_timeout,
            &mut self.response_timeout,
            &mut self.check_interval,
        ] {
            *time = longest.min(*time);
        }
        self
    }

    /// After how many milliseconds without an event a topic is forgotten.
    pub(crate) fn topic_ttl(&self, retention: &Retention) -> u64 {
        millis(self.topic_ttl.max(retention.age()))
    }
}

/// Milliseconds, for calls to Redis.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_may_be_set() {
        assert_eq!(millis(Duration::from_secs(2)), 2_000);
        assert_eq!(millis(Duration::MAX), 1 << 40);
    }
}
