//! Rate limit for repeated log lines (tracing).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The default pause between two equal log lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Allows one log line for each pause and counts the others. Otherwise, clients could fill the log with requests.
#[derive(Debug)]
pub(crate) struct TracingLimit {
    began: Instant,
    pause: Duration,
    /// The earliest time of the next line, in milliseconds since `began`.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl TracingLimit {
    /// One line a second.
    pub(crate) fn new() -> Self {
        Self::once_in(PAUSE)
    }

    pub(crate) fn once_in(pause: Duration) -> Self {
        Self {
            began: Instant::now(),
            pause,
            next: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// `Some` if a line may be written, with the number of lines that were left out since the last one.
    pub(crate) fn take(&self) -> Option<u64> {
        self.take_at(self.began.elapsed())
    }

    fn take_at(&self, now: Duration) -> Option<u64> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (now, then) = (millis(now), millis(now.saturating_add(self.pause)));
        let next = self.next.load(Ordering::Relaxed);
        let may_write = now >= next
            && self
                .next
                .compare_exchange(next, then, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if may_write {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn one_line_a_second_with_the_number_of_the_others() {
        let limit = TracingLimit::new();
        let at = |millis| limit.take_at(Duration::from_millis(millis));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(999)), (None, None));
        assert_eq!(at(1_000), Some(2));
        assert_eq!(at(5_000), Some(0));
    }

    #[test]
    fn one_line_a_minute_if_it_is_asked_for() {
        let limit = TracingLimit::once_in(Duration::from_secs(60));
        let at = |millis| limit.take_at(Duration::from_millis(millis));
        assert_eq!((at(0), at(59_999)), (Some(0), None));
        assert_eq!((at(60_000), at(119_999)), (Some(1), None));
        assert_eq!(at(120_000), Some(1));
    }

    #[test]
    fn none_is_counted_twice_and_none_is_forgotten() {
        let limit = TracingLimit::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        assert!(limit.take_at(Duration::ZERO).is_none_or(|before| before < 4_000));
                    }
                });
            }
        });
        assert_eq!(limit.take_at(PAUSE), Some(3_999));
    }
}
