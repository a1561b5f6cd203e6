//! Says in HTTP/2 that a stream was cut off.
//!
//! actix's dispatcher drops a stream whose body fails, and the crate `h2` then resets it with CANCEL. Some clients, as those of
//! Node, take CANCEL for the end of a complete answer. `INTERNAL_ERROR` is an error for all of them, so the code of each such
//! frame is replaced while it is written
//! ([RFC 9113, 6.4](https://www.rfc-editor.org/rfc/rfc9113#section-6.4) and
//! [7](https://www.rfc-editor.org/rfc/rfc9113#section-7)).

use std::io::IoSlice;

use smallvec::SmallVec;

/// The length of a frame's header ([RFC 9113, 4.1](https://www.rfc-editor.org/rfc/rfc9113#section-4.1)).
const HEADER: usize = 9;

/// The type of a frame that resets a stream.
const RST_STREAM: u8 = 3;

/// The place of the last byte of a reset's code in the frame. The first three bytes of all codes are 0.
const CODE: usize = HEADER + 3;

const INTERNAL_ERROR: u8 = 2;
const CANCEL: u8 = 8;

/// Finds resets in the bytes that a server writes to a connection on HTTP/2.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResetFinder {
    header: [u8; HEADER],
    /// How many bytes of the current frame were read.
    position: usize,
}

impl ResetFinder {
    /// All bytes with the codes replaced; `None` if they contain no reset with CANCEL.
    pub(super) fn replace(mut self, bufs: &[IoSlice<'_>]) -> Option<Vec<u8>> {
        let mut found = SmallVec::<[usize; 4]>::new();
        let mut offset = 0;
        for buf in bufs {
            self.read(buf, |at| found.push(offset + at));
            offset += buf.len();
        }
        if found.is_empty() {
            return None;
        }
        let mut bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        for at in found {
            if let Some(code) = bytes.get_mut(at) {
                *code = INTERNAL_ERROR;
            }
        }
        Some(bytes)
    }

    /// Advances past bytes that were written.
    pub(super) fn advance(&mut self, bufs: &[IoSlice<'_>], mut written: usize) {
        for buf in bufs {
            let taken = buf.get(..written.min(buf.len())).unwrap_or_default();
            self.read(taken, |_| {});
            written -= taken.len();
        }
    }

    /// Reads bytes, and calls `found` with the place of each code that is CANCEL.
    fn read(&mut self, bytes: &[u8], mut found: impl FnMut(usize)) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Some(free) = self.header.get_mut(self.position) {
                *free = byte;
                self.position += 1;
                at += 1;
            } else {
                let left = bytes.len() - at;
                let taken = left.min(self.frame_len() - self.position);
                if self.is_reset()
                    && let Some(code) = CODE.checked_sub(self.position)
                    && code < taken
                    && bytes.get(at + code) == Some(&CANCEL)
                {
                    found(at + code);
                }
                self.position += taken;
                at += taken;
            }
            if self.position >= HEADER && self.position == self.frame_len() {
                self.position = 0;
            }
        }
    }

    fn frame_len(&self) -> usize {
        let [first, second, third, ..] = self.header;
        HEADER + u32::from_be_bytes([0, first, second, third]) as usize
    }

    fn is_reset(&self) -> bool {
        let [_, _, _, frame_type, ..] = self.header;
        frame_type == RST_STREAM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of stream 1.
    fn frame(frame_type: u8, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[1..], &[frame_type, 0, 0, 0, 0, 1], payload].concat()
    }

    /// What a client receives if the socket takes so many bytes at a time, from buffers of so many bytes.
    fn send(bytes: &[u8], buffer: usize, at_a_time: usize) -> Vec<u8> {
        let (mut finder, mut sent, mut received) = (ResetFinder::default(), 0, Vec::new());
        while sent < bytes.len() {
            let bufs: Vec<_> = bytes[sent..].chunks(buffer).map(IoSlice::new).collect();
            let written = at_a_time.min(bytes.len() - sent);
            let whole = finder.replace(&bufs).unwrap_or_else(|| bytes[sent..].to_vec());
            received.extend_from_slice(&whole[..written]);
            finder.advance(&bufs, written);
            sent += written;
        }
        received
    }

    #[test]
    fn cancel_becomes_internal_error_however_the_bytes_are_cut() {
        let frames = |code: u8| {
            [
                frame(4, &[]),
                // Data that looks like a reset.
                frame(0, &frame(RST_STREAM, &[0, 0, 0, CANCEL])),
                frame(RST_STREAM, &[0, 0, 0, code]),
                frame(RST_STREAM, &[0, 0, 0, 0]),
                frame(6, &[CANCEL; 8]),
                frame(RST_STREAM, &[0, 0, 0, code]),
                frame(0, &[CANCEL; 1_000]),
            ]
            .concat()
        };
        let bytes = frames(CANCEL);
        for buffer in [1, 2, 5, 9, 13, 64, bytes.len()] {
            for at_a_time in [1, 3, 9, 10, 13, 100, bytes.len()] {
                assert_eq!(
                    send(&bytes, buffer, at_a_time),
                    frames(INTERNAL_ERROR),
                    "{buffer} {at_a_time}"
                );
            }
        }
    }

    #[test]
    fn bytes_without_a_reset_are_not_copied() {
        let bytes = [frame(0, &[CANCEL; 100]), frame(RST_STREAM, &[0, 0, 0, 0])].concat();
        assert_eq!(ResetFinder::default().replace(&[IoSlice::new(&bytes)]), None);
    }
}
