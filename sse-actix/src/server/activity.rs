//! How much is still going on: requests, and how many of these are streams.
//!
//! A stream ends when it is told to; any other request is given its time. At shutdown the server has
//! to know which of them it still waits for, and actix does not say. So every request is counted,
//! from its arrival until the last byte of its response has been handed over.

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
    time::{Instant, sleep},
};

/// Counts, over all workers of one server. A stream that a shutdown ends is counted twice: as a request, and as a stream.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    streams: AtomicUsize,
    changed: Notify,
    is_draining: AtomicBool,
    /// Steps of progress while draining: a client has taken 16 KiB, a request has ended, or a stream has.
    progress: AtomicUsize,
    /// Sockets that are full.
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
        // What ends is progress, too.
        self.progress.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// From now on what clients take counts as progress.
    pub(super) fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether something waits for a client to take it.
    pub(super) fn has_full_sockets(&self) -> bool {
        self.full_sockets.load(Ordering::Relaxed) > 0
    }

    /// Waits until there was no progress for as long as `patience`, or until `deadline`.
    pub(super) async fn until_no_progress(&self, patience: Duration, deadline: Instant) {
        // A busy machine sleeps longer, so its clients have longer.
        const LOOKS: u32 = 10;
        let (mut quiet, mut known) = (0, self.progress.load(Ordering::Relaxed));
        while quiet < LOOKS && Instant::now() < deadline {
            sleep(patience / LOOKS).await;
            let progress = self.progress.load(Ordering::Relaxed);
            quiet = if progress == known { quiet + 1 } else { 0 };
            known = progress;
        }
    }

    /// Waits until only streams are left that a shutdown ends. A stream that may finish counts as a request.
    pub(super) async fn until_only_streams_left(&self) {
        self.until(|counts| counts.requests.load(Ordering::SeqCst) <= counts.streams.load(Ordering::SeqCst))
            .await;
    }

    /// Waits until nothing is going on.
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

/// One request on its way.
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

/// What counts as progress of one client. Clients that ask for little now and then do not hold up the end of a server.
const PROGRESS_BYTES: usize = 16 * 1024;

/// What one connection's client takes while the server shuts down.
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

    /// The socket has been written to.
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
