//! What `#[sse_stream]` expands to: an async function that runs until its head can leave, and is then
//! handed to the body.
//!
//! It is one future from its first line to its last, so borrows across that boundary keep working. Up
//! to the opening its errors are HTTP errors; afterwards they end the stream.

use std::{
    any, fmt,
    future::{Future, pending, poll_fn, ready},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::{Method, StatusCode},
};
use sse_actix_core::{Emit, Retry};

use crate::{
    extract::is_reconnect_after_end,
    head,
    journal::panicked_before_the_head,
    options::StreamOptions,
    outbox::Outbox,
    server::Host,
    source::{Generator, Source},
};

/// A handler that has not opened its stream by then keeps a browser in `CONNECTING` without a sign.
const SLOW_PROLOGUE: Duration = Duration::from_secs(1);

/// The stream that a function under `#[sse_stream]` returns: a [`Responder`].
///
/// There is nothing to do with it but to hand it to actix, or, in a test, to
/// [`test::read_stream`](crate::test).
#[must_use = "a stream is sent by returning it from a handler"]
pub struct EventStream(State);

enum State {
    /// Finished without an event, or a reconnect after the end: 204.
    NoContent,
    /// Plain, and asked for while the server shuts down.
    Unavailable(Retry),
    Open {
        options: &'static StreamOptions,
        outbox: Rc<Outbox>,
        source: Generator,
    },
}

impl EventStream {
    /// What a reconnect after the end is answered.
    #[doc(hidden)]
    pub fn ended() -> Self {
        Self(State::NoContent)
    }
}

impl Responder for EventStream {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<BoxBody> {
        match self.0 {
            State::NoContent => head::no_content(),
            State::Unavailable(retry) => head::unavailable(StatusCode::SERVICE_UNAVAILABLE, retry),
            State::Open {
                options,
                outbox,
                source,
            } => head::respond(request, options, None, outbox, source),
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
/// `outcome` is [`Outcome::into_result`], named by the caller rather than asked for by a bound here, so
/// that a function with another return type is told so once, where that type is written.
///
/// # Errors
///
/// The function's own, if it fails before it has opened its stream.
pub async fn run<F, R>(
    options: &'static StreamOptions,
    outcome: fn(R) -> Result<(), Error>,
    function: F,
) -> Result<EventStream, Error>
where
    F: AsyncFnOnce(Emitter<'_>) -> R + 'static,
    R: 'static,
{
    let host = Host::current();
    let plain = options.is_plain(host.as_ref().map_or(&Method::GET, |host| &host.method));
    if plain && let Some(host) = host.as_ref().filter(|host| host.drains) {
        return Ok(EventStream(State::Unavailable(host.shutdown.jittered_retry())));
    }
    let outbox = Rc::new(Outbox::new(options.event.as_ref()));
    let inner = Rc::clone(&outbox);
    let mut generator: Generator =
        Box::pin(async move { outcome(function(Emitter { outbox: &inner }).await).map_err(Box::new) });

    let handler = any::type_name::<F>();
    let opening = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| generator.poll_fill(&outbox, cx)));
        match polled {
            Ok(Poll::Ready(outcome)) => Poll::Ready(Some(Ok(outcome))),
            Ok(Poll::Pending) if outbox.is_open() => Poll::Ready(None),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) if outbox.is_open() => Poll::Ready(Some(Err(panic))),
            Err(panic) => {
                panicked_before_the_head(handler, &*panic);
                resume_unwind(panic)
            }
        }
    });
    let outcome = tokio::select! {
        biased;
        outcome = watched(handler, opening) => outcome,
        () = gone(host, !plain) => {
            // Answered as a stream that is over: while the server drains, that is a `retry` alone.
            outbox.open();
            Some(Ok(Ok(())))
        }
    };
    let source: Generator = match outcome {
        None => generator,
        // It panicked in the poll that opened it; the body tells.
        Some(Err(panic)) => Box::pin(async { resume_unwind(panic) }),
        // Finished in the poll that opened it.
        Some(Ok(outcome)) if outbox.is_open() => Box::pin(ready(outcome)),
        Some(Ok(Ok(()))) => return Ok(EventStream(State::NoContent)),
        Some(Ok(Err(error))) => return Err(*error),
    };
    Ok(EventStream(State::Open {
        options,
        outbox,
        source,
    }))
}

/// Warns of a handler that is slow to open its stream.
async fn watched<T>(handler: &str, opening: impl Future<Output = T>) -> T {
    let mut opening = pin!(opening);
    if let Ok(opened) = tokio::time::timeout(SLOW_PROLOGUE, &mut opening).await {
        return opened;
    }
    tracing::warn!(
        target: "sse_actix",
        handler,
        "no head after {SLOW_PROLOGUE:?}: the browser waits without a sign; call `open!()` before slow work"
    );
    opening.await
}

/// Waits until nobody waits for the opening any more. On HTTP/1.1 the whole handler is dropped then.
async fn gone(host: Option<Host>, resumes: bool) {
    match host {
        Some(host) => host.gone(resumes).await,
        None => pending().await,
    }
}

/// Whether this request is the reconnect after the end of a stream that is not plain.
pub fn ended(request: &HttpRequest, options: &StreamOptions) -> bool {
    !options.is_plain(request.method()) && is_reconnect_after_end(request)
}

/// Sends the events of a function under [`#[sse_stream]`](macro@crate::sse_stream): what
/// [`emit!`](crate::emit) uses there, for helper functions.
///
/// `emitter!()` gives it to the function under the attribute, which passes it on. It is `Copy`, belongs to one
/// stream, and cannot outlive it, so it cannot move into a spawned task.
///
/// ```
/// use actix_web::{Error, test::TestRequest};
/// use sse_actix::{Emitter, Event, sse_stream, test::respond};
///
/// async fn progress(emitter: Emitter<'_>, percent: u8) -> Result<(), Error> {
///     emitter.emit(Event::json(&percent)?.event("progress")).await;
///     Ok(())
/// }
///
/// #[sse_stream]
/// async fn import() -> Result<(), Error> {
///     for percent in [0, 50, 100] {
///         progress(emitter!(), percent).await?;
///     }
///     emit!("done");
///     Ok(())
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Error> {
/// let mut stream = respond(import().await?, TestRequest::get());
/// for data in ["0", "50", "100", "done"] {
///     assert_eq!(stream.next().await.unwrap().data, data);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy)]
pub struct Emitter<'a> {
    outbox: &'a Outbox,
}

impl<'a> Emitter<'a> {
    /// Lets the head leave, with the next time the function waits. As [`open!()`](crate::open).
    ///
    /// ```
    /// use actix_web::{Error, test::TestRequest};
    /// use sse_actix::{Emitter, sse_stream, test::respond};
    ///
    /// async fn greet(emitter: Emitter<'_>) -> Result<(), Error> {
    ///     emitter.open();
    ///     Err(actix_web::error::ErrorNotFound("gone")) // too late for a 404
    /// }
    ///
    /// #[sse_stream]
    /// async fn feed() -> Result<(), Error> {
    ///     greet(emitter!()).await
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Error> {
    /// assert_eq!(respond(feed().await?, TestRequest::get()).status(), 200);
    /// # Ok(()) }
    /// ```
    pub fn open(self) {
        self.outbox.open();
    }

    /// As [`open`](Self::open), and tells a browser how long to wait before it reconnects: the stream begins with
    /// this time instead of the attribute's `retry`. On a stream that has begun, it is a line of its own.
    ///
    /// A `Duration` outside of [`Retry::MIN`] to [`Retry::MAX`] becomes the nearest of them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::{App, test, web};
    /// use sse_actix::{Emitter, sse_stream};
    ///
    /// fn busy(emitter: Emitter<'_>, streams: u64) {
    ///     emitter.open_with(Duration::from_millis(10 * streams));
    /// }
    ///
    /// #[sse_stream]
    /// async fn feed() {
    ///     busy(emitter!(), 700);
    ///     emit!("hello");
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() {
    /// let app = test::init_service(App::new().route("/", web::get().to(feed))).await;
    /// let request = test::TestRequest::get().to_request();
    /// assert_eq!(test::call_and_read_body(&app, request).await, "retry: 7000\ndata: hello\n\n");
    /// # }
    /// ```
    pub fn open_with(self, retry: impl Into<Retry>) {
        self.outbox.open_with(retry.into());
    }

    /// Sends one event. Ready at once, unless as much is waiting for the client as is kept. As
    /// [`emit!`](crate::emit), which awaits what this returns.
    ///
    /// It is cancel-safe where it is awaited as soon as it is made: dropped before it is ready, it has sent
    /// nothing; once ready, exactly one event. Made and not awaited, it may have sent its event already.
    ///
    /// ```
    /// # use actix_web::test::TestRequest;
    /// # use sse_actix::{Emitter, Json, sse_stream, test::respond};
    /// async fn countdown(emitter: Emitter<'_>, from: u8) {
    ///     for n in (0..from).rev() {
    ///         emitter.emit(Json(n)).await;
    ///     }
    /// }
    ///
    /// #[sse_stream]
    /// async fn feed() {
    ///     countdown(emitter!(), 2).await;
    /// }
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), actix_web::Error> {
    /// let mut stream = respond(feed().await?, TestRequest::get());
    /// assert_eq!(stream.next().await.unwrap().data, "1");
    /// assert_eq!(stream.next().await.unwrap().data, "0");
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn emit<T: Emit>(self, value: T) -> Emission<'a, T> {
        Emission {
            outbox: self.outbox,
            push: |outbox, value| Delivery::of(outbox.push(value)),
            delivery: if self.outbox.is_full() {
                Delivery::Waiting(value)
            } else {
                Delivery::of(self.outbox.push(value))
            },
        }
    }
}

impl fmt::Debug for Emitter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Emitter")
    }
}

/// The future of one [`Emitter::emit`]: `()` once the event is on its way.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use sse_actix::{Emission, Emitter, sse_stream, test::respond};
/// fn greet<'a>(emitter: Emitter<'a>, name: &str) -> Emission<'a, String> {
///     emitter.emit(format!("hello {name}"))
/// }
///
/// #[sse_stream]
/// async fn feed() {
///     greet(emitter!(), "you").await;
/// }
/// # #[actix_web::main]
/// # async fn main() -> Result<(), actix_web::Error> {
/// assert_eq!(respond(feed().await?, TestRequest::get()).next().await.unwrap().data, "hello you");
/// # Ok(()) }
/// ```
// It is one for any `T`, since `T: Emit` was asked for when it was made: asked for again, a value that
// cannot be sent would be told twice.
#[must_use = "an event is sent when this is awaited"]
pub struct Emission<'a, T> {
    outbox: &'a Outbox,
    push: fn(&Outbox, T) -> Delivery<T>,
    delivery: Delivery<T>,
}

enum Delivery<T> {
    /// Until there is room.
    Waiting(T),
    Done,
    /// The stream has failed, and whoever polls it drops this future with it.
    Failed,
}

impl<T> Delivery<T> {
    #[inline]
    fn of(pushed: Result<(), ()>) -> Self {
        match pushed {
            Ok(()) => Self::Done,
            Err(()) => Self::Failed,
        }
    }
}

/// The value is moved out, never pinned.
impl<T> Unpin for Emission<'_, T> {}

impl<T> Future for Emission<'_, T> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Delivery::Waiting(_) = self.delivery {
            if self.outbox.is_full() {
                // The body empties the outbox as soon as this returns, and polls again: waking now is
                // what makes a combinator that keeps its own wake list poll this future then.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Delivery::Waiting(value) = mem::replace(&mut self.delivery, Delivery::Done) {
                self.delivery = (self.push)(self.outbox, value);
            }
        }
        match self.delivery {
            Delivery::Done => Poll::Ready(()),
            Delivery::Waiting(_) | Delivery::Failed => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Emission<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Emission")
    }
}

/// What a function under `#[sse_stream]` may return: `()` or `Result<(), E>` where `E` converts into
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

// Otherwise the compiler would tell of `ResponseError`, and not what a stream returns.
#[diagnostic::do_not_recommend]
impl<E: Into<Error>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}
