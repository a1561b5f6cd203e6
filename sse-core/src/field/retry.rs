use std::{error::Error, fmt, time::Duration};

/// How long a browser waits before it reconnects: the
/// [`retry`](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)
/// field. Whole milliseconds on the wire; fractions are cut off.
///
/// It is always between [`Retry::MIN`] and [`Retry::MAX`]. `Retry::new` refuses other times; `From<Duration>` takes the
/// nearest allowed time.
///
/// ```
/// use std::time::Duration;
/// use sse_actix_core::Retry;
///
/// assert_eq!(Retry::new(Duration::from_secs(3))?.as_millis(), 3_000);
/// assert!(Retry::new(Duration::from_millis(1)).is_err());
/// assert_eq!(Retry::from(Duration::ZERO), Retry::MIN);
/// # Ok::<(), sse_actix_core::RetryError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Retry(u32);

impl Retry {
    /// 100 ms. With `retry: 1`, a browser reconnects several hundred times a second if a stream ends at once.
    pub const MIN: Self = Self(100);

    /// 2^31 - 1 ms, about 25 days. Larger values wrap around to half a second in Firefox.
    pub const MAX: Self = Self(0x7FFF_FFFF);

    /// Checks a duration.
    ///
    /// # Errors
    ///
    /// [`RetryError`] if it is shorter than [`Retry::MIN`] or longer than [`Retry::MAX`].
    pub const fn new(duration: Duration) -> Result<Self, RetryError> {
        let millis = duration.as_millis();
        if millis < Self::MIN.0 as u128 || millis > Self::MAX.0 as u128 {
            return Err(RetryError { duration });
        }
        #[allow(clippy::cast_possible_truncation, reason = "compared with MAX above")]
        Ok(Self(millis as u32))
    }

    /// From a literal number of milliseconds. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If it lies outside of 100 to 2,147,483,647. `Retry::new(duration)` is fallible instead.
    #[track_caller]
    pub const fn from_millis(millis: u32) -> Self {
        assert!(
            millis >= Self::MIN.0 && millis <= Self::MAX.0,
            "a retry time must lie between 100 and 2147483647 milliseconds"
        );
        Self(millis)
    }

    /// The time in milliseconds, as it is sent.
    pub const fn as_millis(self) -> u32 {
        self.0
    }
}

impl From<Duration> for Retry {
    fn from(duration: Duration) -> Self {
        Self::new(duration).unwrap_or(if duration < Duration::from(Self::MIN) {
            Self::MIN
        } else {
            Self::MAX
        })
    }
}

impl From<Retry> for Duration {
    fn from(retry: Retry) -> Self {
        Self::from_millis(retry.0.into())
    }
}

/// A reconnection time that is too short or too long for browsers.
///
/// ```
/// use std::time::Duration;
/// use sse_actix_core::Retry;
///
/// assert_eq!(
///     Retry::new(Duration::from_millis(50)).unwrap_err().to_string(),
///     "a retry time of 50ms is not between 100 ms and 2147483647 ms (about 25 days)",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryError {
    duration: Duration,
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a retry time of {:?} is not between 100 ms and 2147483647 ms (about 25 days)",
            self.duration
        )
    }
}

impl Error for RetryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_hold_and_fractions_are_cut_off() {
        assert_eq!(
            Retry::new(Duration::from_micros(100_900)).unwrap().as_millis(),
            100
        );
        assert!(Retry::new(Duration::from_micros(99_999)).is_err());
        assert!(Retry::new(Duration::from_millis(1 << 31)).is_err());
        assert_eq!(Retry::from(Duration::MAX), Retry::MAX);
        assert_eq!(
            Retry::new(Duration::ZERO).unwrap_err().to_string(),
            "a retry time of 0ns is not between 100 ms and 2147483647 ms (about 25 days)"
        );
    }
}
