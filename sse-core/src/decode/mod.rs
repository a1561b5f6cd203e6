//! Turns bytes back into events: the [`Decoder`].
//!
//! `lines` cuts chunks into lines, `block` gives the lines of one event their meaning, `data` and
//! `text` hold values without copying them where that is possible.

mod block;
mod data;
mod error;
mod lines;
mod text;

use std::{fmt, time::Duration};

use bytes::Bytes;
pub use bytestring::ByteString;

pub use self::error::DecodeError;
use self::{
    block::{Block, Tail},
    lines::Lines,
};

/// The beginning of an event with one line of data.
const DATA: &[u8] = b"data: ";

/// Turns the bytes of an event stream, however they are cut, back into events.
///
/// [`feed`](Self::feed) it each chunk as it arrives, then iterate until `None`, which means that more
/// bytes are needed. Any split of a stream gives the same items, each as soon as it is complete: an
/// event that ends in CR is not held back until it is clear whether LF follows.
///
/// ```
/// use sse_actix_core::{Decoded, Decoder, Message};
///
/// let mut decoder = Decoder::new();
/// decoder.feed("event: price\nid: 7\ndata: 1");
/// assert_eq!(decoder.next(), None);
///
/// decoder.feed("2.5\n\n");
/// let message = Message { event: "price".into(), data: "12.5".into(), last_event_id: "7".into() };
/// assert_eq!(decoder.next(), Some(Ok(Decoded::Message(message))));
/// assert_eq!(decoder.next(), None);
/// ```
///
/// It follows the standard's
/// [parsing](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream) and
/// [interpretation](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation): one
/// leading byte order mark is dropped, malformed UTF-8 becomes U+FFFD, an id persists until the next, is reset by an
/// empty one and is ignored when it holds NUL, and an event that the end of the stream cuts off is never returned.
///
/// # Cost
///
/// Time is linear in the bytes, whatever their split. Data and an id that lie in one chunk share its memory, so a
/// message keeps its chunk alive. The decoder itself releases a chunk before it asks for the next. Its memory is
/// bounded by [`max_event_size`](Self::max_event_size).
///
/// # Reconnecting
///
/// Wait for [`retry`](Self::retry), send [`last_event_id`](Self::last_event_id) as the `Last-Event-ID` header, and call
/// [`reconnect`](Self::reconnect) before the first new chunk.
pub struct Decoder {
    lines: Lines,
    block: Block,
}

/// An item of a stream.
///
/// ```
/// # use std::time::Duration;
/// # use sse_actix_core::{Decoded, Decoder};
/// let mut decoder = Decoder::new();
/// decoder.feed("retry: 2000\ndata\n\n");
/// assert_eq!(decoder.next(), Some(Ok(Decoded::Retry(Duration::from_secs(2)))));
/// assert!(matches!(decoder.next(), Some(Ok(Decoded::Message(message))) if message.data.is_empty()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decoded {
    /// An event.
    Message(Message),
    /// The server asks for this reconnection time from now on. Milliseconds on the wire.
    Retry(Duration),
    /// A comment line, without its colon and one space after it; only if
    /// [asked for](Decoder::comments).
    Comment(ByteString),
}

/// An event, as a browser would dispatch it.
///
/// The texts are cheap to clone and may share the received chunk: to keep one for long, copy it
/// (`message.data.to_string()`).
///
/// ```
/// # use sse_actix_core::{Decoded, Decoder, Message};
/// let mut decoder = Decoder::new();
/// decoder.feed("data: a\ndata: b\n\n");
/// let Some(Ok(Decoded::Message(Message { event, data, last_event_id }))) = decoder.next() else { panic!() };
/// assert_eq!((&*event, &*data, &*last_event_id), ("message", "a\nb", ""));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// The name; `message` if the stream gave none.
    pub event: ByteString,
    /// The data; several lines are joined with LF.
    pub data: ByteString,
    /// The last event id when this event was dispatched: its own or, if it had none, that of an
    /// earlier one; empty if there is none.
    pub last_event_id: ByteString,
}

impl Decoder {
    /// The default of [`max_event_size`](Decoder::max_event_size): 16 MiB.
    pub const DEFAULT_MAX_EVENT_SIZE: usize = 16 * 1024 * 1024;

    /// A decoder for a stream from its beginning.
    pub fn new() -> Self {
        Self {
            lines: Lines::new(),
            block: Block::new(Self::DEFAULT_MAX_EVENT_SIZE),
        }
    }

    /// A decoder for a stream that was requested with this `Last-Event-ID`. As in browsers, events have this id until
    /// the stream sends another.
    ///
    /// ```
    /// # use sse_actix_core::{Decoded, Decoder};
    /// let mut decoder = Decoder::with_last_event_id("41");
    /// decoder.feed("data\n\n");
    /// let Some(Ok(Decoded::Message(message))) = decoder.next() else { panic!() };
    /// assert_eq!(message.last_event_id, "41");
    /// ```
    pub fn with_last_event_id(id: &str) -> Self {
        let mut decoder = Self::new();
        decoder.block.seed(id);
        decoder
    }

    /// The most bytes that the `data`, `event`, `id` and `retry` lines of one event may take on the
    /// wire, each line break counted as one. Default: [`Self::DEFAULT_MAX_EVENT_SIZE`].
    ///
    /// A larger event is one error, and the next event after it is decoded normally. The same limit applies to each
    /// comment, if comments are wanted. The decoder never holds more than a small multiple of this limit: buffers
    /// double when they grow, and the last event id and name are kept.
    ///
    /// ```
    /// # use sse_actix_core::{DecodeError, Decoded, Decoder};
    /// let mut decoder = Decoder::new().max_event_size(12);
    /// decoder.feed("data: far too long\n\ndata: short\n\n");
    /// assert_eq!(decoder.next(), Some(Err(DecodeError::EventTooLarge { limit: 12 })));
    /// let Some(Ok(Decoded::Message(message))) = decoder.next() else { panic!() };
    /// assert_eq!(message.data, "short");
    /// ```
    #[must_use]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.block.limit(bytes);
        self
    }

    /// Also returns comments. Default: no.
    ///
    /// ```
    /// # use sse_actix_core::{Decoded, Decoder};
    /// let mut decoder = Decoder::new().comments(true);
    /// decoder.feed(": keep-alive\n\n");
    /// assert_eq!(decoder.next(), Some(Ok(Decoded::Comment("keep-alive".into()))));
    /// ```
    #[must_use]
    pub fn comments(mut self, wanted: bool) -> Self {
        self.block.comments(wanted);
        self
    }

    /// Takes the next bytes of the stream: `Bytes`, or anything that becomes them without a copy.
    /// Borrowed ones are copied with [`Bytes::copy_from_slice`].
    ///
    /// Iterate until `None` before you feed the next chunk. Otherwise the items are not lost, but the chunks are queued
    /// without a bound.
    #[inline]
    pub fn feed(&mut self, chunk: impl Into<Bytes>) {
        self.lines
            .feed(chunk.into(), self.block.is_idle(), self.block.room());
    }

    /// Prepares for the bytes of a new connection: an unfinished event and unread chunks are discarded, and the stream
    /// may begin with a byte order mark again. The last event id, the reconnection time and the settings stay.
    ///
    /// ```
    /// # use sse_actix_core::{Decoded, Decoder};
    /// let mut decoder = Decoder::new();
    /// decoder.feed("id: 7\ndata: a\n\nid: 8\ndata: cut o");
    /// assert_eq!(decoder.by_ref().count(), 1);
    ///
    /// decoder.reconnect();
    /// assert_eq!(decoder.last_event_id(), "7");
    /// decoder.feed("\u{FEFF}data: b\n\n");
    /// let Some(Ok(Decoded::Message(message))) = decoder.next() else { panic!() };
    /// assert_eq!((&*message.data, &*message.last_event_id), ("b", "7"));
    /// ```
    pub fn reconnect(&mut self) {
        self.lines = Lines::new();
        self.block.discard();
    }

    /// The next received events, and their number. Each event consists of [`DATA`], the rest of the line, and an empty
    /// line.
    #[inline]
    pub(crate) fn next_events_of_one_line(&mut self) -> Option<(Bytes, u64)> {
        if !self.block.is_between_events_without_ids() {
            return None;
        }
        self.lines.next_events_of_one_line(DATA, self.block.room())
    }

    /// The last event id, to be sent as
    /// [`Last-Event-ID`](https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header) on
    /// reconnection unless it is empty. It changes at the empty line of an event, even if the event had no data and was
    /// not returned.
    ///
    /// ```
    /// # use sse_actix_core::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed("id: checkpoint\n\n");
    /// assert_eq!(decoder.next(), None);
    /// assert_eq!(decoder.last_event_id(), "checkpoint");
    /// ```
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id()
    }

    /// True if the stream would be incomplete if it ended here: there is a line without its line break, or there are
    /// lines of an event without the empty line after them. Call it after iterating has returned `None`.
    ///
    /// A server that closes its connection cleanly at such a place has not sent everything. Comments and `retry` lines
    /// need no empty line.
    ///
    /// ```
    /// # use sse_actix_core::Decoder;
    /// let mut decoder = Decoder::new();
    /// for (chunk, unfinished) in [
    ///     ("data: a\n\n", false),
    ///     ("retry: 1000\n: comment\n", false),
    ///     ("data: b", true),
    ///     ("\n", true),
    ///     ("\n", false),
    /// ] {
    ///     decoder.feed(chunk);
    ///     decoder.by_ref().for_each(drop);
    ///     assert_eq!(decoder.is_unfinished(), unfinished, "{chunk:?}");
    /// }
    /// ```
    pub fn is_unfinished(&self) -> bool {
        self.lines.is_inside_line() || self.block.is_unfinished()
    }

    /// The reconnection time that the stream last asked for; `None` if it never did.
    ///
    /// Only digits count; a number above `u64::MAX` counts as `u64::MAX`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_actix_core::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed("retry: 1500\nretry: 5s\nretry: +7\nretry:\n");
    /// assert_eq!(decoder.by_ref().count(), 1);
    /// assert_eq!(decoder.retry(), Some(Duration::from_millis(1_500)));
    /// ```
    pub fn retry(&self) -> Option<Duration> {
        self.block.retry()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the items of the bytes fed so far. `None` is not the end: there may be more after the next
/// [`feed`](Decoder::feed).
///
/// ```
/// # use sse_actix_core::{DecodeError, Decoded, Decoder};
/// let (mut decoder, mut read) = (Decoder::new(), Vec::new());
/// for chunk in ["data: a\n\nda", "ta: b\n\n"] {
///     decoder.feed(chunk);
///     for item in &mut decoder {
///         if let Decoded::Message(message) = item? {
///             read.push(message.data);
///         }
///     }
/// }
/// assert_eq!(read, ["a", "b"]);
/// # Ok::<(), DecodeError>(())
/// ```
impl Iterator for Decoder {
    /// [`DecodeError`] reports an event that was discarded; decoding continues after it.
    type Item = Result<Decoded, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.lines.is_empty() {
            return None;
        }
        self.advance()
    }
}

impl Decoder {
    fn advance(&mut self) -> Option<Result<Decoded, DecodeError>> {
        loop {
            if self.block.is_idle() {
                self.lines.pass_over_comments();
            }
            while let Some(line) = self.lines.next() {
                if let Some(item) = self.block.line(line) {
                    return Some(item);
                }
            }
            if let Some((held, rest)) = self.lines.tail() {
                match self.block.tail(held, rest) {
                    Tail::Wanted => self.lines.hold(),
                    Tail::Unwanted => self.lines.skip(),
                    Tail::TooLarge(error) => {
                        self.lines.skip();
                        return Some(Err(error));
                    }
                }
            }
            self.block.detach_from_chunk();
            if !self.lines.next_chunk() {
                return None;
            }
        }
    }
}

/// Prints the number of unread bytes, not the bytes themselves, because there may be many.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("last_event_id", &self.last_event_id())
            .field("retry", &self.retry())
            .field("unread_bytes", &self.lines.unread())
            .field("unfinished_bytes", &(self.lines.held() + self.block.size()))
            .field("discarding", &self.block.is_discarded())
            .finish_non_exhaustive()
    }
}
