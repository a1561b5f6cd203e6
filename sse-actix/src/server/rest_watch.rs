//! Watches whether a client takes the rest of its stream. Once a stream has ended, its hub no longer looks at it, so
//! its connection does.

use std::{
    cell::Cell,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// How many bytes a client has to take in each second of `stall_timeout`, to count as reading. Otherwise a client that
/// takes a byte now and then would keep a large event in memory, and its place in the limits, for ever.
const BYTES_PER_SECOND: usize = 2 * 1024;

/// The number of bytes that a client has to take within a time.
pub(crate) fn min_bytes_read(within: Duration) -> usize {
    let seconds = usize::try_from(within.as_secs()).unwrap_or(usize::MAX);
    BYTES_PER_SECOND.saturating_mul(seconds.max(1))
}

/// The time within which the client of an ended stream has to take [so many](min_bytes_read) bytes, in milliseconds;
/// 0 while the stream has not ended.
#[derive(Default)]
pub(super) struct Patience(Cell<u32>);

impl Patience {
    pub(super) fn set(&self, patience: Duration) {
        let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        self.0.set(millis.max(1));
    }

    pub(super) fn get(&self) -> Option<Duration> {
        let millis = Some(self.0.get()).filter(|millis| *millis > 0);
        millis.map(|millis| Duration::from_millis(millis.into()))
    }
}

/// The watch of a client that has to take the rest.
pub(super) struct RestWatch {
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// How many bytes it has taken since the timer was set.
    taken: usize,
}

impl RestWatch {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            timer: Box::pin(sleep(patience)),
            taken: 0,
        }
    }

    pub(super) fn note_taken(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
    }

    /// Ready when the client has taken too little.
    pub(super) fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if mem::take(&mut self.taken) < min_bytes_read(self.patience) {
                return Poll::Ready(());
            }
            self.timer = Box::pin(sleep(self.patience));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_takes_enough_has_as_long_as_it_wants() {
        let patience = Duration::from_secs(3);
        let mut watch = RestWatch::new(patience);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(watch.poll_stalled(&mut cx).is_pending());
            tokio::time::advance(patience).await;
            watch.note_taken(6 * 1024);
        }
        assert!(watch.poll_stalled(&mut cx).is_pending());
        tokio::time::advance(patience).await;
        watch.note_taken(6 * 1024 - 1);
        assert!(watch.poll_stalled(&mut cx).is_ready());
    }

    #[test]
    fn a_patience_of_any_length_is_one() {
        let patience = Patience::default();
        assert_eq!(patience.get(), None);
        patience.set(Duration::ZERO);
        assert_eq!(patience.get(), Some(Duration::from_millis(1)));
        patience.set(Duration::MAX);
        assert_eq!(patience.get(), Some(Duration::from_millis(u32::MAX.into())));
    }
}
