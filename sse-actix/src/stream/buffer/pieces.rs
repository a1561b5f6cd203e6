//! What was pushed and not taken, in its order. Small events are copied together, large frames are shared.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};

use super::{CAPACITY, HIGH_WATER, MAX_REUSED_CAPACITY};

/// A frame of this size or more is shared wherever it stands. A smaller one is copied, unless it is all there is. So what
/// is copied for one stream is less than the limit and one such frame, however large its events are.
pub(super) const MIN_SHARED_FRAME: usize = HIGH_WATER;

/// What was pushed and not taken.
#[derive(Default)]
pub(super) struct Pieces {
    /// What leaves first, piece by piece. No piece is empty. Most streams never have one.
    queue: VecDeque<Bytes>,
    /// How many bytes are in `queue`.
    queue_len: usize,
    /// A frame that is shared with others, if that is all there is behind `queue`.
    shared: Option<Bytes>,
    /// What is copied. Empty if there is a `shared`.
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
        self.queue_len + self.shared.as_ref().map_or(self.bytes.len(), Bytes::len)
    }

    /// Whether there may be more than one piece.
    #[inline]
    pub(super) fn has_queue(&self) -> bool {
        self.queue_len > 0
    }

    /// Where to append.
    #[inline]
    pub(super) fn end(&mut self) -> &mut BytesMut {
        if self.shared.is_some() {
            self.unshare();
        }
        &mut self.bytes
    }

    /// Lets something be appended to a frame that was all there is.
    #[inline(never)]
    fn unshare(&mut self) {
        if let Some(shared) = self.shared.take() {
            if shared.len() < MIN_SHARED_FRAME {
                self.bytes.extend_from_slice(&shared);
            } else {
                self.push_to_queue(shared);
            }
        }
    }

    /// Appends a frame that others hold as well.
    #[inline]
    pub(super) fn push_shared(&mut self, frame: &Bytes) {
        if self.shared.is_none() && self.bytes.is_empty() {
            self.shared = Some(frame.clone());
        } else if frame.len() < MIN_SHARED_FRAME {
            self.end().extend_from_slice(frame);
        } else {
            self.push_large(frame);
        }
    }

    #[cold]
    fn push_large(&mut self, frame: &Bytes) {
        self.end();
        self.finish_copied();
        self.shared = Some(frame.clone());
    }

    /// Lets what was copied leave as a piece of its own.
    fn finish_copied(&mut self) {
        // What is left behind a huge event would hold all of its memory.
        let copied = if self.bytes.len() > MAX_REUSED_CAPACITY {
            mem::take(&mut self.bytes)
        } else {
            self.bytes.split()
        };
        if !copied.is_empty() {
            self.push_to_queue(copied.freeze());
        }
    }

    #[cold]
    fn push_to_queue(&mut self, piece: Bytes) {
        self.queue_len += piece.len();
        self.queue.push_back(piece);
    }

    /// Puts a piece in front of everything.
    pub(super) fn put_back(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.queue_len += piece.len();
            self.queue.push_front(piece);
        }
    }

    /// Puts bytes in front of everything, in one piece with what is no more than fits a chunk.
    pub(super) fn prepend(&mut self, bytes: Bytes) {
        let fits = match &self.shared {
            Some(shared) => shared.len() < MIN_SHARED_FRAME,
            None => self.bytes.len() <= CAPACITY,
        };
        if !self.has_queue() && fits {
            let rest = self.take_only().unwrap_or_default();
            self.bytes.extend_from_slice(&bytes);
            self.bytes.extend_from_slice(&rest);
        } else {
            self.put_back(bytes);
        }
    }

    /// All there is, if that is [not divided](Self::has_queue); `None` if nothing is there.
    #[inline]
    pub(super) fn take_only(&mut self) -> Option<Bytes> {
        let shared = self.shared.take();
        shared.or_else(|| (!self.bytes.is_empty()).then(|| self.bytes.split().freeze()))
    }

    /// The first of several pieces.
    #[cold]
    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        let piece = self.queue.pop_front()?;
        self.queue_len -= piece.len();
        Some(piece)
    }

    /// Moves all there is to a buffer of its own, and leaves room for so many bytes if there is none.
    #[cold]
    pub(super) fn move_out(&mut self, room: usize) -> Self {
        self.finish_copied();
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(room);
        }
        Self {
            queue: mem::take(&mut self.queue),
            queue_len: mem::take(&mut self.queue_len),
            shared: self.shared.take(),
            bytes: BytesMut::new(),
        }
    }

    /// Keeps the first so many bytes.
    #[cold]
    pub(super) fn truncate(&mut self, len: usize) {
        let mut left = len;
        self.queue.retain_mut(|piece| {
            piece.truncate(left);
            left -= piece.len();
            !piece.is_empty()
        });
        self.queue_len = len - left;
        self.bytes.truncate(left);
        if let Some(shared) = &mut self.shared {
            shared.truncate(left);
        }
        self.shared = self.shared.take().filter(|shared| !shared.is_empty());
    }
}
