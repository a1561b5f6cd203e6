//! Where a reader's frames go.

use sse_actix_core::{Entry, Frame};

use crate::stream::buffer::EventBuffer;

/// Where frames go.
pub(in crate::hub) trait Sink {
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
    /// A line, with its LF.
    Line(&'a [u8]),
}

/// A buffer, to be filled up to a mark.
pub(super) struct LimitedBuffer<'a> {
    pub(super) buffer: &'a EventBuffer,
    pub(super) mark: usize,
}

impl Sink for LimitedBuffer<'_> {
    fn is_full(&self) -> bool {
        self.buffer.has_at_least(self.mark)
    }

    fn entry(&mut self, entry: &Entry, id: IdLine<'_>) {
        match id {
            IdLine::Own => self.buffer.push_shared(entry.frame()),
            IdLine::None => self.buffer.push_encoded(b"", entry.body()),
            IdLine::Line(line) => self.buffer.push_encoded(line, entry.body()),
        }
    }

    fn frame(&mut self, frame: &Frame) {
        self.buffer.push_encoded(frame, b"");
    }

    fn position(&mut self, frame: &Frame) {
        self.buffer.push_uncounted(frame);
    }
}

/// Room for one frame.
pub(in crate::hub) struct SingleFrame(pub(in crate::hub) Option<Frame>);

impl Sink for SingleFrame {
    fn is_full(&self) -> bool {
        self.0.is_some()
    }

    fn entry(&mut self, entry: &Entry, id: IdLine<'_>) {
        self.0 = Some(match id {
            IdLine::Own => entry.to_frame(),
            IdLine::None => entry.to_frame_with(None),
            IdLine::Line(line) => entry.to_frame_with(Some(line)),
        });
    }

    fn frame(&mut self, frame: &Frame) {
        self.0 = Some(frame.clone());
    }
}
