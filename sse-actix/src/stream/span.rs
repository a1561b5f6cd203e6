//! What a stream logs: when it opened, when and why it ended, what it carried.

use std::{
    any::Any,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_web::{Error, HttpRequest};
use tokio::time::Instant;
use tracing::{Span, span::EnteredSpan};

use crate::{extract::raw_last_event_id, lifecycle::control::StreamControl};

/// Why a stream ended.
#[derive(Debug)]
pub(crate) enum LoggedEnd {
    /// Its source had no more.
    Finished,
    /// Its source failed. Boxed, since every open stream has room for it.
    Failed(Box<Error>),
    /// Its source panicked, with this message.
    Panicked(String),
    /// Its `Shutdown` fired, or its handle asked for a reconnect.
    Drained,
    /// Its handle, or its tag, was ended for good.
    Ended,
    /// It was plain, so its client cannot resume, and something other than its source ended it: this.
    Aborted(&'static str),
    /// The client left.
    Left,
}

/// How many streams this process has opened, and how they have ended. See [`stream_counts`]'s example.
///
/// The fields are the reasons that the log names for an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamCounts {
    /// Streams whose head has left.
    pub opened: u64,
    /// The function returned, or the `Stream` ended.
    pub finished: u64,
    /// It returned an error, or an event could not be encoded.
    pub failed: u64,
    /// It panicked, before or after its head has left.
    pub panicked: u64,
    /// A shutdown, or [`Ending::Reconnect`](crate::Ending::Reconnect).
    pub drained: u64,
    /// [`Ending::Final`](crate::Ending::Final), or a revocation.
    pub ended: u64,
    /// A [plain](crate::Sse::plain) stream that something other than its function has ended.
    pub aborted: u64,
    /// The client has gone.
    pub left: u64,
}

struct Counters {
    opened: AtomicU64,
    finished: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    drained: AtomicU64,
    ended: AtomicU64,
    aborted: AtomicU64,
    left: AtomicU64,
}

static COUNTERS: Counters = Counters {
    opened: AtomicU64::new(0),
    finished: AtomicU64::new(0),
    failed: AtomicU64::new(0),
    panicked: AtomicU64::new(0),
    drained: AtomicU64::new(0),
    ended: AtomicU64::new(0),
    aborted: AtomicU64::new(0),
    left: AtomicU64::new(0),
};

/// How many streams this process has opened since it began, and how they have ended, for metrics.
///
/// ```
/// use actix_web::test::TestRequest;
/// use sse_actix::{sse_stream, stream_counts, test};
///
/// #[sse_stream]
/// async fn hello() {
///     emit!("hello");
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), actix_web::Error> {
/// let before = stream_counts();
/// test::respond(hello().await?, TestRequest::get()).collect().await;
/// let after = stream_counts();
/// assert_eq!((after.opened - before.opened, after.finished - before.finished), (1, 1));
/// # Ok(())
/// # }
/// ```
pub fn stream_counts() -> StreamCounts {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    StreamCounts {
        opened: read(&COUNTERS.opened),
        finished: read(&COUNTERS.finished),
        failed: read(&COUNTERS.failed),
        panicked: read(&COUNTERS.panicked),
        drained: read(&COUNTERS.drained),
        ended: read(&COUNTERS.ended),
        aborted: read(&COUNTERS.aborted),
        left: read(&COUNTERS.left),
    }
}

#[cfg(feature = "metrics")]
fn report() {
    use ::metrics::{counter, gauge};

    let counts = stream_counts();
    let ended = [
        ("finished", counts.finished),
        ("failed", counts.failed),
        (
            "panicked",
            counts
                .panicked
                .saturating_sub(PANICKED_BEFORE_HEAD.load(Ordering::Relaxed)),
        ),
        ("drained", counts.drained),
        ("ended", counts.ended),
        ("aborted", counts.aborted),
        ("left", counts.left),
    ];
    let all: u64 = ended.iter().map(|(_, streams)| streams).sum();
    #[expect(clippy::cast_precision_loss, reason = "no process has so many streams")]
    gauge!("sse_streams_open").set(counts.opened.saturating_sub(all) as f64);
    counter!("sse_streams_opened_total").absolute(counts.opened);
    for (reason, streams) in ended {
        counter!("sse_streams_ended_total", "reason" => reason).absolute(streams);
    }
    counter!("sse_panics_total")
        .absolute(counts.panicked + crate::metrics::WORKER_PANICS.load(Ordering::Relaxed));
}

/// Panics of handlers whose streams never opened: they are in `panicked`, and not in `opened`.
#[cfg(feature = "metrics")]
static PANICKED_BEFORE_HEAD: AtomicU64 = AtomicU64::new(0);

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Tells of a handler that panicked before its head has left. Its request is not answered.
pub(crate) fn panicked_before_the_head(handler: &str, panic: &(dyn Any + Send)) {
    count(&COUNTERS.panicked);
    #[cfg(feature = "metrics")]
    count(&PANICKED_BEFORE_HEAD);
    let message = panic_message(panic);
    tracing::error!(
        target: "sse_actix", handler, reason = "panicked", error = message, "stream ended before its head"
    );
}

/// What a panic says.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// One stream's entries.
pub(crate) struct StreamSpan {
    /// `None` if no subscriber of `tracing` wants it. Boxed, so that other streams have no room for it.
    span: Option<Box<Span>>,
    opened: Instant,
    bytes: u64,
    #[cfg(feature = "metrics")]
    counted_events: u64,
    /// Boxed, since only a stream that is over has one.
    reason: Option<Box<LoggedEnd>>,
}

impl StreamSpan {
    pub(crate) fn open(request: &HttpRequest, control: &StreamControl) -> Self {
        count(&COUNTERS.opened);
        #[cfg(feature = "metrics")]
        {
            static REPORTS: std::sync::Once = std::sync::Once::new();
            REPORTS.call_once(|| crate::metrics::on_report(report));
        }
        // At the level of errors, so that a log of errors alone still says which stream they belong to.
        let span = tracing::error_span!(target: "sse_actix", parent: None, "sse", stream = control.id(), path = request.path());
        tracing::debug!(
            target: "sse_actix",
            parent: &span,
            peer = request.peer_addr().map(tracing::field::display),
            version = ?request.version(),
            last_event_id = raw_last_event_id(request).map(|id| id.escape_ascii().to_string()),
            "stream opened"
        );
        Self {
            span: (!span.is_disabled()).then(|| Box::new(span)),
            opened: Instant::now(),
            bytes: 0,
            #[cfg(feature = "metrics")]
            counted_events: 0,
            reason: None,
        }
    }

    /// What is logged until the guard is dropped belongs to this stream.
    #[inline]
    pub(crate) fn enter(&self) -> Option<EnteredSpan> {
        self.span.as_deref().map(|span| span.clone().entered())
    }

    /// A chunk of so many bytes was handed to the connection, and with it all `events` that the stream has had so far.
    #[inline]
    pub(crate) fn note_write(&mut self, bytes: usize, events: u64) {
        self.bytes += bytes as u64;
        #[cfg(feature = "metrics")]
        {
            crate::metrics::sent(events - self.counted_events, bytes as u64);
            self.counted_events = events;
        }
        #[cfg(not(feature = "metrics"))]
        let _ = events;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.reason.is_some()
    }

    pub(crate) fn end(&mut self, reason: LoggedEnd) {
        self.reason = Some(Box::new(reason));
    }

    /// The last entry, to be written after the last byte.
    pub(crate) fn close(&self, events: u64) {
        let bytes = self.bytes;
        let parent = self.span.as_deref().and_then(Span::id);
        let duration = self.opened.elapsed();
        let (counter, reason) = match self.reason.as_deref() {
            Some(LoggedEnd::Failed(error)) => {
                count(&COUNTERS.failed);
                tracing::error!(
                    target: "sse_actix", parent: parent, reason = "failed", %error, ?duration, events, bytes, "stream ended"
                );
                return;
            }
            Some(LoggedEnd::Panicked(error)) => {
                count(&COUNTERS.panicked);
                tracing::error!(
                    target: "sse_actix", parent: parent, reason = "panicked", error, ?duration, events, bytes, "stream ended"
                );
                return;
            }
            Some(LoggedEnd::Finished) => (&COUNTERS.finished, "finished"),
            Some(LoggedEnd::Drained) => (&COUNTERS.drained, "drained"),
            Some(LoggedEnd::Ended) => (&COUNTERS.ended, "ended"),
            Some(LoggedEnd::Aborted(why)) => (&COUNTERS.aborted, *why),
            Some(LoggedEnd::Left) | None => (&COUNTERS.left, "left"),
        };
        count(counter);
        tracing::info!(target: "sse_actix", parent: parent, reason, ?duration, events, bytes, "stream ended");
    }
}
