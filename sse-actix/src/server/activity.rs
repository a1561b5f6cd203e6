//! Counts requests in progress, and how many of them are streams.
//!
//! At a shutdown, a stream ends when it is asked to, and any other request gets time to finish. The server has to know
//! which of the two it still waits for, and actix does not expose this. So every request is counted, from its arrival
//! until actix has taken the last byte of its response.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Counts, over all workers of one server. A stream that a shutdown ends is counted twice: as a request, and as a
/// stream.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    streams: AtomicUsize,
    changed: Notify,
    is_draining: AtomicBool,
    /// Steps of progress during a drain: a client has taken 16 KiB, or a request or a stream has ended.
    progress: AtomicUsize,
    /// The number of full sockets.
    full_sockets: AtomicUsize,
}

impl Activity {
    pub(super) fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn stream_closed(&self) {
        self.count_down(&self.streams);
    }

    fn count_down(&self, count: &AtomicUsize) {
        count.fetch_sub(1, Ordering::SeqCst);
        // An end is progress, too.
        self.progress.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// From now on, bytes that clients take count as progress.
    pub(super) fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// True if a socket is full, so that bytes wait for its client.
    pub(super) fn has_full_sockets(&self) -> bool {
        self.full_sockets.load(Ordering::Relaxed) > 0
    }

    /// Waits until there was no progress for `patience`, or until `deadline`.
    pub(super) async fn until_no_progress(&self, patience: Duration, deadline: Instant) {
        // Several short sleeps: on a busy machine each takes longer than requested, so clients get more time.
        const CHECKS: u32 = 10;
        let (mut quiet, mut known) = (0, self.progress.load(Ordering::Relaxed));
        while quiet < CHECKS && Instant::now() < deadline {
            sleep_until(deadline.min(Instant::now() + patience / CHECKS)).await;
            let progress = self.progress.load(Ordering::Relaxed);
            quiet = if progress == known { quiet + 1 } else { 0 };
            known = progress;
        }
    }

    /// Waits until only streams that a shutdown ends are left. A stream that may finish counts as a request.
    pub(super) async fn until_only_streams_left(&self) {
        self.until(|counts| counts.requests.load(Ordering::SeqCst) <= counts.streams.load(Ordering::SeqCst))
            .await;
    }

    /// Waits until there are no requests in progress.
    pub(super) async fn until_idle(&self) {
        self.until(|counts| counts.requests.load(Ordering::SeqCst) == 0)
            .await;
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }
}

/// Counts one request in progress, until this is dropped.
pub(super) struct RequestGuard(Arc<Activity>);

impl RequestGuard {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(activity))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.count_down(&self.0.requests);
    }
}

/// The bytes that count as progress of one client. Clients that request little now and then do not delay the end of a
/// server.
const PROGRESS_BYTES: usize = 16 * 1024;

/// Counts the bytes that one connection's client takes while the server shuts down.
pub(super) struct ClientProgress {
    activity: Arc<Activity>,
    bytes: usize,
    is_full: bool,
}

impl ClientProgress {
    pub(super) fn new(activity: &Arc<Activity>) -> Self {
        Self {
            activity: Arc::clone(activity),
            bytes: 0,
            is_full: false,
        }
    }

    /// Notes a write to the socket.
    pub(super) fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        let is_full = written.is_pending();
        if is_full != self.is_full {
            self.is_full = is_full;
            if is_full {
                self.activity.full_sockets.fetch_add(1, Ordering::Relaxed);
            } else {
                self.activity.full_sockets.fetch_sub(1, Ordering::Relaxed);
            }
        }
        if let Poll::Ready(Ok(bytes)) = written {
            self.count_bytes(*bytes);
        }
    }

    fn count_bytes(&mut self, bytes: usize) {
        if !self.activity.is_draining.load(Ordering::Relaxed) {
            return;
        }
        self.bytes += bytes;
        if self.bytes >= PROGRESS_BYTES {
            self.bytes = 0;
            self.activity.progress.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for ClientProgress {
    fn drop(&mut self) {
        if self.is_full {
            self.activity.full_sockets.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Returns how long the wait lasts, in milliseconds, if a client makes one step of progress after each `step`.
    async fn lasts(patience: Duration, deadline: Duration, step: Duration) -> u128 {
        let activity = Arc::new(Activity::default());
        activity.begin_draining();
        let mut progress = ClientProgress::new(&activity);
        let began = Instant::now();
        let reads = async {
            loop {
                sleep(step).await;
                progress.note_write(&Poll::Ready(Ok(PROGRESS_BYTES)));
            }
        };
        tokio::select! {
            () = activity.until_no_progress(patience, began + deadline) => began.elapsed().as_millis(),
            () = reads => 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_goes_on_until_the_deadline_and_not_beyond() {
        let (long, never) = (60_000 * MILLI, 3_600_000 * MILLI);
        assert_eq!(lasts(500 * MILLI, long, never).await, 500);
        // One step, and then nothing for as long as the patience lasts.
        let last = lasts(500 * MILLI, long, 40_000 * MILLI).await;
        assert_eq!(last, 500, "the first step comes too late");
        for step in [MILLI, 49 * MILLI, 50 * MILLI, 400 * MILLI] {
            for deadline in [0, 1, 49, 1_234, 60_000] {
                let lasted = lasts(500 * MILLI, deadline * MILLI, step).await;
                assert_eq!(lasted, u128::from(deadline), "a step in {step:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn little_now_and_then_is_no_progress() {
        let activity = Arc::new(Activity::default());
        activity.begin_draining();
        let mut progress = ClientProgress::new(&activity);
        let began = Instant::now();
        let reads = async {
            loop {
                sleep(10 * MILLI).await;
                progress.note_write(&Poll::Ready(Ok(100)));
            }
        };
        let waited = activity.until_no_progress(500 * MILLI, began + 60_000 * MILLI);
        tokio::select! {
            () = waited => assert_eq!(began.elapsed(), 500 * MILLI),
            () = reads => {}
        }
    }
}
