//! What fills a stream: a generator made by the macro, or any `Stream`.

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

/// How a source has ended. The error is boxed so that this fits into registers: it is returned at every
/// poll, and an error is rare.
pub(crate) type SourceResult = Result<(), Box<Error>>;

/// Polled by the body whenever it has room.
pub(crate) trait Source: Unpin {
    /// Pushes what is ready, up to its [`fill_limit`](Self::fill_limit). `Ready` when there will be no more.
    ///
    /// `Pending` with a full buffer registers no waker: the body that empties it polls again.
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<SourceResult>;

    /// Whether a keep-alive is due after this much silence, if the source looks after that for the body, and wakes
    /// it; `None` if it does not. `wrote` says that something was sent since this was last asked.
    fn keep_alive_due(&mut self, after: Duration, wrote: bool) -> Option<bool> {
        let _ = (after, wrote);
        None
    }

    /// The keep-alive that is due, where it has to tell the client its position: an event of this name, else
    /// [the one for positions](sse_actix_core::position_frame). `None` if the client knows its position.
    fn keep_alive_with_position(&mut self, name: Option<&EventName>) -> Option<Bytes> {
        let _ = name;
        None
    }

    /// Stops pushing at this many bytes.
    fn fill_limit(&self) -> usize {
        HIGH_WATER
    }

    /// A chunk of this size or more is sent by itself; `None` if chunks may be merged.
    fn chunk_limit(&self) -> Option<usize> {
        None
    }

    /// Whether its connection was handed over. Then a chunk is written without a copy.
    fn is_handed_over(&self) -> bool {
        false
    }

    /// Whether it has been asked since it was last woken, and had nothing more: then it need not be asked again.
    fn is_idle(&self) -> bool {
        false
    }

    /// Whether its last poll was pending only to give others a turn. It has more to look at, and has woken its task.
    fn has_yielded(&self) -> bool {
        false
    }

    /// Who can write to its connection from outside of the connection's task, so that the stream may be
    /// [handed over](crate::server).
    fn handover_owner(&self) -> Option<Rc<dyn HandoverOwner>> {
        None
    }

    /// Its client has taken so many bytes of what it was sent before, and is about to be sent more of that.
    fn note_accepted(&self, bytes: usize) {
        let _ = bytes;
    }

    /// Whether it ends by itself, so that a plain stream is given time for it when the server shuts down.
    fn may_finish(&self) -> bool {
        true
    }

    /// The stream ends. The source still pushes what was published before this call, and nothing newer. Returns
    /// whether it can tell these apart; if not, it is polled once more for what is ready.
    fn stop_at_current_head(&mut self) -> bool {
        false
    }
}

/// A generator: it holds its buffer itself and pushes while it is polled.
pub(crate) type Generator = LocalBoxFuture<'static, SourceResult>;

impl Source for Generator {
    fn poll_fill(&mut self, buffer: &EventBuffer, cx: &mut Context<'_>) -> Poll<SourceResult> {
        let polled = self.as_mut().poll(cx);
        // An emission that failed waits for ever, for its generator to be dropped.
        match buffer.take_failure() {
            Some(failure) => Poll::Ready(Err(failure)),
            None => polled,
        }
    }
}

/// Any stream of what can be emitted, fallible or not.
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

/// What a stream given to [`Sse::new`](crate::Sse::new) may yield: [`Event`], [`Comment`], [`Frame`],
/// [`Json`], [`Message`], `String`, `&'static str`, or a `Result` of these whose error converts into
/// [`actix_web::Error`].
///
/// Implement it for a type of your own to give it its one form on the wire:
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
    /// What goes on the wire.
    type Emission: Emit;

    /// The item as what goes on the wire.
    ///
    /// # Errors
    ///
    /// The stream's failure: it delivers what came before, and ends.
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

/// What a stream brings whose events are not those of one [enum](trait@crate::SseEvents): `Subscription` is
/// `Subscription<AnyEvent>`, and `Emitter<'_>` is `Emitter<'_, AnyEvent>`. See [`TopicOf`](crate::TopicOf)'s example.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AnyEvent;
