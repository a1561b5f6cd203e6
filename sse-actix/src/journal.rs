//! What a stream tells whoever is on call: when it opened, when and why it ended, what it carried.

use actix_web::{Error, HttpRequest};
use tokio::time::Instant;
use tracing::{Span, span::EnteredSpan};

use crate::{control::StreamControl, extract::raw_last_event_id};

/// Why a stream ended.
#[derive(Debug)]
pub(crate) enum Reason {
    /// Its source had no more.
    Finished,
    /// Its source failed. Boxed, since every open stream has room for it.
    Failed(Box<Error>),
    /// Its `Shutdown` fired, or its handle asked for a reconnect.
    Drained,
    /// Its handle, or its tag, was ended for good.
    Ended,
    /// The client left.
    Left,
}

/// One stream's entries.
pub(crate) struct Journal {
    /// Only if somebody listens. Boxed, since else every open stream would have room for it.
    span: Option<Box<Span>>,
    opened: Instant,
    bytes: u64,
    /// Boxed, since only a stream that is over has one.
    reason: Option<Box<Reason>>,
}

impl Journal {
    pub(crate) fn open(request: &HttpRequest, control: &StreamControl) -> Self {
        // At the level of errors, so that whoever asks for these alone is told which stream they are of.
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
            reason: None,
        }
    }

    /// What is logged until the guard is dropped belongs to this stream.
    #[inline]
    pub(crate) fn enter(&self) -> Option<EnteredSpan> {
        self.span.as_deref().map(|span| span.clone().entered())
    }

    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Past the body.
    pub(crate) fn also_wrote(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(crate) fn end(&mut self, reason: Reason) {
        self.reason = Some(Box::new(reason));
    }

    /// The last entry, to be written after the last byte.
    pub(crate) fn close(&self, events: u64) {
        let bytes = self.bytes;
        let parent = self.span.as_deref().and_then(Span::id);
        let duration = self.opened.elapsed();
        let reason = match self.reason.as_deref() {
            Some(Reason::Failed(error)) => {
                tracing::error!(
                    target: "sse_actix", parent: parent, reason = "failed", %error, ?duration, events, bytes, "stream ended"
                );
                return;
            }
            Some(Reason::Finished) => "finished",
            Some(Reason::Drained) => "drained",
            Some(Reason::Ended) => "ended",
            Some(Reason::Left) | None => "left",
        };
        tracing::info!(target: "sse_actix", parent: parent, reason, ?duration, events, bytes, "stream ended");
    }
}
