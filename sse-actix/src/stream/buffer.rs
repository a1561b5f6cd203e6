//! Where events become bytes: a source fills it, and the body empties it. Both happen on one thread and within one poll,
//! so that all streams of a thread can take turns with one buffer.

mod parts;

use std::{cell::Cell, fmt, time::Duration};

use actix_web::{Error, ResponseError};
use bytes::{Bytes, BytesMut};
use sse_actix_core::{Emit, EventName, FieldError, Frame, Retry};

use self::parts::{Buffer, SHARED_FRAME};

/// Above this, emitting waits until the body has taken what is there. Half of actix's write buffer,
/// so that one chunk never makes it grow: a buffer that has grown past it is not shrunk again.
pub(crate) const HIGH_WATER: usize = 16 * 1024;

/// What may come on top of a mark: one more ordinary event, or several relayed ones.
pub(crate) const ONE_MORE: usize = 4 * 1024 + 64;

/// Capacity: a buffer that has to grow is copied.
const ROOM: usize = HIGH_WATER + ONE_MORE;

/// A chunk beyond this was one huge event, whose buffer is not kept for others.
const KEPT_CHUNK: usize = 4 * HIGH_WATER;

thread_local! {
    /// The buffer that the streams of this thread fill in turn. Ten thousand idle streams hold none, and
    /// a stream that has an event finds it in the processor's cache.
    static SHARED: Cell<Option<Box<Buffer>>> = const { Cell::new(None) };
}

pub(crate) struct EventBuffer {
    /// As `holds` says; `None` if there is nothing, as in a stream that is idle.
    buf: Cell<Option<Box<Buffer>>>,
    holds: Cell<Holds>,
    /// The name of data that has none of its own. Boxed, since most streams have none.
    name: Option<Box<EventName>>,
    emitted: Cell<u64>,
    failure: Cell<Option<Box<Error>>>,
    /// The reconnection time, in milliseconds, that the handler chose before there was a body; 0 if none.
    retry: Cell<u32>,
    opened: Cell<bool>,
    readers: Cell<Readers>,
}

/// What a stream's buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// A buffer of its own, with what was emitted before there was a body.
    Early,
    /// The one of its thread, while the body is polled.
    Shared,
    /// A buffer of its own, with what remains after the last piece that was taken. It may begin inside an event, so all else
    /// is appended.
    Rest,
}

/// How far a stream's buffer was filled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    bytes: usize,
    emitted: u64,
}

/// The kind of client that reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Not known before the handler's response meets its request.
    Unknown,
    /// Not known, and something was pushed that is not for browsers.
    NotBrowsers,
    Browsers,
    Others,
}

impl EventBuffer {
    pub(crate) fn new(name: Option<&EventName>) -> Self {
        Self {
            buf: Cell::new(None),
            holds: Cell::new(Holds::Early),
            name: name.cloned().map(Box::new),
            emitted: Cell::new(0),
            failure: Cell::new(None),
            retry: Cell::new(0),
            opened: Cell::new(false),
            readers: Cell::new(Readers::Unknown),
        }
    }

    /// Says who reads the stream: browsers, or, if it is plain, others.
    ///
    /// # Errors
    ///
    /// If something was pushed already that is not for browsers, and they read it.
    pub(crate) fn set_plain(&self, plain: bool) -> Result<(), NotForBrowsers> {
        let readers = if plain { Readers::Others } else { Readers::Browsers };
        match (self.readers.replace(readers), readers) {
            (Readers::NotBrowsers, Readers::Browsers) => Err(NotForBrowsers),
            _ => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.has_at_least(HIGH_WATER)
    }

    /// Whether this many bytes are there.
    #[inline]
    pub(crate) fn has_at_least(&self, bytes: usize) -> bool {
        let buf = self.buf.take();
        let holds = buf.as_ref().is_some_and(|buf| buf.len() >= bytes);
        self.buf.set(buf);
        holds
    }

    /// Appends one event. What cannot be encoded becomes the stream's failure: the event is not
    /// lost in silence.
    #[inline]
    pub(crate) fn push(&self, value: impl Emit) -> Result<(), ()> {
        if let Err(error) = value.check_for_browsers() {
            self.refuse_for_browsers(error)?;
        }
        let events = value.events();
        if let Some(frame) = value.shared().filter(|frame| frame.len() >= SHARED_FRAME) {
            self.push_frame(frame, events);
            self.opened.set(true);
            return Ok(());
        }
        let mut lent = self.lend();
        match value.encode(self.name.as_deref(), lent.end()) {
            Ok(()) => {
                lent.keep();
                self.emitted.set(self.emitted.get() + events);
                self.opened.set(true);
                Ok(())
            }
            Err(error) => {
                drop(lent);
                let error = actix_web::error::ErrorInternalServerError(error);
                self.failure.set(Some(Box::new(error)));
                Err(())
            }
        }
    }

    #[cold]
    fn refuse_for_browsers(&self, error: FieldError) -> Result<(), ()> {
        match self.readers.get() {
            Readers::Others => Ok(()),
            Readers::Unknown | Readers::NotBrowsers => {
                self.readers.set(Readers::NotBrowsers);
                Ok(())
            }
            Readers::Browsers => {
                self.failure.set(Some(Box::new(error.into())));
                Err(())
            }
        }
    }

    /// Appends an event that is encoded already: its id line, which may be empty, and the rest, which is a part of this
    /// frame.
    #[inline]
    pub(crate) fn push_with_id(&self, id: &[u8], body: &[u8], frame: &Bytes) {
        if body.len() >= SHARED_FRAME {
            self.push_uncounted(id);
            self.push_shared(&frame.slice_ref(body));
            return;
        }
        let mut lent = self.lend();
        let buf = lent.end();
        buf.extend_from_slice(id);
        buf.extend_from_slice(body);
        lent.keep();
        self.emitted.set(self.emitted.get() + 1);
    }

    /// Appends an event that is encoded already, and shared.
    #[inline]
    pub(crate) fn push_shared(&self, frame: &Bytes) {
        self.push_frame(frame, 1);
    }

    #[inline]
    fn push_frame(&self, frame: &Bytes, events: u64) {
        let mut buf = self.buf.take().unwrap_or_default();
        buf.push_shared(frame);
        self.buf.set(Some(buf));
        self.emitted.set(self.emitted.get() + events);
    }

    /// Appends bytes that are a complete frame, uncounted.
    pub(crate) fn push_uncounted(&self, frame: &[u8]) {
        let mut lent = self.lend();
        lent.end().extend_from_slice(frame);
        lent.keep();
    }

    /// The buffer, to append to it.
    #[inline]
    fn lend(&self) -> Lent<'_> {
        Lent {
            buffer: self,
            before: None,
            buf: self.buf.take(),
        }
    }

    /// Puts what a stream begins with in front of what was emitted before there was a body.
    pub(crate) fn prepend(&self, opening: Bytes) {
        let mut buf = self.buf.take().unwrap_or_default();
        buf.prepend(opening);
        self.buf.set(Some(buf));
    }

    /// Gets the shared buffer for the time until [`take`](Self::take). Returns how far it is filled.
    #[inline]
    pub(crate) fn attach_buffer(&self) -> Mark {
        let mut bytes = 0;
        let buf = if let Some(buf) = self.buf.take() {
            bytes = buf.len();
            buf
        } else {
            self.holds.set(Holds::Shared);
            // There is none at first, and while a stream reads another one.
            SHARED.take().map_or_else(
                || Box::new(Buffer::with_capacity(ROOM)),
                |mut buf| {
                    // From its start again, if the last chunk is gone. Else what is left of it serves on.
                    let _ = buf.bytes.try_reclaim(ROOM);
                    buf
                },
            )
        };
        self.buf.set(Some(buf));
        Mark {
            bytes,
            emitted: self.emitted.get(),
        }
    }

    /// Takes back what was pushed since.
    #[cold]
    pub(crate) fn take_back_to(&self, mark: Mark) {
        if let Some(mut buf) = self.buf.take() {
            buf.truncate(mark.bytes);
            self.buf.set(Some(buf));
        }
        self.emitted.set(mark.emitted);
    }

    /// The first piece of what was pushed, most often all of it; `None` instead of an empty chunk.
    #[inline]
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut buf = self.buf.take()?;
        if buf.is_divided() {
            return self.take_first(buf);
        }
        let chunk = buf.take_undivided();
        if self.holds.replace(Holds::Early) == Holds::Shared
            && chunk.as_ref().is_none_or(|chunk| chunk.len() <= KEPT_CHUNK)
        {
            SHARED.with(|shared| shared.set(Some(buf)));
        }
        chunk
    }

    #[cold]
    fn take_first(&self, mut buf: Box<Buffer>) -> Option<Bytes> {
        let piece = buf.take_first();
        let is_shared = self.holds.replace(Holds::Early) == Holds::Shared;
        let rest = if is_shared {
            let rest = Box::new(buf.split(ROOM));
            SHARED.with(|shared| shared.set(Some(buf)));
            rest
        } else {
            buf
        };
        if rest.len() > 0 {
            self.set_rest(rest);
        }
        piece
    }

    /// The first so many bytes of a piece that was taken; its end is put back.
    #[cold]
    pub(crate) fn split(&self, mut piece: Bytes, at: usize) -> Bytes {
        let mut rest = self.buf.take().unwrap_or_default();
        rest.put_back(piece.split_off(at));
        self.set_rest(rest);
        piece
    }

    #[cold]
    fn set_rest(&self, rest: Box<Buffer>) {
        self.buf.set(Some(rest));
        self.holds.set(Holds::Rest);
    }

    /// Whether something is left behind the piece that was taken last.
    #[inline]
    pub(crate) fn has_rest(&self) -> bool {
        self.holds.get() == Holds::Rest
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.emitted.get()
    }

    pub(crate) fn open(&self) {
        self.opened.set(true);
    }

    /// Opens with this reconnection time. Once the opening line has left, a line of its own says it.
    pub(crate) fn open_with(&self, retry: Retry) {
        match self.readers.get() {
            Readers::Unknown | Readers::NotBrowsers => self.retry.set(retry.as_millis()),
            Readers::Browsers | Readers::Others => self.push_uncounted(&Frame::retry(retry)),
        }
        self.open();
    }

    /// The reconnection time that the handler has opened with.
    pub(crate) fn retry(&self) -> Option<Retry> {
        let millis = self.retry.get();
        (millis > 0).then(|| Retry::from(Duration::from_millis(millis.into())))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened.get()
    }

    pub(crate) fn take_failure(&self) -> Option<Box<Error>> {
        self.failure.take()
    }
}

/// The buffer, lent to one writer. A writer may fail or panic, as a `Serialize` may: then what it has written is removed
/// again, unless it has called [`keep`](Self::keep).
struct Lent<'a> {
    buffer: &'a EventBuffer,
    /// How much was there before; `None` if all is kept.
    before: Option<usize>,
    buf: Option<Box<Buffer>>,
}

impl Lent<'_> {
    /// Where to append.
    #[inline]
    fn end(&mut self) -> &mut BytesMut {
        let end = self.buf.get_or_insert_default().end();
        self.before = Some(end.len());
        end
    }

    #[inline]
    fn keep(mut self) {
        self.before = None;
    }

    #[cold]
    fn take_back(&mut self, before: usize) {
        if let Some(buf) = &mut self.buf {
            buf.bytes.truncate(before);
        }
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before {
            self.take_back(before);
        }
        self.buffer.buf.set(self.buf.take());
    }
}

/// A stream for browsers was given a name or an id that is [not for them](EventName::not_for_browsers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotForBrowsers;

impl fmt::Display for NotForBrowsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an `EventSource` asked for this stream, which has sent an event name or an id that browsers cannot use \
             (`not_for_browsers`): answer a POST instead, declare the stream `plain`, or choose another name",
        )
    }
}

impl std::error::Error for NotForBrowsers {}

impl ResponseError for NotForBrowsers {}

#[cfg(test)]
mod tests;
