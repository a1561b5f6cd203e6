//! The bytes that were pushed and not taken, in order. Small events are copied together, large frames are shared.

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};

use super::{CAPACITY, HIGH_WATER, MAX_REUSED_CAPACITY};

/// A frame of this size or more is always shared. A smaller frame is copied, unless it is the only one in the buffer.
/// So a stream copies at most the buffer limit plus one small frame, however large its events are.
pub(super) const MIN_SHARED_FRAME: usize = HIGH_WATER;

/// The bytes that were pushed and not taken.
#[derive(Default)]
pub(super) struct Pieces {
    /// The pieces that are sent first, in order. No piece is empty. Most streams never have one.
    queue: VecDeque<Bytes>,
    /// How many bytes are in `queue`.
    queue_len: usize,
    /// A shared frame, if it is the only content after `queue`.
    shared: Option<Bytes>,
    /// The copied bytes. Empty if there is a `shared`.
    pub(super) copied: BytesMut,
}

impl Pieces {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            copied: BytesMut::with_capacity(bytes),
            ..Self::default()
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.queue_len + self.shared.as_ref().map_or(self.copied.len(), Bytes::len)
    }

    /// True if there may be more than one piece.
    #[inline]
    pub(super) fn has_queue(&self) -> bool {
        self.queue_len > 0
    }

    /// The buffer to append to.
    #[inline]
    pub(super) fn end(&mut self) -> &mut BytesMut {
        if self.shared.is_some() {
            self.unshare();
        }
        &mut self.copied
    }

    /// Makes it possible to append after a shared frame.
    #[inline(never)]
    fn unshare(&mut self) {
        if let Some(shared) = self.shared.take() {
            if shared.len() < MIN_SHARED_FRAME {
                self.copied.extend_from_slice(&shared);
            } else {
                self.push_to_queue(shared);
            }
        }
    }

    /// Appends a frame that other streams hold as well.
    #[inline]
    pub(super) fn push_shared(&mut self, frame: &Bytes) {
        if self.shared.is_none() && self.copied.is_empty() {
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

    /// Finishes the copied bytes as a separate piece.
    fn finish_copied(&mut self) {
        // The bytes after a huge event would otherwise keep all of its memory alive.
        let copied = if self.copied.len() > MAX_REUSED_CAPACITY {
            mem::take(&mut self.copied)
        } else {
            self.copied.split()
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

    /// Puts a piece before all others.
    pub(super) fn put_back(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.queue_len += piece.len();
            self.queue.push_front(piece);
        }
    }

    /// Prepends bytes. If the buffered bytes are few enough, both become one piece.
    pub(super) fn prepend(&mut self, bytes: Bytes) {
        let fits = match &self.shared {
            Some(shared) => shared.len() < MIN_SHARED_FRAME,
            None => self.copied.len() <= CAPACITY,
        };
        if !self.has_queue() && fits {
            let rest = self.take_only().unwrap_or_default();
            self.copied.extend_from_slice(&bytes);
            self.copied.extend_from_slice(&rest);
        } else {
            self.put_back(bytes);
        }
    }

    /// Takes all bytes, if they are [one piece](Self::has_queue); `None` if there are none.
    #[inline]
    pub(super) fn take_only(&mut self) -> Option<Bytes> {
        let shared = self.shared.take();
        shared.or_else(|| (!self.copied.is_empty()).then(|| self.copied.split().freeze()))
    }

    /// Takes the first of several pieces.
    #[cold]
    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        let piece = self.queue.pop_front()?;
        self.queue_len -= piece.len();
        Some(piece)
    }

    /// Moves all bytes to a separate buffer, and reserves `room` bytes if there are none.
    #[cold]
    pub(super) fn move_out(&mut self, room: usize) -> Self {
        self.finish_copied();
        if self.copied.capacity() == 0 {
            self.copied.reserve(room);
        }
        Self {
            queue: mem::take(&mut self.queue),
            queue_len: mem::take(&mut self.queue_len),
            shared: self.shared.take(),
            copied: BytesMut::new(),
        }
    }

    /// Keeps the first `len` bytes.
    #[cold]
    pub(super) fn truncate(&mut self, len: usize) {
        let mut left = len;
        self.queue.retain_mut(|piece| {
            piece.truncate(left);
            left -= piece.len();
            !piece.is_empty()
        });
        self.queue_len = len - left;
        self.copied.truncate(left);
        if let Some(shared) = &mut self.shared {
            shared.truncate(left);
        }
        self.shared = self.shared.take().filter(|shared| !shared.is_empty());
    }
}
