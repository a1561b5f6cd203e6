//! The meaning of the lines of one event, as in
//! [interpreting an event stream](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).

use std::{mem, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use memchr::memchr;

use super::{
    DecodeError, Decoded, Message,
    data::{Data, empty},
    lines::{LONGEST_NAME, Line},
    text::{LastId, Names, Text},
};

const DEFAULT_NAME: ByteString = ByteString::from_static("message");

/// The buffers of the event that is being received, and the values that stay for the next events.
pub(super) struct Block {
    data: Data,
    /// None if it is empty.
    name: Option<ByteString>,
    /// The id of the event that is being received, if it has one. It becomes the last event id only at the empty line.
    id: Option<Text>,
    /// Bytes of the lines so far, as [`max_event_size`](crate::Decoder::max_event_size) counts them;
    /// 0 if there is nothing in the three above.
    size: usize,
    /// The event was too large; the rest of its lines have no effect.
    discarded: bool,

    names: Names,
    last_id: LastId,
    retry: Option<Duration>,
    limit: usize,
    comments: bool,
}

/// What to do with a line whose end has not come.
pub(super) enum Tail {
    Wanted,
    Unwanted,
    TooLarge(DecodeError),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Comment,
    Data,
    Event,
    Id,
    Retry,
}

impl Block {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            data: Data::default(),
            name: None,
            id: None,
            size: 0,
            discarded: false,
            names: Names::default(),
            last_id: LastId::default(),
            retry: None,
            limit,
            comments: false,
        }
    }

    pub(super) fn seed(&mut self, id: &str) {
        self.last_id.set(id);
    }

    pub(super) fn limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    pub(super) fn comments(&mut self, wanted: bool) {
        self.comments = wanted;
    }

    pub(super) fn last_event_id(&self) -> &str {
        self.last_id.as_str()
    }

    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn is_discarded(&self) -> bool {
        self.discarded
    }

    /// Whether an empty line is missing: something other than `retry` lines and comments has come.
    pub(super) fn is_unfinished(&self) -> bool {
        self.discarded || self.name.is_some() || self.id.is_some() || self.data.is_some()
    }

    /// True between two events of a stream without ids.
    #[inline]
    pub(super) fn is_between_events_without_ids(&self) -> bool {
        self.size == 0 && !self.discarded && self.last_id.as_str().is_empty()
    }

    /// True if neither an empty line nor a comment would have an effect now.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.size == 0 && !self.discarded && !self.comments
    }

    /// An unfinished line of at most this length cannot be too large.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.size)
    }

    /// Handles a complete line.
    #[inline]
    pub(super) fn line(&mut self, mut line: Line<'_>) -> Option<Result<Decoded, DecodeError>> {
        if let Line::Whole {
            chunk,
            line,
            ends_event: true,
        } = line
            && let Some(message) = self.only_data(chunk, line)
        {
            return Some(Ok(Decoded::Message(message)));
        }
        if line.bytes().is_empty() {
            return self.end();
        }
        let item = if self.discarded {
            None
        } else {
            self.field(&mut line)
        };
        match line {
            Line::Held(held) => empty(held),
            Line::Whole { ends_event: true, .. } => return self.end().or(item),
            Line::Whole { .. } => {}
        }
        item
    }

    /// The event that ends with this line and the empty line after it, if the line is its only data. Most events are
    /// like this, and this path takes two thirds of the general path's time.
    #[inline]
    fn only_data(&mut self, chunk: &Bytes, line: &[u8]) -> Option<Message> {
        let (Field::Data, value) = parse(line)? else {
            return None;
        };
        let fits = self.size.saturating_add(line.len()) < self.limit;
        if !fits || self.discarded || self.data.is_some() {
            return None;
        }
        self.size = 0;
        Some(self.message(Text::shared(chunk, value).into_text()))
    }

    /// Looks at a line that has not ended yet, in two pieces. The first piece was looked at before.
    #[inline]
    pub(super) fn tail(&mut self, held: &[u8], rest: &[u8]) -> Tail {
        let len = held.len() + rest.len();
        if held.len() <= LONGEST_NAME && (self.discarded || !self.may_matter(held, rest)) {
            return Tail::Unwanted;
        }
        if held.first().or(rest.first()) == Some(&b':') {
            if len > self.limit {
                return Tail::TooLarge(DecodeError::CommentTooLarge { limit: self.limit });
            }
        } else if len > LONGEST_NAME && self.size.saturating_add(len) > self.limit {
            return Tail::TooLarge(self.too_large());
        }
        Tail::Wanted
    }

    /// Copies the kept values, so that they no longer share the received chunk.
    #[inline]
    pub(super) fn detach_from_chunk(&mut self) {
        if self.size > 0 {
            self.data.detach_from_chunk();
            self.id.iter_mut().for_each(Text::detach_from_chunk);
        }
    }

    /// Forgets the unfinished event.
    pub(super) fn discard(&mut self) {
        self.data.clear();
        self.name = None;
        self.id = None;
        self.size = 0;
        self.discarded = false;
    }

    /// The empty line.
    #[inline]
    fn end(&mut self) -> Option<Result<Decoded, DecodeError>> {
        self.discarded = false;
        if mem::take(&mut self.size) == 0 {
            return None;
        }
        if let Some(data) = self.data.take() {
            return Some(Ok(Decoded::Message(self.message(data))));
        }
        self.name = None;
        if let Some(id) = self.id.take() {
            self.last_id.set(id.as_str());
        }
        None
    }

    /// The event with this data.
    #[inline]
    fn message(&mut self, data: ByteString) -> Message {
        let id = self.id.take();
        if let Some(id) = &id {
            self.last_id.set(id.as_str());
        }
        Message {
            event: self.name.take().unwrap_or(DEFAULT_NAME),
            data,
            last_event_id: id.map_or_else(|| self.last_id.shared(), Text::into_text),
        }
    }

    #[inline]
    fn field(&mut self, line: &mut Line<'_>) -> Option<Result<Decoded, DecodeError>> {
        let bytes = line.bytes();
        let (field, value) = parse(bytes)?;
        let size = bytes.len().saturating_add(1);
        if field == Field::Comment {
            return self.comments.then(|| {
                if size > self.limit {
                    return Err(DecodeError::CommentTooLarge { limit: self.limit });
                }
                Ok(Decoded::Comment(line.text(value).into_text()))
            });
        }
        self.size = self.size.saturating_add(size);
        if self.size > self.limit {
            return Some(Err(self.too_large()));
        }
        match field {
            Field::Data => {
                let start = bytes.len() - value.len();
                match line {
                    Line::Whole { chunk, line, .. } => {
                        self.data.push(chunk, line.get(start..).unwrap_or_default());
                    }
                    Line::Held(held) => self.data.push_held(held, start),
                }
            }
            Field::Event => self.name = (!value.is_empty()).then(|| self.names.get(value)),
            Field::Id if memchr(0, value).is_none() => self.id = Some(line.text(value)),
            Field::Retry => {
                let retry = Duration::from_millis(milliseconds(value)?);
                self.retry = Some(retry);
                return Some(Ok(Decoded::Retry(retry)));
            }
            Field::Id | Field::Comment => {}
        }
        None
    }

    /// True if a line that starts like this can have an effect.
    fn may_matter(&self, held: &[u8], rest: &[u8]) -> bool {
        let mut start = held.iter().chain(rest);
        let name: &[u8] = match start.next() {
            Some(b':') => return self.comments,
            Some(b'd') => b"ata:",
            Some(b'e') => b"vent:",
            Some(b'i') => b"d:",
            Some(b'r') => b"etry:",
            _ => return false,
        };
        start.zip(name).all(|(byte, expected)| byte == expected)
    }

    #[cold]
    fn too_large(&mut self) -> DecodeError {
        self.discard();
        self.discarded = true;
        DecodeError::EventTooLarge { limit: self.limit }
    }
}

/// The field and its value; `None` for an unknown field name.
#[inline]
fn parse(line: &[u8]) -> Option<(Field, &[u8])> {
    let (field, after) = match line {
        [b':', ..] => (Field::Comment, line),
        [b'd', b'a', b't', b'a', after @ ..] => (Field::Data, after),
        [b'e', b'v', b'e', b'n', b't', after @ ..] => (Field::Event, after),
        [b'i', b'd', after @ ..] => (Field::Id, after),
        [b'r', b'e', b't', b'r', b'y', after @ ..] => (Field::Retry, after),
        _ => return None,
    };
    match after {
        [] => Some((field, after)),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some((field, value)),
        _ => None,
    }
}

/// A `retry` value: digits and nothing else, at least one. A number above `u64::MAX` counts as `u64::MAX`.
fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    })
}
