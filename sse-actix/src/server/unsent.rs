//! The bytes of a handed-over connection that wait for its socket.

use bytes::{Buf as _, Bytes};

/// The part of a chunk that the socket did not take.
pub(super) struct Unsent {
    pub(super) size_line: Bytes,
    pub(super) body: Bytes,
    pub(super) end: Bytes,
}

impl Unsent {
    pub(super) fn advance(&mut self, mut sent: usize) {
        for piece in [&mut self.size_line, &mut self.body, &mut self.end] {
            let taken = sent.min(piece.len());
            piece.advance(taken);
            sent -= taken;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end.is_empty() && self.body.is_empty() && self.size_line.is_empty()
    }
}
