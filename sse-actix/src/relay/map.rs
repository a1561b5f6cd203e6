//! The values with which a user replaces an event.

use std::{
    collections::VecDeque,
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use sse_actix_core::{Comment, Event, Frame, Message, Relayed};

use super::{
    decoding::{Decoding, Received},
    error::RelayError,
    sending::Sending,
};

/// The types that the closure of [`map_messages`](crate::Relay::map_messages) may return: a [`Message`], [`Event`],
/// [`Comment`], [`Frame`] or [`Relayed`]; `Option`, `Vec` or an array of these; a `Result` of any of them.
///
/// ```
/// use bytes::Bytes;
/// use futures_util::{StreamExt as _, stream};
/// use sse_actix::{Event, Relay, RelayError};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let upstream = stream::iter([Ok::<_, RelayError>(Bytes::from_static(b"data: 1\n\ndata: one\n\n"))]);
/// let mut doubled = Relay::new(upstream).map_messages(|message| {
///     let number: u64 = message.data.parse()?;
///     Ok::<_, std::num::ParseIntError>(Event::data((number * 2).to_string()))
/// });
/// assert!(doubled.next().await.unwrap().is_ok());
/// let error = doubled.next().await.unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "an event of upstream could not be mapped: invalid digit found in string");
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot replace an event",
    note = "return the `Message`, an `Event`, or `Option`, `Vec` or `Result` of these"
)]
pub trait Replacement: sealed::Sealed {
    #[doc(hidden)]
    fn push_to(self, queue: &mut VecDeque<Relayed>) -> Result<(), Box<dyn Error + Send + Sync>>;
}

mod sealed {
    use super::{Comment, Event, Frame, Message, Relayed};

    pub trait Sealed {}
    impl Sealed for Message {}
    impl Sealed for Event {}
    impl Sealed for Comment {}
    impl Sealed for Frame {}
    impl Sealed for Relayed {}
    impl<T: Sealed> Sealed for Option<T> {}
    impl<T: Sealed> Sealed for Vec<T> {}
    impl<T: Sealed, const N: usize> Sealed for [T; N] {}
    impl<T: Sealed, E> Sealed for Result<T, E> {}
}

macro_rules! items {
    ($($item:ty)*) => {$(
        impl Replacement for $item {
            fn push_to(self, queue: &mut VecDeque<Relayed>) -> Result<(), Box<dyn Error + Send + Sync>> {
                queue.push_back(self.into());
                Ok(())
            }
        }
    )*};
}

items!(Message Event Comment Frame);

impl Replacement for Relayed {
    fn push_to(self, queue: &mut VecDeque<Relayed>) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self {
            Self::Events(events) => queue.extend(events.into_messages().map(Self::from)),
            other => queue.push_back(other),
        }
        Ok(())
    }
}

macro_rules! many {
    ($($(const $length:ident)? $items:ty;)*) => {$(
        impl<T: Replacement $(, const $length: usize)?> Replacement for $items {
            fn push_to(self, queue: &mut VecDeque<Relayed>) -> Result<(), Box<dyn Error + Send + Sync>> {
                self.into_iter().try_for_each(|item| item.push_to(queue))
            }
        }
    )*};
}

many! {
    Option<T>;
    Vec<T>;
    const N [T; N];
}

impl<T: Replacement, E: Into<Box<dyn Error + Send + Sync>>> Replacement for Result<T, E> {
    fn push_to(self, queue: &mut VecDeque<Relayed>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)?.push_to(queue)
    }
}

/// A relay whose events are mapped.
pub(super) struct MapMessages<S, F> {
    decoding: Decoding<S>,
    sending: Sending,
    map: F,
    /// The replacements of the last message that were not sent yet.
    queue: VecDeque<Relayed>,
}

/// The closure is called, and never pinned.
impl<S, F> Unpin for MapMessages<S, F> {}

impl<S, F> MapMessages<S, F> {
    pub(super) fn new(decoding: Decoding<S>, sending: Sending, map: F) -> Self {
        Self {
            decoding,
            sending,
            map,
            queue: VecDeque::new(),
        }
    }

    fn end(&mut self, error: RelayError) -> RelayError {
        self.queue.clear();
        self.decoding.end();
        error
    }
}

impl<S, E, F, R> Stream for MapMessages<S, F>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
    F: FnMut(Message) -> R,
    R: Replacement,
{
    type Item = Result<Relayed, RelayError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let item = match this.queue.pop_front() {
                Some(item) => this.sending.replacement(item),
                None => match ready!(this.decoding.poll_received(cx)) {
                    Some(Ok(Received::Message(message))) => {
                        if let Err(error) = (this.map)(message).push_to(&mut this.queue) {
                            return Poll::Ready(Some(Err(this.end(RelayError::Map(error)))));
                        }
                        continue;
                    }
                    Some(Ok(received)) => this.sending.received(received),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                },
            };
            match item {
                Ok(Some(item)) => return Poll::Ready(Some(Ok(item))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(this.end(error)))),
            }
        }
    }
}
