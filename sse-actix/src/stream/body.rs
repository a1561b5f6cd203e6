//! A stream's response body: it polls the source. actix's dispatcher polls it through `TrackedBody`
//! (`server/tracked.rs`); a stream that was handed over is polled by `StreamConnection`.

mod abort;
mod end;
mod links;
mod timer;

use std::{
    fmt,
    hint::black_box,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use actix_web::{
    Error,
    body::{BodySize, MessageBody},
};
use bytes::Bytes;
use pin_project_lite::pin_project;
use sse_actix_core::{EventName, Frame, KeepAlive};

use self::{
    abort::Abort,
    end::{EndPolicy, SourceEnd, end},
    timer::KeepAliveTimer,
};
pub(crate) use self::{abort::Carrier, links::StreamGuards};
use super::{
    buffer::EventBuffer,
    options::{DEFAULT_RETRY, Reconnection, StreamOptions},
    source::Source,
    span::{Reason, StreamSpan, panic_message},
};
use crate::lifecycle::control::{Cause, EndState};

pin_project! {
    /// One stream's body.
    ///
    /// Invariants: never an empty chunk, which would end a chunked body; and after the source has been
    /// dropped, only what is in the buffer is still delivered.
    pub(crate) struct StreamBody<S>
    where
        S: Source,
    {
        // Dropped as soon as the stream is over, before its last bytes are on their way: what the
        // handler holds is released then.
        source: Option<S>,
        buffer: Rc<EventBuffer>,
        wishes: EndPolicy,
        #[pin]
        timer: KeepAliveTimer,
        // The last chunk is to leave alone.
        rests: bool,
        // With the last chunk the source had nothing more.
        settled: bool,
        // What few streams have.
        seldom: Option<Box<Seldom>>,
        links: StreamGuards,
        // The task that was last seen: the control knows it, and need not be told at every poll.
        known: Option<Waker>,
        span: StreamSpan,
    }

    impl<S> PinnedDrop for StreamBody<S>
    where
        S: Source,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.links.control.cause() == Some(Cause::Panicked) {
                let around = "something around the stream's body panicked";
                this.span.end(Reason::Panicked(around.to_owned()));
            }
            this.span.close(this.buffer.emitted());
        }
    }
}

/// A line that clients skip.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n");

/// What few streams have; boxed, so that the others have no room for it.
#[derive(Default)]
struct Seldom {
    /// The keep-alive and its name, unless it is the comment, which is the same for all.
    beat: Option<(Bytes, EventName)>,
    /// What comes after the last byte, unless that is its regular end.
    abort: Option<Abort>,
}

impl<S: Source> StreamBody<S> {
    pub(crate) fn new(
        options: &StreamOptions,
        buffer: Rc<EventBuffer>,
        source: S,
        links: StreamGuards,
        span: StreamSpan,
    ) -> Self {
        let plain = links.plain;
        let keep_alive: &KeepAlive = &options.keep_alive;
        // The source may have emitted before there was a body; the reconnection time comes first.
        let emitted = buffer.take();
        buffer.push_uncounted(&opening(options, plain, &buffer));
        buffer.push_uncounted(&emitted.unwrap_or_default());
        let beat = keep_alive.name().cloned();
        let beat = beat.and_then(|name| Some((keep_alive.frame()?.into_bytes(), name)));
        let seldom = beat.map(|beat| {
            Box::new(Seldom {
                beat: Some(beat),
                abort: None,
            })
        });
        Self {
            source: Some(source),
            buffer,
            wishes: EndPolicy {
                finite: options.finite,
                resume: options.resume,
                on_error: options.on_error.filter(|_| plain),
            },
            timer: KeepAliveTimer::new(keep_alive),
            rests: false,
            settled: false,
            seldom,
            links,
            known: None,
            span,
        }
    }
}

impl<S: Source> MessageBody for StreamBody<S> {
    type Error = Error;

    /// Looks at what a poll looks at first, as [`OwnedConnection::fetch`](crate::server::OwnedConnection::fetch) wants it.
    fn size(&self) -> BodySize {
        black_box((
            self.links.control.verdict(),
            self.buffer.is_open(),
            self.span.is_over(),
            self.source.as_ref().is_some_and(Source::is_idle),
        ));
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let _entered = self.span.enter();

        let mut settled = mem::take(self.as_mut().project().settled);
        if !self
            .known
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            settled = false;
            // Before the verdict is read, so that one given in between wakes this task.
            self.links.control.register(cx.waker());
            let this = self.as_mut().project();
            *this.known = Some(cx.waker().clone());
            this.timer.changes_task();
        }

        if mem::take(self.as_mut().project().rests) {
            // On HTTP/1.1, chunks go into one buffer until the body is pending; the connection keeps it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }

        // After each chunk this is polled again, most often for nothing.
        if !(settled && self.source.as_ref().is_some_and(Source::is_idle)) {
            self.buffer.attach_buffer();
            settled = self.as_mut().fill(cx);
        }
        let this = self.as_mut().project();
        if let Some(chunk) = this.buffer.take() {
            this.timer.sent();
            this.span.wrote(chunk.len());
            *this.settled = settled;
            let portion = this.source.as_ref().and_then(Source::chunk_limit);
            *this.rests = portion.is_some_and(|portion| chunk.len() >= portion);
            return Poll::Ready(Some(Ok(chunk)));
        }
        if self.source.is_none() {
            return self.poll_end(cx);
        }
        let beat = ready!(self.as_mut().poll_keep_alive(cx));
        self.as_mut().project().span.wrote(beat.len());
        Poll::Ready(Some(Ok(beat)))
    }
}

impl<S: Source> StreamBody<S> {
    /// Lets the source push what is ready, and ends the stream if it is over. Returns whether it goes on.
    fn fill(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        let Some(source) = this.source else {
            return false;
        };

        let verdict = this.links.control.verdict();
        let finish = match verdict {
            EndState::Lost | EndState::Revoked | EndState::Reauthenticate | EndState::OutOfTime => None,
            EndState::Running | EndState::End(_) => {
                let drains = verdict != EndState::Running && source.stop_at_current_head();
                // A panic ends this stream alone, and what was emitted before it is delivered.
                let polled = catch_unwind(AssertUnwindSafe(|| source.poll_fill(this.buffer, cx)));
                match polled {
                    Ok(Poll::Ready(outcome)) => Some(SourceEnd::Returned(outcome)),
                    Ok(Poll::Pending) if verdict == EndState::Running => return true,
                    // There is more that it was given before, and room for it in the next chunk.
                    Ok(Poll::Pending) if drains && this.buffer.has_at_least(source.fill_limit()) => {
                        return false;
                    }
                    Ok(Poll::Pending) => None,
                    Err(panic) => Some(SourceEnd::Panicked(panic_message(&*panic).to_owned())),
                }
            }
        };

        let (aborts, reason) = end(finish, verdict, this.wishes, this.links, this.buffer);
        if aborts {
            this.seldom.get_or_insert_default().abort = Some(Abort::new(this.links.carrier));
        }
        *this.source = None;
        this.links.leave();
        this.span.end(reason);
        false
    }

    /// After the last byte.
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Some(seldom) = self.project().seldom else {
            return Poll::Ready(None);
        };
        let Some(abort) = &mut seldom.abort else {
            return Poll::Ready(None);
        };
        let aborted = ready!(abort.poll(cx));
        seldom.abort = None;
        Poll::Ready(Some(Err(aborted.into())))
    }

    /// Ready with a keep-alive when the stream has been silent for long enough.
    fn poll_keep_alive(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut this = self.project();
        let (Some(source), Some(after)) = (this.source, this.timer.after()) else {
            return Poll::Pending;
        };
        let sent = this.timer.as_mut().take_sent();
        let beat = this.seldom.as_ref().and_then(|seldom| seldom.beat.as_ref());
        let positioned = match source.keep_alive_due(after, sent) {
            Some(true) => source.keep_alive_with_position(beat.map(|(_, name)| name)),
            Some(false) => return Poll::Pending,
            None => {
                ready!(this.timer.poll(sent, cx));
                None
            }
        };
        Poll::Ready(positioned.unwrap_or_else(|| beat_bytes(beat)))
    }
}

/// What a stream begins with. For browsers that is never nothing, since Firefox fires `onopen` with the first
/// byte.
fn opening(options: &StreamOptions, plain: bool, buffer: &EventBuffer) -> Bytes {
    match (buffer.retry(), options.retry) {
        (Some(retry), _) | (None, Reconnection::Chosen(retry)) => Frame::retry(retry).into_bytes(),
        (None, _) if plain => Bytes::new(),
        (None, Reconnection::Default) => Frame::retry(DEFAULT_RETRY).into_bytes(),
        (None, Reconnection::Off) => COMMENT,
    }
}

fn beat_bytes(beat: Option<&(Bytes, EventName)>) -> Bytes {
    beat.map_or(COMMENT, |(bytes, _)| bytes.clone())
}

impl<S: Source> fmt::Debug for StreamBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody")
            .field("over", &self.source.is_none())
            .finish_non_exhaustive()
    }
}
