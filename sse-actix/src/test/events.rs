use std::fmt;

use sse_actix_core::{DecodeEventError, Decoded, END_EVENT, GAP_EVENT, Message, SseEvents};

use super::TestStream;

/// A stream that is being read as the events of one enum, made by [`TestStream::events`].
///
/// ```
/// use actix_web::test::TestRequest;
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{SseEvents, sse_stream, test};
///
/// #[derive(Serialize, Deserialize, SseEvents, Debug, PartialEq)]
/// enum Countdown {
///     Left(u8),
/// }
///
/// #[sse_stream]
/// async fn countdown() {
///     emit!(Countdown::Left(1));
///     emit!("something else");
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), actix_web::Error> {
/// let mut events = test::respond(countdown().await?, TestRequest::get()).events();
/// assert_eq!(events.next().await, Some(Countdown::Left(1)));
/// let mut stream = events.into_stream();
/// assert_eq!(stream.next().await.unwrap().data, "something else");
///
/// let events = test::respond(countdown().await?, TestRequest::get());
/// assert_eq!(events.collect().await.len(), 2);
/// # Ok(()) }
/// ```
pub struct TestEvents<T> {
    stream: TestStream,
    decode: fn(&Message) -> T,
}

impl<T: SseEvents> TestEvents<T> {
    pub(super) fn new(stream: TestStream) -> Self {
        Self {
            stream,
            decode: decode::<T>,
        }
    }

    /// The next event; `None` at the end, with `sse-end` or without.
    ///
    /// # Panics
    ///
    /// If the body fails, if an event does not match any variant of the enum, or if the stream sends a gap event,
    /// unless the enum has a variant with `#[sse(other)]`, which receives it.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            match self.stream.next_decoded().await? {
                Decoded::Message(message) if message.event == END_EVENT => {}
                Decoded::Message(message) => return Some((self.decode)(&message)),
                _ => {}
            }
        }
    }

    /// Every event up to the end.
    ///
    /// # Panics
    ///
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Vec<T> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// The stream itself, to continue without types.
    pub fn into_stream(self) -> TestStream {
        self.stream
    }
}

#[allow(clippy::panic, reason = "a test that cannot go on")]
fn decode<T: SseEvents>(message: &Message) -> T {
    match T::from_message(message) {
        Ok(event) => event,
        Err(DecodeEventError::Name { .. }) if message.event == GAP_EVENT.as_str() => {
            panic!(
                "the stream has a gap event, {}: read it as a `TestStream`",
                message.data
            )
        }
        Err(error) => panic!("{error}; its data is {:?}", message.data),
    }
}

impl<T> fmt::Debug for TestEvents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestEvents").field(&self.stream).finish()
    }
}
