//! How a stream ends: its last bytes, whether it is aborted after them, and what the log says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::Error;
use sse_actix_core::{Frame, end_frame};

use super::{COMMENT, Links};
use crate::{
    lifecycle::{
        control::{Cause, Verdict},
        ending::{Ending, StreamError},
    },
    stream::{buffer::Outbox, options::OnError, source::Outcome, span::Reason},
};

/// How a source came to its end by itself.
pub(super) enum Finish {
    Returned(Outcome),
    /// With this message.
    Panicked(String),
}

/// What a stream's author has chosen for its end.
pub(super) struct Wishes {
    pub(super) finite: bool,
    pub(super) resume: bool,
    pub(super) on_error: Option<OnError>,
}

/// Pushes a stream's last bytes. Whether it is aborted after them, and why it has ended.
pub(super) fn end(
    finish: Option<Finish>,
    verdict: Verdict,
    wishes: &Wishes,
    links: &Links,
    outbox: &Outbox,
) -> (bool, Reason) {
    // A source that has ended because the hub has sent its reader away has not finished.
    let sent_away = links.control.retry().is_some();
    match finish {
        Some(Finish::Panicked(message)) => (true, Reason::Panicked(message)),
        Some(Finish::Returned(Ok(()))) if !sent_away => {
            if wishes.finite && !links.plain {
                outbox.push_raw(&end_frame("finished", None));
            }
            (false, Reason::Finished)
        }
        Some(Finish::Returned(Err(error))) => {
            if let Some(on_error) = wishes.on_error {
                push_error_event(on_error, &error, outbox);
            } else if !links.plain && !wishes.resume {
                let shown = error.as_error::<StreamError>().map(StreamError::message);
                outbox.push_raw(&end_frame("failed", shown));
            }
            (links.plain, Reason::Failed(error))
        }
        Some(Finish::Returned(Ok(()))) | None => end_from_outside(verdict, links, outbox),
    }
}

/// As [`end`], where something other than the source ends the stream.
fn end_from_outside(verdict: Verdict, links: &Links, outbox: &Outbox) -> (bool, Reason) {
    match verdict {
        Verdict::Lost => {
            // HTTP/2 drops the body quietly when it has something to write and nobody to write to; an
            // end it would report as an error.
            outbox.push_raw(&COMMENT);
            (false, Reason::Left)
        }
        Verdict::Revoked | Verdict::Doubted if links.plain => (true, Reason::Aborted("revoked")),
        Verdict::End(Ending::Final) if links.plain => (true, Reason::Aborted("ended")),
        _ if links.plain => {
            let cause = links.control.cause().map_or("drained", Cause::as_str);
            (true, Reason::Aborted(cause))
        }
        Verdict::End(Ending::Final) | Verdict::Revoked => {
            outbox.push_raw(&end_frame("ended", None));
            (false, Reason::Ended)
        }
        Verdict::GoOn | Verdict::End(Ending::Reconnect) | Verdict::Doubted | Verdict::OutOfTime => {
            outbox.push_raw(&Frame::retry(links.retry_after_drain()));
            (false, Reason::Drained)
        }
    }
}

/// Pushes what an author shows of an error.
fn push_error_event(on_error: OnError, error: &Error, outbox: &Outbox) {
    if catch_unwind(AssertUnwindSafe(|| outbox.push(on_error(error)))).is_err() {
        tracing::error!(target: "sse_actix", "`on_error` panicked: the client is not told of the failure");
    }
}
