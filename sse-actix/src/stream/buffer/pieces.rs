//! What was pushed and not taken, in its order. Small events are copied together, large frames are shared.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};

use super::{CAPACITY, HIGH_WATER, KEPT_CHUNK};

/// A frame of this size or more is shared wherever it stands. A smaller one is copied, unless it is all there is. So what
/// is copied for one stream is less than the mark and one such frame, however large its events are.
pub(super) const MIN_SHARED_FRAME: usize = HIGH_WATER;

/// What was pushed and not taken.
#[derive(Default)]
pub(super) struct Pieces {
    /// What leaves first, piece by piece. No piece is empty. Most streams never have one.
    before: VecDeque<Bytes>,
    /// How many bytes are in `before`.
    before_len: usize,
    /// A frame that is shared with others, if that is all there is behind `before`.
    whole: Option<Bytes>,
    /// What is copied. Empty if there is a `whole`.
    pub(super) bytes: BytesMut,
}

impl Pieces {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(bytes),
            ..Self::default()
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.before_len + self.whole.as_ref().map_or(self.bytes.len(), Bytes::len)
    }

    /// Whether there may be more than one piece.
    #[inline]
    pub(super) fn is_divided(&self) -> bool {
        self.before_len > 0
    }

    /// Where to append.
    #[inline]
    pub(super) fn end(&mut self) -> &mut BytesMut {
        if self.whole.is_some() {
            self.open_whole();
        }
        &mut self.bytes
    }

    /// Lets something be appended to a frame that was all there is.
    #[inline(never)]
    fn open_whole(&mut self) {
        if let Some(whole) = self.whole.take() {
            if whole.len() < MIN_SHARED_FRAME {
                self.bytes.extend_from_slice(&whole);
            } else {
                self.push_before(whole);
            }
        }
    }

    /// Appends a frame that others hold as well.
    #[inline]
    pub(super) fn push_shared(&mut self, frame: &Bytes) {
        if self.whole.is_none() && self.bytes.is_empty() {
            self.whole = Some(frame.clone());
        } else if frame.len() < MIN_SHARED_FRAME {
            self.end().extend_from_slice(frame);
        } else {
            self.push_large(frame);
        }
    }

    #[cold]
    fn push_large(&mut self, frame: &Bytes) {
        self.end();
        self.close();
        self.whole = Some(frame.clone());
    }

    /// Lets what was copied leave as a piece of its own.
    fn close(&mut self) {
        // What is left behind a huge event would hold all of its memory.
        let copied = if self.bytes.len() > KEPT_CHUNK {
            mem::take(&mut self.bytes)
        } else {
            self.bytes.split()
        };
        if !copied.is_empty() {
            self.push_before(copied.freeze());
        }
    }

    #[cold]
    fn push_before(&mut self, piece: Bytes) {
        self.before_len += piece.len();
        self.before.push_back(piece);
    }

    /// Puts a piece in front of everything.
    pub(super) fn put_back(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.before_len += piece.len();
            self.before.push_front(piece);
        }
    }

    /// Puts bytes in front of everything, in one piece with what is no more than fits a chunk.
    pub(super) fn prepend(&mut self, bytes: Bytes) {
        let fits = match &self.whole {
            Some(whole) => whole.len() < MIN_SHARED_FRAME,
            None => self.bytes.len() <= CAPACITY,
        };
        if !self.is_divided() && fits {
            let rest = self.take_undivided().unwrap_or_default();
            self.bytes.extend_from_slice(&bytes);
            self.bytes.extend_from_slice(&rest);
        } else {
            self.put_back(bytes);
        }
    }

    /// All there is, if that is [not divided](Self::is_divided); `None` if nothing is there.
    #[inline]
    pub(super) fn take_undivided(&mut self) -> Option<Bytes> {
        let whole = self.whole.take();
        whole.or_else(|| (!self.bytes.is_empty()).then(|| self.bytes.split().freeze()))
    }

    /// The first of several pieces.
    #[cold]
    pub(super) fn take_first(&mut self) -> Option<Bytes> {
        let piece = self.before.pop_front()?;
        self.before_len -= piece.len();
        Some(piece)
    }

    /// Moves all there is to a buffer of its own, and leaves room for so many bytes if there is none.
    #[cold]
    pub(super) fn split(&mut self, room: usize) -> Self {
        self.close();
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(room);
        }
        Self {
            before: mem::take(&mut self.before),
            before_len: mem::take(&mut self.before_len),
            whole: self.whole.take(),
            bytes: BytesMut::new(),
        }
    }

    /// Keeps the first so many bytes.
    #[cold]
    pub(super) fn truncate(&mut self, len: usize) {
        let mut left = len;
        self.before.retain_mut(|piece| {
            piece.truncate(left);
            left -= piece.len();
            !piece.is_empty()
        });
        self.before_len = len - left;
        self.bytes.truncate(left);
        if let Some(whole) = &mut self.whole {
            whole.truncate(left);
        }
        self.whole = self.whole.take().filter(|whole| !whole.is_empty());
    }
}
