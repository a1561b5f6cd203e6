//! Where a reader's frames go.

use bytes::Bytes;
use sse_actix_core::{Entry, Frame, PositionsLine};

use crate::stream::buffer::EventBuffer;

/// Where frames go.
pub(in crate::hub) trait FrameTarget {
    fn is_full(&self) -> bool;
    fn entry(&mut self, entry: &Entry, id: IdLine<'_>);
    fn frame(&mut self, frame: &Frame);
    /// Not counted: it was not published.
    fn position(&mut self, frame: &Frame) {
        self.frame(frame);
    }
}

/// The id line of an entry, as one reader gets it.
pub(in crate::hub) enum IdLine<'a> {
    Own,
    None,
    Positions(&'a PositionsLine),
}

/// A buffer, to be filled up to a mark.
pub(super) struct LimitedBuffer<'a> {
    pub(super) buffer: &'a EventBuffer,
    pub(super) mark: usize,
}

impl FrameTarget for LimitedBuffer<'_> {
    fn is_full(&self) -> bool {
        self.buffer.has_at_least(self.mark)
    }

    fn entry(&mut self, entry: &Entry, id: IdLine<'_>) {
        match id {
            IdLine::Own => self.buffer.push_shared(entry.frame()),
            IdLine::None => self.buffer.push_with_id(b"", entry.body(), entry.frame()),
            IdLine::Positions(line) => self
                .buffer
                .push_with_id(line.as_bytes(), entry.body(), entry.frame()),
        }
    }

    fn frame(&mut self, frame: &Frame) {
        // What has no other readers is small, and is not worth a chunk of its own.
        self.buffer.push_with_id(frame, b"", &Bytes::new());
    }

    fn position(&mut self, frame: &Frame) {
        self.buffer.push_uncounted(frame);
    }
}

/// Room for one frame.
pub(in crate::hub) struct SingleFrame(pub(in crate::hub) Option<Frame>);

impl FrameTarget for SingleFrame {
    fn is_full(&self) -> bool {
        self.0.is_some()
    }

    fn entry(&mut self, entry: &Entry, id: IdLine<'_>) {
        self.0 = Some(match id {
            IdLine::Own => entry.to_frame(),
            IdLine::None => entry.to_frame_with(&PositionsLine::default()),
            IdLine::Positions(line) => entry.to_frame_with(line),
        });
    }

    fn frame(&mut self, frame: &Frame) {
        self.0 = Some(frame.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::{iter, time::SystemTime};

    use sse_actix_core::{Epoch, Event, Position, Record, TopicName};

    use super::*;

    fn entry(data: &str) -> Entry {
        let position = Position {
            epoch: Epoch::new(&TopicName::from_static("t"), 1),
            sequence: 7,
        };
        let record = Record::event(&Event::data(data), None).unwrap();
        Entry::new(position, record, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_large_entry_is_shared_with_any_id() {
        let (small, large) = (entry("small"), entry(&"x".repeat(20_000)));
        let mut of_several = PositionsLine::default();
        let epoch = |topic| Epoch::new(&TopicName::from_static(topic), 1);
        let positions = ["a", "b"].map(|topic| Position {
            epoch: epoch(topic),
            sequence: 7,
        });
        of_several.set(positions);
        let line = of_several.as_bytes();
        for (id, line) in [
            (IdLine::None, b"".as_slice()),
            (IdLine::Positions(&of_several), line),
        ] {
            let buffer = EventBuffer::new(None);
            buffer.borrow_thread_pieces();
            let mut sink = LimitedBuffer {
                buffer: &buffer,
                mark: 1,
            };
            sink.entry(&small, IdLine::None);
            sink.entry(&large, id);
            sink.frame(&small.to_frame());
            assert_eq!(buffer.emitted(), 3);
            let pieces: Vec<_> = iter::from_fn(|| buffer.take()).collect();
            assert!(pieces.concat() == [small.body(), line, large.body(), small.frame()].concat());
            let shared = pieces
                .iter()
                .filter(|piece| piece.as_ptr() == large.body().as_ptr());
            assert_eq!(shared.count(), 1);
        }
    }
}
