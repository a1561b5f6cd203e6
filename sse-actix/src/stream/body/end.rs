//! How a stream ends: its last bytes, whether it is aborted after them, and what the log says.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use actix_web::Error;
use sse_actix_core::{Frame, Retry, end_frame};

use super::{COMMENT, StreamGuards};
use crate::{
    lifecycle::{
        control::{Cause, EndState},
        ending::{Ending, StreamError},
    },
    stream::{buffer::EventBuffer, options::OnError, source::SourceResult, span::Reason},
};

/// How a source came to its end by itself.
pub(super) enum SourceEnd {
    Returned(SourceResult),
    /// With this message.
    Panicked(String),
}

/// What a stream's author has chosen for its end.
pub(super) struct EndPolicy {
    pub(super) finite: bool,
    pub(super) resume: bool,
    pub(super) on_error: Option<OnError>,
}

/// Pushes a stream's last bytes. Returns whether it is aborted after them, and why it has ended.
pub(super) fn end(
    finish: Option<SourceEnd>,
    end_state: EndState,
    policy: &EndPolicy,
    guards: &StreamGuards,
    buffer: &EventBuffer,
) -> (bool, Reason) {
    // A source that has ended because the hub has sent its reader away has not finished.
    let sent_away = guards.control.retry().is_some();
    match finish {
        Some(SourceEnd::Panicked(message)) => (true, Reason::Panicked(message)),
        Some(SourceEnd::Returned(Ok(()))) if !sent_away => {
            if policy.finite && !guards.plain {
                buffer.push_uncounted(&end_frame("finished", None));
            }
            (false, Reason::Finished)
        }
        Some(SourceEnd::Returned(Err(error))) => {
            if let Some(on_error) = policy.on_error {
                push_error_event(on_error, &error, buffer);
            } else if !guards.plain && !policy.resume {
                let shown = error.as_error::<StreamError>().map(StreamError::message);
                buffer.push_uncounted(&end_frame("failed", shown));
            }
            (guards.plain, Reason::Failed(error))
        }
        Some(SourceEnd::Returned(Ok(()))) | None => end_from_outside(end_state, guards, buffer),
    }
}

/// As [`end`], where something other than the source ends the stream.
fn end_from_outside(end_state: EndState, guards: &StreamGuards, buffer: &EventBuffer) -> (bool, Reason) {
    match end_state {
        EndState::ConnectionLost => {
            // HTTP/2 drops the body quietly when it has something to write and nobody to write to; an
            // end it would report as an error.
            buffer.push_uncounted(&COMMENT);
            (false, Reason::Left)
        }
        EndState::Revoked | EndState::Reauthenticate if guards.plain => (true, Reason::Aborted("revoked")),
        EndState::End(Ending::Final) if guards.plain => (true, Reason::Aborted("ended")),
        _ if guards.plain => {
            let cause = guards.control.cause().map_or("drained", Cause::as_str);
            (true, Reason::Aborted(cause))
        }
        EndState::End(Ending::Final) | EndState::Revoked => {
            buffer.push_uncounted(&end_frame("ended", None));
            (false, Reason::Ended)
        }
        EndState::Running
        | EndState::End(Ending::Reconnect)
        | EndState::Reauthenticate
        | EndState::OutOfTime => {
            buffer.push_uncounted(&Frame::retry(retry_at_end(guards)));
            (false, Reason::Drained)
        }
    }
}

/// After how long the client comes back.
fn retry_at_end(guards: &StreamGuards) -> Retry {
    match (guards.control.retry(), &guards.registration) {
        (Some(retry), _) => retry,
        (None, Some(registration)) => registration.shutdown().jittered_retry(),
        // Ended by its own handle, without a `Shutdown` that could have a range.
        (None, None) => Retry::from(Duration::from_millis(fastrand::u64(1_000..=5_000))),
    }
}

/// Pushes what an author shows of an error.
fn push_error_event(on_error: OnError, error: &Error, buffer: &EventBuffer) {
    if catch_unwind(AssertUnwindSafe(|| buffer.push(on_error(error)))).is_err() {
        tracing::error!(target: "sse_actix", "`on_error` panicked: the client is not told of the failure");
    }
}
