//! Where events become bytes on their way out: filled by whoever emits, emptied by the body. Both live on
//! one thread, and within one poll, so that all streams of a thread can take turns with one buffer.

use std::cell::Cell;

use actix_web::Error;
use bytes::{Bytes, BytesMut};
use sse_actix_core::{Emit, EventName};

/// Above this, emitting waits until the body has taken what is there. Half of actix's write buffer,
/// so that one chunk never makes it grow: a buffer that has grown past it is not shrunk again.
pub(crate) const HIGH_WATER: usize = 16 * 1024;

/// A chunk beyond this was one huge event, whose buffer is not kept for others.
const KEPT_CHUNK: usize = 4 * HIGH_WATER;

thread_local! {
    /// The buffer that the streams of this thread fill in turn. Ten thousand idle streams hold none, and
    /// whoever has an event finds it in the processor's cache.
    static SHARED: Cell<Option<Box<Buffer>>> = const { Cell::new(None) };
}

/// What was pushed and not taken.
#[derive(Default)]
struct Buffer {
    /// All there is, where that is one frame that is shared with others: it need not be copied.
    whole: Option<Bytes>,
    bytes: BytesMut,
}

impl Buffer {
    #[inline]
    fn len(&self) -> usize {
        self.whole.as_ref().map_or(self.bytes.len(), Bytes::len)
    }

    /// Where to append.
    #[inline]
    fn end(&mut self) -> &mut BytesMut {
        if let Some(whole) = self.whole.take() {
            self.bytes.extend_from_slice(&whole);
        }
        &mut self.bytes
    }

    #[inline]
    fn take(&mut self) -> Option<Bytes> {
        let whole = self.whole.take();
        whole.or_else(|| (!self.bytes.is_empty()).then(|| self.bytes.split().freeze()))
    }
}

pub(crate) struct Outbox {
    /// The shared buffer while the body is polled; else, what was emitted before there was a body.
    buf: Cell<Option<Box<Buffer>>>,
    /// The name of data that has none of its own. Boxed, since most streams have none.
    name: Option<Box<EventName>>,
    emitted: Cell<u64>,
    failure: Cell<Option<Box<Error>>>,
    /// Whether `buf` is the shared one.
    shares: Cell<bool>,
    opened: Cell<bool>,
}

impl Outbox {
    pub(crate) fn new(name: Option<&EventName>) -> Self {
        Self {
            buf: Cell::new(None),
            name: name.cloned().map(Box::new),
            emitted: Cell::new(0),
            failure: Cell::new(None),
            shares: Cell::new(false),
            opened: Cell::new(false),
        }
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.holds(HIGH_WATER)
    }

    /// Whether this many bytes are there.
    #[inline]
    pub(crate) fn holds(&self, bytes: usize) -> bool {
        let buf = self.buf.take();
        let holds = buf.as_ref().is_some_and(|buf| buf.len() >= bytes);
        self.buf.set(buf);
        holds
    }

    /// Appends one event. What cannot be encoded becomes the stream's failure: the event is not
    /// lost in silence.
    #[inline]
    pub(crate) fn push(&self, value: impl Emit) -> Result<(), ()> {
        match self.write(|buf| value.encode(self.name.as_deref(), buf)) {
            Ok(()) => {
                self.emitted.set(self.emitted.get() + 1);
                self.opened.set(true);
                Ok(())
            }
            Err(error) => {
                let error = actix_web::error::ErrorInternalServerError(error);
                self.failure.set(Some(Box::new(error)));
                Err(())
            }
        }
    }

    /// Appends an event that is encoded already, in two parts.
    #[inline]
    pub(crate) fn push_encoded(&self, id: &[u8], body: &[u8]) {
        self.write(|buf| {
            buf.extend_from_slice(id);
            buf.extend_from_slice(body);
        });
        self.emitted.set(self.emitted.get() + 1);
    }

    /// Appends an event that is encoded already, and shared.
    #[inline]
    pub(crate) fn push_shared(&self, frame: &Bytes) {
        let mut buf = self.buf.take().unwrap_or_default();
        if buf.len() == 0 {
            buf.whole = Some(frame.clone());
        } else {
            buf.end().extend_from_slice(frame);
        }
        self.buf.set(Some(buf));
        self.emitted.set(self.emitted.get() + 1);
    }

    /// Appends bytes that are a complete frame, uncounted.
    pub(crate) fn push_raw(&self, frame: &[u8]) {
        self.write(|buf| buf.extend_from_slice(frame));
    }

    #[inline]
    fn write<T>(&self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        let mut buf = self.buf.take().unwrap_or_default();
        let written = write(buf.end());
        self.buf.set(Some(buf));
        written
    }

    /// Gets the shared buffer for the time until [`take`](Self::take).
    #[inline]
    pub(crate) fn begin(&self) {
        let buf = self.buf.take().unwrap_or_else(|| {
            self.shares.set(true);
            // There is none at first, and while a stream reads another one.
            SHARED.take().unwrap_or_else(|| {
                Box::new(Buffer {
                    whole: None,
                    bytes: BytesMut::with_capacity(HIGH_WATER),
                })
            })
        });
        self.buf.set(Some(buf));
    }

    /// Everything pushed so far; `None` instead of an empty chunk.
    #[inline]
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut buf = self.buf.take()?;
        let chunk = buf.take();
        if self.shares.take() && chunk.as_ref().is_none_or(|chunk| chunk.len() <= KEPT_CHUNK) {
            SHARED.with(|shared| shared.set(Some(buf)));
        }
        chunk
    }

    /// Counts events that were written past it.
    pub(crate) fn also_emitted(&self, events: u64) {
        self.emitted.set(self.emitted.get() + events);
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.emitted.get()
    }

    pub(crate) fn open(&self) {
        self.opened.set(true);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened.get()
    }

    pub(crate) fn take_failure(&self) -> Option<Box<Error>> {
        self.failure.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared_capacity() -> Option<usize> {
        let shared = SHARED.take();
        let capacity = shared.as_ref().map(|buf| buf.bytes.capacity());
        SHARED.set(shared);
        capacity
    }

    #[test]
    fn a_stream_that_is_not_polled_holds_no_buffer() {
        let outbox = Outbox::new(None);
        outbox.begin();
        assert_eq!(shared_capacity(), None);
        outbox.push("x").unwrap();
        assert_eq!(outbox.take().unwrap(), "data: x\n\n");
        assert!(outbox.buf.take().is_none());
        assert!(shared_capacity().is_some());
    }

    #[test]
    fn a_stream_polled_by_another_has_a_buffer_of_its_own() {
        let (outer, inner) = (Outbox::new(None), Outbox::new(None));
        outer.begin();
        outer.push("outer").unwrap();
        inner.begin();
        inner.push("inner").unwrap();
        assert_eq!(inner.take().unwrap(), "data: inner\n\n");
        assert_eq!(outer.take().unwrap(), "data: outer\n\n");
    }

    #[test]
    fn what_was_emitted_before_there_was_a_body_comes_first() {
        let (early, other) = (Outbox::new(None), Outbox::new(None));
        early.push("early").unwrap();
        other.begin();
        other.push("other").unwrap();
        assert_eq!(other.take().unwrap(), "data: other\n\n");
        early.begin();
        early.push("late").unwrap();
        assert_eq!(early.take().unwrap(), "data: early\n\ndata: late\n\n");
        assert_eq!(early.take(), None);
    }

    #[test]
    fn a_frame_that_is_all_there_is_is_not_copied() {
        let frame = Bytes::from_static(b"data: x\n\n");
        let outbox = Outbox::new(None);
        outbox.begin();
        outbox.push_shared(&frame);
        assert_eq!(outbox.take().unwrap().as_ptr(), frame.as_ptr());
        assert_eq!(outbox.take(), None);

        outbox.begin();
        outbox.push_shared(&frame);
        assert!(outbox.holds(frame.len()) && !outbox.holds(frame.len() + 1));
        outbox.push("y").unwrap();
        outbox.push_shared(&frame);
        assert_eq!(outbox.take().unwrap(), "data: x\n\ndata: y\n\ndata: x\n\n");
        assert_eq!(outbox.emitted(), 4);
    }

    #[test]
    fn the_buffer_of_a_huge_event_is_not_kept() {
        let outbox = Outbox::new(None);
        outbox.begin();
        outbox.push("x".repeat(KEPT_CHUNK)).unwrap();
        assert!(outbox.take().unwrap().len() > KEPT_CHUNK);
        assert_eq!(shared_capacity(), None);
    }
}
