//! Ends a stream: writes its last bytes, decides whether it is aborted after them, and what is logged.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use actix_web::Error;
use sse_actix_core::{Frame, Retry, end_frame};

use super::{COMMENT, StreamGuards};
use crate::{
    lifecycle::{
        control::{EndCause, EndRequest},
        ending::{Ending, StreamError},
    },
    stream::{buffer::EventBuffer, options::OnError, source::SourceResult, span::LoggedEnd},
};

/// How a source has ended by itself.
pub(super) enum SourceOutcome {
    Returned(SourceResult),
    /// With this message.
    Panicked(String),
}

/// The author's choices for the end of a stream.
pub(super) struct EndPolicy {
    pub(super) finite: bool,
    pub(super) resume: bool,
    pub(super) on_error: Option<OnError>,
}

/// Pushes a stream's last bytes. Returns whether it is aborted after them, and the reason of the end.
pub(super) fn end(
    source_outcome: Option<SourceOutcome>,
    end_request: EndRequest,
    policy: &EndPolicy,
    guards: &StreamGuards,
    buffer: &EventBuffer,
) -> (bool, LoggedEnd) {
    // If the hub ended the stream, this is not a normal finish, although the source returned `Ok`.
    let ended_by_hub = guards.control.retry().is_some();
    match source_outcome {
        Some(SourceOutcome::Panicked(message)) => (true, LoggedEnd::Panicked(message)),
        Some(SourceOutcome::Returned(Ok(()))) if !ended_by_hub => {
            if policy.finite && !guards.plain {
                buffer.push_uncounted(&end_frame("finished", None));
            }
            (false, LoggedEnd::Finished)
        }
        Some(SourceOutcome::Returned(Err(error))) => {
            if let Some(on_error) = policy.on_error {
                push_error_event(on_error, &error, buffer);
            } else if !guards.plain && !policy.resume {
                let shown = error.as_error::<StreamError>().map(StreamError::message);
                buffer.push_uncounted(&end_frame("failed", shown));
            }
            (guards.plain, LoggedEnd::Failed(error))
        }
        Some(SourceOutcome::Returned(Ok(()))) | None => end_from_outside(end_request, guards, buffer),
    }
}

/// Like [`end`], if something other than the source ends the stream.
fn end_from_outside(
    end_request: EndRequest,
    guards: &StreamGuards,
    buffer: &EventBuffer,
) -> (bool, LoggedEnd) {
    match end_request {
        EndRequest::ConnectionLost => {
            // On a lost HTTP/2 connection, h2 drops the body silently if there are bytes to send, but reports an error
            // if the body ends. So the body gets a comment.
            buffer.push_uncounted(&COMMENT);
            (false, LoggedEnd::Left)
        }
        EndRequest::Revoked | EndRequest::Reauthenticate if guards.plain => {
            (true, LoggedEnd::Aborted("revoked"))
        }
        EndRequest::End(Ending::Final) if guards.plain => (true, LoggedEnd::Aborted("ended")),
        _ if guards.plain => {
            let cause = guards.control.cause().map_or("drained", EndCause::as_str);
            (true, LoggedEnd::Aborted(cause))
        }
        EndRequest::End(Ending::Final) | EndRequest::Revoked => {
            buffer.push_uncounted(&end_frame("ended", None));
            (false, LoggedEnd::Ended)
        }
        EndRequest::None
        | EndRequest::End(Ending::Reconnect)
        | EndRequest::Reauthenticate
        | EndRequest::OutOfTime => {
            buffer.push_uncounted(&Frame::retry(retry_at_end(guards)));
            (false, LoggedEnd::Drained)
        }
    }
}

/// The reconnection time at the end.
fn retry_at_end(guards: &StreamGuards) -> Retry {
    match (guards.control.retry(), &guards.registration) {
        (Some(retry), _) => retry,
        (None, Some(registration)) => registration.shutdown().jittered_retry(),
        // Ended through its own handle, without a `Shutdown` that could have a range.
        (None, None) => Retry::from(Duration::from_millis(fastrand::u64(1_000..=5_000))),
    }
}

/// Pushes the event that `on_error` makes of an error.
fn push_error_event(on_error: OnError, error: &Error, buffer: &EventBuffer) {
    if catch_unwind(AssertUnwindSafe(|| buffer.push(on_error(error)))).is_err() {
        tracing::error!(target: "sse_actix", "`on_error` panicked: the client gets no event about the failure");
    }
}
