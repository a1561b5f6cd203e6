//! A stream's response body: it polls the source. actix's dispatcher polls it through `TrackedBody`
//! (`server/tracked.rs`); a stream that was handed over is polled by `StreamConnection`.

mod abort;
mod end;
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

pub(crate) use self::abort::BodyTransport;
use self::{
    abort::Abort,
    end::{EndPolicy, SourceOutcome, end},
    timer::KeepAliveTimer,
};
use super::{
    buffer::{Checkpoint, EventBuffer, HIGH_WATER, SLACK},
    options::{DEFAULT_RETRY, InitialRetry, StreamOptions},
    source::Source,
    span::{LoggedEnd, StreamSpan, panic_message},
};
use crate::{
    lifecycle::{
        control::{EndCause, EndRequest, StreamControl},
        shutdown::Registration,
    },
    server::OpenStreamGuard,
};

pin_project! {
    /// One stream's body.
    ///
    /// Invariants: never an empty chunk, which would end a chunked body; and after the source has been
    /// dropped, only what is in the buffer is still delivered.
    pub(crate) struct StreamBody<S>
    where
        S: Source,
    {
        // Dropped as soon as the stream is over, before its last bytes are sent, so that the handler's resources are
        // freed.
        source: Option<S>,
        buffer: Rc<EventBuffer>,
        policy: EndPolicy,
        #[pin]
        timer: KeepAliveTimer,
        // The last chunk must be flushed before the next one is given: the next poll is pending once, so that actix
        // flushes.
        flush_after_chunk: bool,
        // The source was polled for the last chunk, and was pending.
        source_was_pending: bool,
        // Fields that only few streams need.
        rare_fields: Option<Box<RareFields>>,
        guards: StreamGuards,
        // The task that polled last. The control has its waker, and gets another one only when the task changes.
        last_waker: Option<Waker>,
        span: StreamSpan,
    }

    impl<S> PinnedDrop for StreamBody<S>
    where
        S: Source,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.guards.control.cause() == Some(EndCause::Panicked) {
                let message = "a middleware's body panicked";
                this.span.end(LoggedEnd::Panicked(message.to_owned()));
            }
            this.span.close(this.buffer.emitted());
        }
    }
}

/// The registrations of a stream, which end with it.
pub(crate) struct StreamGuards {
    pub(crate) control: StreamControl,
    pub(crate) registration: Option<Registration>,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) open_stream: Option<OpenStreamGuard>,
    pub(crate) transport: BodyTransport,
    /// True for clients other than `EventSource`: the library adds only keep-alives, and aborts the stream if something
    /// other than its source ends it.
    pub(crate) plain: bool,
}

impl StreamGuards {
    /// Deregisters from the `Shutdown`. `open_stream` is kept until the last bytes are sent, so that the server still
    /// counts this as a stream.
    fn deregister(&mut self) {
        self.registration = None;
    }
}

/// A line that clients skip.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n");

/// Fields that only few streams need. Boxed, so that the others take no memory for them.
#[derive(Default)]
struct RareFields {
    /// The keep-alive event and its name; `None` for the comment, which is the same for all streams.
    keep_alive: Option<(Bytes, EventName)>,
    /// The abort after the last byte, if the stream does not end regularly.
    abort: Option<Abort>,
}

impl<S: Source> StreamBody<S> {
    pub(crate) fn new(
        options: &StreamOptions,
        buffer: Rc<EventBuffer>,
        source: S,
        guards: StreamGuards,
        span: StreamSpan,
    ) -> Self {
        let plain = guards.plain;
        let keep_alive: &KeepAlive = &options.keep_alive;
        // The source may have emitted events before there was a body. If there was a revocation, they are removed: they
        // may be from after it.
        if guards.control.has_lost_access() {
            buffer.roll_back_to(Checkpoint::default());
        }
        // The reconnection time comes first.
        buffer.prepend(opening(options, plain, &buffer));
        let named = keep_alive.name().cloned();
        let named = named.and_then(|name| Some((keep_alive.frame()?.into_bytes(), name)));
        let rare_fields = named.map(|named| {
            Box::new(RareFields {
                keep_alive: Some(named),
                abort: None,
            })
        });
        Self {
            source: Some(source),
            buffer,
            policy: EndPolicy {
                finite: options.finite,
                resume: options.resume,
                on_error: options.on_error.filter(|_| plain),
            },
            timer: KeepAliveTimer::new(keep_alive),
            flush_after_chunk: false,
            source_was_pending: false,
            rare_fields,
            guards,
            last_waker: None,
            span,
        }
    }
}

impl<S: Source> MessageBody for StreamBody<S> {
    type Error = Error;

    /// [`DirectConnection::prefetch`](crate::server::DirectConnection::prefetch) also calls this, to load into the
    /// processor's cache what `poll_next` reads first.
    fn size(&self) -> BodySize {
        black_box((
            self.guards.control.end_request(),
            self.buffer.is_open(),
            self.span.is_over(),
            self.source.as_ref().is_some_and(Source::is_idle),
        ));
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let _entered = self.span.enter();

        let mut source_was_pending = mem::take(self.as_mut().project().source_was_pending);
        if !self
            .last_waker
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            source_was_pending = false;
            // Registered before the end request is read: a change in between then wakes this task.
            self.guards.control.register(cx.waker());
            let this = self.as_mut().project();
            *this.last_waker = Some(cx.waker().clone());
            this.timer.forget_task();
        }

        if mem::take(self.as_mut().project().flush_after_chunk) {
            // On HTTP/1.1 actix collects chunks in one buffer until the body is pending. The buffer grows and does not
            // shrink.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }

        // actix polls again after each chunk. Skip the source if it had nothing more, unless the stream was asked to
        // end meanwhile.
        let is_idle = source_was_pending
            && self.guards.control.end_request() == EndRequest::None
            && self.source.as_ref().is_some_and(Source::is_idle);
        if !is_idle {
            let checkpoint = self.buffer.borrow_thread_pieces();
            source_was_pending = self.as_mut().fill(checkpoint, cx);
        }
        let this = self.as_mut().project();
        if let Some(chunk) = this.buffer.take() {
            let chunk_limit = this.source.as_ref().and_then(Source::chunk_limit);
            let chunk = match max_chunk(this.guards.transport, chunk_limit, this.source.as_ref()) {
                Some(max) if chunk.len() > max + SLACK => this.buffer.keep_rest(chunk, max),
                _ => chunk,
            };
            this.timer.note_sent();
            this.span.note_write(chunk.len(), this.buffer.emitted());
            *this.source_was_pending = source_was_pending;
            *this.flush_after_chunk = chunk_limit.is_some_and(|chunk_limit| chunk.len() >= chunk_limit);
            return Poll::Ready(Some(Ok(chunk)));
        }
        if self.source.is_none() {
            return self.poll_end(cx);
        }
        let bytes = ready!(self.as_mut().poll_keep_alive(cx));
        let this = self.as_mut().project();
        this.span.note_write(bytes.len(), this.buffer.emitted());
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl<S: Source> StreamBody<S> {
    /// Polls the source and, if it has ended, appends the stream's last bytes. Returns true if the source was polled
    /// and is pending.
    ///
    /// In this order:
    ///
    /// 1. Read the end request. If it asks for an end without the pending events, the source is not polled.
    /// 2. If it asks for an end with them, tell the source to stop at the newest event.
    /// 3. If a part of the last chunk is still in the buffer, return: that part is sent first.
    /// 4. Poll the source.
    /// 5. Check for a revocation. If there is one, remove what the source has written, and read the end request again.
    /// 6. Return if the stream continues. Otherwise append the last bytes, and drop the source.
    fn fill(self: Pin<&mut Self>, checkpoint: Checkpoint, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        let Some(source) = this.source else {
            return false;
        };

        let mut end_request = this.guards.control.end_request();
        let source_outcome = match end_request {
            EndRequest::ConnectionLost
            | EndRequest::Revoked
            | EndRequest::Reauthenticate
            | EndRequest::OutOfTime => None,
            EndRequest::None | EndRequest::End(_) => {
                let stops_at_newest = end_request != EndRequest::None && source.stop_at_newest();
                if this.buffer.has_rest() {
                    source.note_accepted(source.chunk_limit().unwrap_or(0));
                    // The rest is sent first, so that the source has the whole buffer.
                    return false;
                }
                // A panic ends only this stream, and the events from before it are delivered.
                let polled = catch_unwind(AssertUnwindSafe(|| source.poll_fill(this.buffer, cx)));
                // Check for a revocation after the read, not before: if there is none now, there was none when the
                // events that were read were published.
                let has_lost_access = this.guards.control.has_lost_access();
                if matches!(polled, Ok(Poll::Pending)) && end_request == EndRequest::None && !has_lost_access
                {
                    return true;
                }
                if has_lost_access {
                    this.buffer.roll_back_to(checkpoint);
                    end_request = this.guards.control.end_request();
                }
                match polled {
                    Ok(_) if has_lost_access => None,
                    Ok(Poll::Ready(outcome)) => Some(SourceOutcome::Returned(outcome)),
                    // The source still has events from before the shutdown: they go into the next chunk.
                    Ok(Poll::Pending)
                        if stops_at_newest
                            && (this.buffer.has_at_least(source.fill_limit())
                                || source.has_yielded()
                                || source.awaits_more(cx)) =>
                    {
                        return false;
                    }
                    Ok(Poll::Pending) => None,
                    Err(panic) => Some(SourceOutcome::Panicked(panic_message(&*panic).to_owned())),
                }
            }
        };

        let (aborts, reason) = end(source_outcome, end_request, this.policy, this.guards, this.buffer);
        if aborts {
            this.rare_fields.get_or_insert_default().abort = Some(Abort::new(this.guards.transport));
        }
        *this.source = None;
        this.guards.deregister();
        this.span.end(reason);
        false
    }

    /// Ends the body after the last byte, or aborts it.
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Some(rare_fields) = self.project().rare_fields else {
            return Poll::Ready(None);
        };
        let Some(abort) = &mut rare_fields.abort else {
            return Poll::Ready(None);
        };
        let aborted = ready!(abort.poll(cx));
        rare_fields.abort = None;
        Poll::Ready(Some(Err(aborted.into())))
    }

    /// Ready with a keep-alive when the stream has been silent for long enough.
    fn poll_keep_alive(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut this = self.project();
        let (Some(source), Some(after)) = (this.source, this.timer.after()) else {
            return Poll::Pending;
        };
        let sent = this.timer.as_mut().take_sent();
        let named = this
            .rare_fields
            .as_ref()
            .and_then(|rare_fields| rare_fields.keep_alive.as_ref());
        let positioned = match source.keep_alive_due(after, sent) {
            Some(true) => source.keep_alive_with_position(named.map(|(_, name)| name)),
            Some(false) => return Poll::Pending,
            None => {
                ready!(this.timer.poll(sent, cx));
                None
            }
        };
        Poll::Ready(positioned.unwrap_or_else(|| keep_alive_bytes(named)))
    }
}

/// The first bytes of a stream. For browsers there is always at least one, because Firefox fires `onopen` at the first
/// byte.
fn opening(options: &StreamOptions, plain: bool, buffer: &EventBuffer) -> Bytes {
    match (buffer.retry(), options.retry) {
        (Some(retry), _) | (None, InitialRetry::Chosen(retry)) => Frame::retry(retry).into_bytes(),
        (None, _) if plain => Bytes::new(),
        (None, InitialRetry::Default) => Frame::retry(DEFAULT_RETRY).into_bytes(),
        (None, InitialRetry::Off) => COMMENT,
    }
}

/// The size of the pieces in which a large chunk is sent; `None` if it is sent in one piece.
fn max_chunk(
    transport: BodyTransport,
    chunk_limit: Option<usize>,
    source: Option<&impl Source>,
) -> Option<usize> {
    if source.is_some_and(Source::is_handed_over) {
        return None;
    }
    match transport {
        // Each piece that a client takes shows the hub that it reads.
        BodyTransport::Http2 => chunk_limit.map(|_| HIGH_WATER),
        // actix's dispatcher copies a chunk before it writes it, so it copies one piece at a time.
        _ => Some(chunk_limit.unwrap_or(HIGH_WATER)),
    }
}

fn keep_alive_bytes(named: Option<&(Bytes, EventName)>) -> Bytes {
    named.map_or(COMMENT, |(bytes, _)| bytes.clone())
}

impl<S: Source> fmt::Debug for StreamBody<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody")
            .field("over", &self.source.is_none())
            .finish_non_exhaustive()
    }
}
