//! How much is still going on: requests, and how many of these are streams.
//!
//! A stream ends when it is told to; any other request is given its time. At shutdown the server has
//! to know which of them it still waits for, and actix does not say. So every request is counted,
//! from its arrival until the last byte of its response has been handed over.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts, over all workers of one server.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    requests: AtomicUsize,
    streams: AtomicUsize,
    changed: Notify,
}

impl Activity {
    pub(super) fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn stream_closed(&self) {
        self.less(&self.streams);
    }

    fn less(&self, count: &AtomicUsize) {
        count.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until only streams are left that a shutdown ends. A stream that may finish counts as a request.
    pub(super) async fn until_only_streams(&self) {
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
        self.0.less(&self.0.requests);
    }
}
