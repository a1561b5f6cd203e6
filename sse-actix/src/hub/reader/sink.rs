//! Where a reader's frames go.

use sse_actix_core::{Entry, Frame};

use crate::stream::buffer::Outbox;

/// Where frames go.
pub(in crate::hub) trait Sink {
    fn is_full(&self) -> bool;
    fn entry(&mut self, entry: &Entry, id: Id<'_>);
    fn frame(&mut self, frame: &Frame);
    /// Not counted: nobody has published it.
    fn position(&mut self, frame: &Frame) {
        self.frame(frame);
    }
}

/// The id line of an entry, as one reader gets it.
pub(in crate::hub) enum Id<'a> {
    Own,
    None,
    /// A line, with its LF.
    Line(&'a [u8]),
}

/// An outbox, to be filled up to a mark.
pub(super) struct Marked<'a> {
    pub(super) outbox: &'a Outbox,
    pub(super) mark: usize,
}

impl Sink for Marked<'_> {
    fn is_full(&self) -> bool {
        self.outbox.holds(self.mark)
    }

    fn entry(&mut self, entry: &Entry, id: Id<'_>) {
        match id {
            Id::Own => self.outbox.push_shared(entry.frame()),
            Id::None => self.outbox.push_encoded(b"", entry.body()),
            Id::Line(line) => self.outbox.push_encoded(line, entry.body()),
        }
    }

    fn frame(&mut self, frame: &Frame) {
        self.outbox.push_encoded(frame, b"");
    }

    fn position(&mut self, frame: &Frame) {
        self.outbox.push_raw(frame);
    }
}

/// Room for one frame.
pub(in crate::hub) struct One(pub(in crate::hub) Option<Frame>);

impl Sink for One {
    fn is_full(&self) -> bool {
        self.0.is_some()
    }

    fn entry(&mut self, entry: &Entry, id: Id<'_>) {
        self.0 = Some(match id {
            Id::Own => entry.to_frame(),
            Id::None => entry.to_frame_with(None),
            Id::Line(line) => entry.to_frame_with(Some(line)),
        });
    }

    fn frame(&mut self, frame: &Frame) {
        self.0 = Some(frame.clone());
    }
}
