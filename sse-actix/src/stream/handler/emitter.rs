//! The [`Emitter`], to which `emit!` sends.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use sse_actix_core::{Emit, Retry, SseEvents};

use crate::stream::{buffer::EventBuffer, source::AnyEvent};

/// Sends the events of a function under [`#[sse_stream]`](macro@crate::sse_stream). [`emit!`](crate::emit) uses it;
/// helper functions take it as an argument.
///
/// `emitter!()` returns it in the function under the attribute, which passes it on. It is `Copy`, belongs to one
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
///
/// Under `#[sse_stream(events = Market)]` it is an `Emitter<'_, Market>`, which sends only values of `Market`.
pub struct Emitter<'a, E = AnyEvent> {
    buffer: &'a EventBuffer,
    event_type: PhantomData<fn(E)>,
}

/// The emitter of a function under `#[sse_stream(events = E)]`.
#[doc(hidden)]
pub fn typed<E: SseEvents>(emitter: Emitter<'_>) -> Emitter<'_, E> {
    Emitter::new(emitter.buffer)
}

impl<'a, E> Emitter<'a, E> {
    pub(super) fn new(buffer: &'a EventBuffer) -> Self {
        Self {
            buffer,
            event_type: PhantomData,
        }
    }

    /// Opens the stream: the response head is sent the next time the function waits. Like [`open!()`](crate::open).
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
        self.buffer.open();
    }

    /// Like [`open`](Self::open), and sets the reconnection time of the browser: the stream begins with this time
    /// instead of the attribute's `retry`. On a stream that has begun, it is sent as a separate line.
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
        self.buffer.open_with(retry.into());
    }

    #[inline]
    fn send<T: Emit>(self, value: T) -> EmitFuture<'a, T> {
        EmitFuture {
            buffer: self.buffer,
            push_fn: |buffer, value| EmitState::of(buffer.push(value)),
            state: if self.buffer.is_full() {
                EmitState::Waiting(value)
            } else {
                EmitState::of(self.buffer.push(value))
            },
        }
    }
}

impl<'a> Emitter<'a> {
    /// Sends one event. Ready at once, unless the buffer is full. [`emit!`](crate::emit) calls this and awaits the
    /// result.
    ///
    /// It is cancel-safe if it is awaited as soon as it is made: if it is dropped before it is ready, it has sent
    /// nothing; once ready, it has sent exactly one event. If it is made and not awaited, it may have sent its event
    /// already.
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
    pub fn emit<T: Emit>(self, value: T) -> EmitFuture<'a, T> {
        self.send(value)
    }
}

impl<'a, E: SseEvents> Emitter<'a, E> {
    /// Sends one event of the enum, like [`Emitter::emit`].
    ///
    /// ```
    /// use actix_web::test::TestRequest;
    /// use serde::{Deserialize, Serialize};
    /// use sse_actix::{Emitter, SseEvents, sse_stream, test::respond};
    ///
    /// #[derive(Serialize, Deserialize, SseEvents)]
    /// #[serde(rename_all = "lowercase")]
    /// enum Countdown {
    ///     Left(u8),
    ///     Over,
    /// }
    ///
    /// async fn count(emitter: Emitter<'_, Countdown>, from: u8) {
    ///     for left in (0..from).rev() {
    ///         emitter.emit(Countdown::Left(left)).await;
    ///     }
    /// }
    ///
    /// #[sse_stream(events = Countdown)]
    /// async fn feed() {
    ///     count(emitter!(), 1).await;
    ///     emit!(Countdown::Over);
    /// }
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), actix_web::Error> {
    /// let mut stream = respond(feed().await?, TestRequest::get());
    /// let left = stream.next().await.unwrap();
    /// assert_eq!((&*left.event, &*left.data), ("left", "0"));
    /// assert_eq!(stream.next().await.unwrap().event, "over");
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn emit(self, event: E) -> EmitFuture<'a, E> {
        self.send(event)
    }
}

impl<E> Clone for Emitter<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Emitter<'_, E> {}

impl<E> fmt::Debug for Emitter<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Emitter")
    }
}

/// The future of one [`Emitter::emit`]: ready once the event is in the buffer.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use sse_actix::{EmitFuture, Emitter, sse_stream, test::respond};
/// fn greet<'a>(emitter: Emitter<'a>, name: &str) -> EmitFuture<'a, String> {
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
// There is no `T: Emit` bound here: `Emitter::emit` has it already, and a second bound would make the compiler report
// the same mistake twice.
#[must_use = "an event is sent when this is awaited"]
pub struct EmitFuture<'a, T> {
    buffer: &'a EventBuffer,
    push_fn: fn(&EventBuffer, T) -> EmitState<T>,
    state: EmitState<T>,
}

enum EmitState<T> {
    /// The value waits until there is room.
    Waiting(T),
    Done,
    /// The stream has failed. The body drops the function, and this future with it.
    Failed,
}

impl<T> EmitState<T> {
    #[inline]
    fn of(pushed: Result<(), ()>) -> Self {
        match pushed {
            Ok(()) => Self::Done,
            Err(()) => Self::Failed,
        }
    }
}

/// The value is moved out, and never pinned.
impl<T> Unpin for EmitFuture<'_, T> {}

impl<T> Future for EmitFuture<'_, T> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let EmitState::Waiting(_) = self.state {
            if self.buffer.is_full() {
                // The body empties the buffer right after this poll and polls the function again. Waking here makes
                // combinators such as `join_all`, which poll only futures that were woken, poll this one.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let EmitState::Waiting(value) = mem::replace(&mut self.state, EmitState::Done) {
                self.state = (self.push_fn)(self.buffer, value);
            }
        }
        match self.state {
            EmitState::Done => Poll::Ready(()),
            EmitState::Waiting(_) | EmitState::Failed => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for EmitFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmitFuture")
    }
}
