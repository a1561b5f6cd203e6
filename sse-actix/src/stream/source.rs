//! The source of a stream's events: a generator made by the macro, or any `Stream`.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::Error;
use bytes::Bytes;
use futures_core::{Stream, future::LocalBoxFuture};
use sse_actix_core::{Comment, Emit, Event, EventName, Frame, Json, Message};

use super::buffer::{EventBuffer, HIGH_WATER};
use crate::server::HandoverOwner;

/// The result of a source at its end. The error is boxed so that this fits into registers: every poll returns it, and
/// an error is rare.
pub(crate) type SourceResult = Result<(), Box<Error>>;

/// Polled by the body whenever it has room.
pub(crate) trait Source: Unpin {
    /// Pushes the events that are ready, up to its [`fill_limit`](Self::fill_limit). Returns `Ready` when there will be
    /// no more.
    ///
    /// `Pending` with a full buffer registers no waker: the body that empties it polls again.
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<SourceResult>;

    /// `None`: the body keeps its own timer. `Some(due)`: the source schedules keep-alives and wakes the body; `due`
    /// says whether one is due now. `wrote` is true if something was sent since the last call.
    fn keep_alive_due(&mut self, after: Duration, wrote: bool) -> Option<bool> {
        let _ = (after, wrote);
        None
    }

    /// The keep-alive that is due, if it has to carry the client's position: an event of this name, else [the position
    /// event](sse_actix_core::position_frame). `None` if the client knows its position.
    fn keep_alive_with_position(&mut self, name: Option<&EventName>) -> Option<Bytes> {
        let _ = name;
        None
    }

    /// The source stops pushing when the buffer has this many bytes.
    fn fill_limit(&self) -> usize {
        HIGH_WATER
    }

    /// After a chunk of at least this size, the body waits for a flush (actix's dispatcher would otherwise grow its
    /// buffer); `None` if it need not wait.
    fn chunk_limit(&self) -> Option<usize> {
        None
    }

    /// True if its connection was handed over. Then a chunk is written without a copy.
    fn is_handed_over(&self) -> bool {
        false
    }

    /// True if it was polled since it was last woken, and had nothing more: then the body need not poll it again.
    fn is_idle(&self) -> bool {
        false
    }

    /// True if its last poll was pending only to give other tasks a turn. It has more work, and has woken its task.
    fn has_yielded(&self) -> bool {
        false
    }

    /// The owner that can write to its connection from outside of the connection's task, so that the stream may be
    /// [handed over](crate::server).
    fn handover_owner(&self) -> Option<Rc<dyn HandoverOwner>> {
        None
    }

    /// Called when its client has taken this many bytes of a large chunk, and gets the next piece.
    fn note_accepted(&self, bytes: usize) {
        let _ = bytes;
    }

    /// True if it ends by itself. Then a plain stream gets time to finish when the server shuts down.
    fn may_finish(&self) -> bool {
        true
    }

    /// Called when the stream is being ended. The source still pushes events from before this call, and no newer ones.
    /// Returns true if it can distinguish them; if not, it is polled once more for the events that are ready.
    fn stop_at_newest(&mut self) -> bool {
        false
    }

    /// Called while the stream is being ended. True if it waits for events from before, and wakes the task when they
    /// are there or it waits no longer.
    fn awaits_more(&mut self, cx: &mut Context<'_>) -> bool {
        let _ = cx;
        false
    }
}

/// A generator: it holds its buffer itself and pushes while it is polled.
pub(crate) type Generator = LocalBoxFuture<'static, SourceResult>;

impl Source for Generator {
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<SourceResult> {
        let polled = self.as_mut().poll(cx);
        // A failed emission waits until its generator is dropped.
        match buffer.take_failure() {
            Some(failure) => Poll::Ready(Err(failure)),
            None => polled,
        }
    }
}

/// Any stream of items that can be emitted, fallible or not.
pub(crate) struct StreamSource<S>(pub(crate) Pin<Box<S>>);

impl<S: Stream<Item: StreamItem>> Source for StreamSource<S> {
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<SourceResult> {
        while !buffer.is_full() {
            match self.0.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    if buffer.push(item.into_emission()?).is_err() {
                        let failure = buffer.take_failure();
                        return Poll::Ready(failure.map_or(Ok(()), Err));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}

/// The items that a stream for [`Sse::new`](crate::Sse::new) may yield: [`Event`], [`Comment`], [`Frame`],
/// [`Json`], [`Message`], `String`, `&'static str`, or a `Result` of these whose error converts into
/// [`actix_web::Error`].
///
/// Implement it for your own type, to define how its values are sent:
///
/// ```
/// use actix_web::Error;
/// use sse_actix::{Event, StreamItem};
///
/// struct Tick(u64);
///
/// impl StreamItem for Tick {
///     type Emission = Event;
///
///     fn into_emission(self) -> Result<Event, Error> {
///         Ok(Event::data(self.0.to_string()).event("tick").id(self.0))
///     }
/// }
///
/// let emitted = Tick(7).into_emission()?;
/// assert_eq!(emitted, Event::data("7").event("tick").id(7));
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a stream of `{Self}` is not a stream of events",
    note = "yield `Event`, `Frame`, `Json(value)`, text, or a `Result` of these; or implement `StreamItem`"
)]
pub trait StreamItem {
    /// The type that is sent.
    type Emission: Emit;

    /// Converts the item into the type that is sent.
    ///
    /// # Errors
    ///
    /// An error, with which the stream fails: it delivers the earlier events, and ends.
    fn into_emission(self) -> Result<Self::Emission, Error>;
}

macro_rules! items {
    ($($item:ty)*) => {$(
        impl StreamItem for $item {
            type Emission = Self;

            fn into_emission(self) -> Result<Self, Error> {
                Ok(self)
            }
        }
    )*};
}

items!(Event Comment Frame Message String &'static str);

impl<T: serde::Serialize> StreamItem for Json<T> {
    type Emission = Self;

    fn into_emission(self) -> Result<Self, Error> {
        Ok(self)
    }
}

impl<T: StreamItem, E: Into<Error>> StreamItem for Result<T, E> {
    type Emission = T::Emission;

    #[inline]
    fn into_emission(self) -> Result<T::Emission, Error> {
        match self {
            Ok(item) => item.into_emission(),
            Err(error) => Err(error.into()),
        }
    }
}

/// Stands for the events of a stream without an [enum](trait@crate::SseEvents): `Subscription` is
/// `Subscription<AnyEvent>`, and `Emitter<'_>` is `Emitter<'_, AnyEvent>`. See [`TopicOf`](crate::TopicOf)'s example.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AnyEvent;
