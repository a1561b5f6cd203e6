//! The data buffer of
//! [the standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation). As long
//! as the data is one line of one chunk, it shares the chunk's memory.

use std::mem;

use bytes::Bytes;
use bytestring::ByteString;

use super::text::Text;

/// A buffer of at least this size becomes the message's memory, if it is at least half full. Shorter data is copied out
/// of the buffer: this costs less than a new buffer, and the message holds no unused memory.
const MIN_HANDED_OVER: usize = 4 * 1024;
/// A larger buffer is not kept for the next event.
pub(super) const KEPT_CAPACITY: usize = 64 * 1024;

/// Leaves a buffer empty for the next event.
pub(super) fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_CAPACITY {
        *buffer = Vec::new();
    }
}

/// The data lines of one event, joined with LF.
#[derive(Default)]
pub(super) struct Data {
    lines: DataLines,
    /// The joined data, from `start` on.
    joined: Vec<u8>,
    start: usize,
    /// The buffer's length when it last became a message's memory, up to [`KEPT_CAPACITY`].
    usual: usize,
}

#[derive(Default)]
enum DataLines {
    #[default]
    None,
    One(Text),
    Joined,
}

impl Data {
    /// A value that is a part of `chunk`.
    #[inline]
    pub(super) fn push(&mut self, chunk: &Bytes, value: &[u8]) {
        if let DataLines::None = self.lines {
            self.lines = DataLines::One(Text::shared(chunk, value));
        } else {
            self.join(value);
        }
    }

    /// Appends the value that starts at `start` in `held`. The content of `held` is unspecified afterwards.
    pub(super) fn push_held(&mut self, held: &mut Vec<u8>, start: usize) {
        if let DataLines::None = self.lines {
            mem::swap(&mut self.joined, held);
            self.start = start;
            self.lines = DataLines::Joined;
        } else {
            self.join(held.get(start..).unwrap_or_default());
        }
    }

    /// Copies the data, so that it no longer shares the received chunk.
    #[inline]
    pub(super) fn detach_from_chunk(&mut self) {
        if let DataLines::One(_) = self.lines {
            self.copy();
        }
    }

    /// The data, if there was a `data` line.
    #[inline]
    pub(super) fn take(&mut self) -> Option<ByteString> {
        match mem::take(&mut self.lines) {
            DataLines::None => None,
            DataLines::One(text) => Some(text.into_text()),
            DataLines::Joined => Some(self.take_joined()),
        }
    }

    /// Whether there was a `data` line.
    pub(super) fn is_some(&self) -> bool {
        !matches!(self.lines, DataLines::None)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn join(&mut self, value: &[u8]) {
        self.copy();
        self.joined.push(b'\n');
        self.joined.extend_from_slice(value);
    }

    fn copy(&mut self) {
        if let DataLines::One(text) = mem::replace(&mut self.lines, DataLines::Joined) {
            self.start = 0;
            if self.joined.capacity() == 0 {
                self.joined.reserve(self.usual);
            }
            self.joined.extend_from_slice(text.as_str().as_bytes());
        }
    }

    fn take_joined(&mut self) -> ByteString {
        let value = self.joined.get(self.start..).unwrap_or_default();
        let text = if value.len() < MIN_HANDED_OVER.max(self.joined.capacity() / 2) {
            let text = Text::copied(value);
            empty(&mut self.joined);
            text
        } else {
            self.usual = self.joined.len().min(KEPT_CAPACITY);
            let mut bytes = Bytes::from(mem::take(&mut self.joined));
            Text::owned(&bytes.split_off(self.start))
        };
        text.into_text()
    }
}
