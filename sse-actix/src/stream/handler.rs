//! Runs a function under `#[sse_stream]` until it has opened its stream, and then moves it into the body.
//!
//! [`run_until_open`] polls the function until it has opened its stream, and returns an [`EventStream`]. actix calls
//! `EventStream::respond_to`, which gives the function to a `StreamBody` as its [`Source`]. From then on the body polls
//! it. The events that the function has emitted up to its opening are in the [`EventBuffer`], which the body gets, too.
//!
//! The function is one future from its first line to its last, so borrows across the opening keep working. Before the
//! opening its errors are HTTP errors; afterwards they end the stream.

mod emitter;

use std::{
    any, fmt,
    future::{Future, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    rc::Rc,
    sync::LazyLock,
    task::Poll,
    time::Duration,
};

use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::{Method, StatusCode},
};
use sse_actix_core::Retry;

pub use self::emitter::{EmitFuture, Emitter, typed};
use super::{
    buffer::EventBuffer,
    options::StreamOptions,
    response,
    source::{Generator, Source},
    span::panicked_before_the_head,
};
use crate::{
    extract::is_reconnect_after_end, lifecycle::ending::no_content, server::ServerContext,
    tracing_limit::TracingLimit,
};

/// The time before the opening after which a warning is logged: until the opening a browser stays in `CONNECTING`.
const SLOW_OPENING: Duration = Duration::from_secs(1);

/// The stream that a function under `#[sse_stream]` returns: a [`Responder`].
///
/// Return it to actix or, in a test, pass it to `test::respond`.
///
/// See [`emit!`](crate::emit)'s example.
#[must_use = "a stream is sent by returning it from a handler"]
pub struct EventStream(State);

enum State {
    /// The function finished without an event, or this is a reconnect after the end: 204.
    NoContent,
    /// A plain stream was requested while the server shuts down.
    Unavailable(Retry),
    Open {
        options: &'static StreamOptions,
        buffer: Rc<EventBuffer>,
        source: Generator,
    },
}

impl EventStream {
    /// The answer to a reconnect after the end.
    #[doc(hidden)]
    pub fn no_content() -> Self {
        Self(State::NoContent)
    }
}

impl Responder for EventStream {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<BoxBody> {
        match self.0 {
            State::NoContent => no_content(),
            State::Unavailable(retry) => response::unavailable(StatusCode::SERVICE_UNAVAILABLE, retry),
            State::Open {
                options,
                buffer,
                source,
            } => response::respond(request, options, None, buffer, source),
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0 {
            State::NoContent => "no content",
            State::Unavailable(_) => "unavailable",
            State::Open { .. } => "open",
        };
        f.debug_tuple("EventStream").field(&state).finish()
    }
}

/// Runs a generator up to its opening.
///
/// `into_result` is [`Outcome::into_result`]. The caller names it, so that a wrong return type gives one error, at that
/// type.
///
/// # Errors
///
/// The function's own, if it fails before it has opened its stream.
pub async fn run_until_open<F, R>(
    options: &'static StreamOptions,
    into_result: fn(R) -> Result<(), Error>,
    function: F,
) -> Result<EventStream, Error>
where
    F: AsyncFnOnce(Emitter<'_>) -> R + 'static,
    R: 'static,
{
    let context = ServerContext::current();
    let plain = options.is_plain(context.as_ref().map_or(&Method::GET, |context| &context.method));
    if plain && let Some(context) = context.as_ref().filter(|context| context.arrived_while_draining) {
        return Ok(EventStream(State::Unavailable(context.shutdown.jittered_retry())));
    }
    let buffer = Rc::new(EventBuffer::new(options.event.as_ref()));
    let inner = Rc::clone(&buffer);
    let mut generator: Generator =
        Box::pin(async move { into_result(function(Emitter::new(&inner)).await).map_err(Box::new) });

    let handler = any::type_name::<F>();
    let until_open = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| generator.poll_fill(&buffer, cx)));
        match polled {
            Ok(Poll::Ready(result)) => Poll::Ready(Some(Ok(result))),
            Ok(Poll::Pending) if buffer.is_open() => Poll::Ready(None),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) if buffer.is_open() => Poll::Ready(Some(Err(panic))),
            Err(panic) => {
                panicked_before_the_head(handler, &*panic);
                resume_unwind(panic)
            }
        }
    });
    let opening = tokio::select! {
        biased;
        opening = warn_if_slow(handler, until_open) => opening,
        () = until_abandoned(context, !plain) => {
            // Opened without events. If the server drains, `respond` sends a single `retry`; if the client has left,
            // nobody reads the response.
            buffer.open();
            Some(Ok(Ok(())))
        }
    };
    let source: Generator = match opening {
        None => generator,
        // It panicked in the poll that opened the stream. The body polls this, catches the panic, and ends the stream.
        Some(Err(panic)) => Box::pin(async { resume_unwind(panic) }),
        // The function finished in the poll that opened the stream.
        Some(Ok(result)) if buffer.is_open() => Box::pin(ready(result)),
        Some(Ok(Ok(()))) => return Ok(EventStream(State::NoContent)),
        Some(Ok(Err(error))) => return Err(*error),
    };
    Ok(EventStream(State::Open {
        options,
        buffer,
        source,
    }))
}

/// Warns of a handler that is slow to open its stream.
async fn warn_if_slow<T>(handler: &str, opening: impl Future<Output = T>) -> T {
    static LIMIT: LazyLock<TracingLimit> = LazyLock::new(TracingLimit::new);

    let mut opening = pin!(opening);
    if let Ok(opened) = tokio::time::timeout(SLOW_OPENING, &mut opening).await {
        return opened;
    }
    if let Some(left_out) = LIMIT.take() {
        tracing::warn!(
            target: "sse_actix",
            handler,
            left_out,
            "no head after {SLOW_OPENING:?}: the browser does not know yet that it is connected; call `open!()` before slow work"
        );
    }
    opening.await
}

/// Waits until nobody needs the stream any more: the server drains, or (HTTP/2) the client has left. On HTTP/1.1 actix
/// drops the handler itself when the client leaves.
async fn until_abandoned(context: Option<ServerContext>, ends_at_shutdown: bool) {
    match context {
        Some(context) => context.until_abandoned(ends_at_shutdown).await,
        None => pending().await,
    }
}

/// True if this request is the reconnect after the end of a stream that is not plain.
pub fn reconnects_after_end(request: &HttpRequest, options: &StreamOptions) -> bool {
    !options.is_plain(request.method()) && is_reconnect_after_end(request)
}

/// The types that a function under `#[sse_stream]` may return: `()`, or `Result<(), E>` where `E` converts into
/// [`actix_web::Error`].
#[diagnostic::on_unimplemented(
    message = "a function under `#[sse_stream]` returns `()` or `Result<(), E>`, not `{Self}`",
    note = "events are sent with `emit!(..)`; `E` is any error that actix can answer with (`ResponseError`)"
)]
pub trait Outcome {
    /// The outcome as a result.
    ///
    /// # Errors
    ///
    /// The function's own.
    fn into_result(self) -> Result<(), Error>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

// Otherwise the compiler's error would name `ResponseError`, and not the return types of a stream.
#[diagnostic::do_not_recommend]
impl<E: Into<Error>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}
