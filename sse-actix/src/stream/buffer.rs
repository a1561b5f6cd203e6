//! Where events become bytes. A source pushes events, and `StreamBody` takes what was pushed as chunks.
//!
//! The bytes lie in [`Pieces`]. A stream has one of these at a time, of three kinds:
//!
//! 1. [`BeforeBody`](PiecesKind::BeforeBody): what the handler emits up to its opening, when there is no body yet.
//! 2. [`OfThread`](PiecesKind::OfThread): the one that all streams of a thread use in turn. A body borrows it while it is
//!    polled: the source fills it and the body empties it within one poll, so an idle stream has none.
//! 3. [`Rest`](PiecesKind::Rest): what is left where a chunk takes only a part. The next poll begins with it.

mod client;
mod pieces;

use std::{cell::Cell, time::Duration};

use actix_web::Error;
use bytes::{Bytes, BytesMut};
use sse_actix_core::{Emit, EventName, FieldError, Frame, Retry};

use self::{
    client::{Client, NotForBrowsers},
    pieces::{MIN_SHARED_FRAME, Pieces},
};

/// Above this, emitting waits until the body has taken what is there. Half of actix's write buffer,
/// so that one chunk never makes it grow: a buffer that has grown past it is not shrunk again.
pub(crate) const HIGH_WATER: usize = 16 * 1024;

/// What may come on top of a checkpoint: one more ordinary event, or several relayed ones.
pub(crate) const SLACK: usize = 4 * 1024 + 64;

/// A buffer that has to grow is copied.
const CAPACITY: usize = HIGH_WATER + SLACK;

/// A chunk beyond this was one huge event, whose buffer is not kept for others.
const MAX_REUSED_CAPACITY: usize = 4 * HIGH_WATER;

thread_local! {
    /// What the streams of this thread fill in turn. Ten thousand idle streams hold none, and
    /// a stream that has an event finds it in the processor's cache.
    static THREAD_PIECES: Cell<Option<Box<Pieces>>> = const { Cell::new(None) };
}

pub(crate) struct EventBuffer {
    /// What was pushed and not taken; `None` if there is nothing, as in an idle stream.
    pieces: Cell<Option<Box<Pieces>>>,
    kind: Cell<PiecesKind>,
    /// The name of data that has none of its own. Boxed, since most streams have none.
    name: Option<Box<EventName>>,
    emitted: Cell<u64>,
    failure: Cell<Option<Box<Error>>>,
    /// The reconnection time, in milliseconds, that the handler chose before there was a body; 0 if none.
    retry: Cell<u32>,
    opened: Cell<bool>,
    client: Cell<Client>,
}

/// Whose [`Pieces`] a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PiecesKind {
    /// Its own, with what was emitted before there was a body.
    BeforeBody,
    /// The one of its thread, while the body is polled.
    OfThread,
    /// Its own, with what remains after the last piece that was taken. It may begin inside an event, so all else is appended.
    Rest,
}

/// How far a stream's buffer was filled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkpoint {
    bytes: usize,
    emitted: u64,
}

impl EventBuffer {
    pub(crate) fn new(name: Option<&EventName>) -> Self {
        Self {
            pieces: Cell::new(None),
            kind: Cell::new(PiecesKind::BeforeBody),
            name: name.cloned().map(Box::new),
            emitted: Cell::new(0),
            failure: Cell::new(None),
            retry: Cell::new(0),
            opened: Cell::new(false),
            client: Cell::new(Client::Unknown),
        }
    }

    /// Says who reads the stream: browsers, or, if it is plain, others.
    ///
    /// # Errors
    ///
    /// If something was pushed already that is not for browsers, and they read it.
    pub(crate) fn set_plain(&self, plain: bool) -> Result<(), NotForBrowsers> {
        let client = if plain { Client::Other } else { Client::Browser };
        match (self.client.replace(client), client) {
            (Client::UnknownUnfitForBrowsers, Client::Browser) => Err(NotForBrowsers),
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
        let pieces = self.pieces.take();
        let holds = pieces.as_ref().is_some_and(|pieces| pieces.len() >= bytes);
        self.pieces.set(pieces);
        holds
    }

    /// Appends one event. What cannot be encoded becomes the stream's failure: the event is not
    /// lost in silence.
    #[inline]
    pub(crate) fn push(&self, value: impl Emit) -> Result<(), ()> {
        if let Err(error) = value.check_for_browsers() {
            self.note_unfit_for_browsers(error)?;
        }
        let events = value.events();
        if let Some(frame) = value.shared().filter(|frame| frame.len() >= MIN_SHARED_FRAME) {
            self.push_frame(frame, events);
            self.opened.set(true);
            return Ok(());
        }
        let mut appending = self.start_append();
        match value.encode(self.name.as_deref(), appending.end()) {
            Ok(()) => {
                appending.keep();
                self.emitted.set(self.emitted.get() + events);
                self.opened.set(true);
                Ok(())
            }
            Err(error) => {
                drop(appending);
                let error = actix_web::error::ErrorInternalServerError(error);
                self.failure.set(Some(Box::new(error)));
                Err(())
            }
        }
    }

    #[cold]
    fn note_unfit_for_browsers(&self, error: FieldError) -> Result<(), ()> {
        match self.client.get() {
            Client::Other => Ok(()),
            Client::Unknown | Client::UnknownUnfitForBrowsers => {
                self.client.set(Client::UnknownUnfitForBrowsers);
                Ok(())
            }
            Client::Browser => {
                self.failure.set(Some(Box::new(error.into())));
                Err(())
            }
        }
    }

    /// Appends an event that is encoded already: its id line, which may be empty, and the rest, which is a part of this
    /// frame.
    #[inline]
    pub(crate) fn push_with_id(&self, id: &[u8], body: &[u8], frame: &Bytes) {
        if body.len() >= MIN_SHARED_FRAME {
            self.push_uncounted(id);
            self.push_shared(&frame.slice_ref(body));
            return;
        }
        let mut appending = self.start_append();
        let end = appending.end();
        end.extend_from_slice(id);
        end.extend_from_slice(body);
        appending.keep();
        self.emitted.set(self.emitted.get() + 1);
    }

    /// Appends an event that is encoded already, and shared.
    #[inline]
    pub(crate) fn push_shared(&self, frame: &Bytes) {
        self.push_frame(frame, 1);
    }

    #[inline]
    fn push_frame(&self, frame: &Bytes, events: u64) {
        let mut pieces = self.pieces.take().unwrap_or_default();
        pieces.push_shared(frame);
        self.pieces.set(Some(pieces));
        self.emitted.set(self.emitted.get() + events);
    }

    /// Appends bytes that are a complete frame, uncounted.
    pub(crate) fn push_uncounted(&self, frame: &[u8]) {
        let mut appending = self.start_append();
        appending.end().extend_from_slice(frame);
        appending.keep();
    }

    /// Takes the pieces, to append to them.
    #[inline]
    fn start_append(&self) -> Appending<'_> {
        Appending {
            buffer: self,
            start_len: None,
            pieces: self.pieces.take(),
        }
    }

    /// Puts what a stream begins with in front of what was emitted before there was a body.
    pub(crate) fn prepend(&self, opening: Bytes) {
        let mut pieces = self.pieces.take().unwrap_or_default();
        pieces.prepend(opening);
        self.pieces.set(Some(pieces));
    }

    /// Borrows the thread's pieces until [`take`](Self::take), unless it has its own. Returns how far they are filled.
    #[inline]
    pub(crate) fn borrow_thread_pieces(&self) -> Checkpoint {
        let mut bytes = 0;
        let pieces = if let Some(pieces) = self.pieces.take() {
            bytes = pieces.len();
            pieces
        } else {
            self.kind.set(PiecesKind::OfThread);
            // There is none at first, and while a stream reads another one.
            THREAD_PIECES.take().map_or_else(
                || Box::new(Pieces::with_capacity(CAPACITY)),
                |mut pieces| {
                    // From its start again, if the last chunk is gone. Else what is left of it serves on.
                    let _ = pieces.bytes.try_reclaim(CAPACITY);
                    pieces
                },
            )
        };
        self.pieces.set(Some(pieces));
        Checkpoint {
            bytes,
            emitted: self.emitted.get(),
        }
    }

    /// Takes back what was pushed since.
    #[cold]
    pub(crate) fn roll_back_to(&self, checkpoint: Checkpoint) {
        if let Some(mut pieces) = self.pieces.take() {
            pieces.truncate(checkpoint.bytes);
            self.pieces.set(Some(pieces));
        }
        self.emitted.set(checkpoint.emitted);
    }

    /// The first piece of what was pushed, most often all of it; `None` instead of an empty chunk.
    #[inline]
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut pieces = self.pieces.take()?;
        if pieces.has_queue() {
            return self.take_first_of_queue(pieces);
        }
        let chunk = pieces.take_only();
        if self.kind.replace(PiecesKind::BeforeBody) == PiecesKind::OfThread
            && chunk
                .as_ref()
                .is_none_or(|chunk| chunk.len() <= MAX_REUSED_CAPACITY)
        {
            THREAD_PIECES.with(|of_thread| of_thread.set(Some(pieces)));
        }
        chunk
    }

    #[cold]
    fn take_first_of_queue(&self, mut pieces: Box<Pieces>) -> Option<Bytes> {
        let piece = pieces.pop_front();
        let is_of_thread = self.kind.replace(PiecesKind::BeforeBody) == PiecesKind::OfThread;
        let rest = if is_of_thread {
            let rest = Box::new(pieces.move_out(CAPACITY));
            THREAD_PIECES.with(|of_thread| of_thread.set(Some(pieces)));
            rest
        } else {
            pieces
        };
        if rest.len() > 0 {
            self.set_rest(rest);
        }
        piece
    }

    /// The first so many bytes of a piece that was taken; its end is put back.
    #[cold]
    pub(crate) fn keep_rest(&self, mut piece: Bytes, at: usize) -> Bytes {
        let mut rest = self.pieces.take().unwrap_or_default();
        rest.put_back(piece.split_off(at));
        self.set_rest(rest);
        piece
    }

    #[cold]
    fn set_rest(&self, rest: Box<Pieces>) {
        self.pieces.set(Some(rest));
        self.kind.set(PiecesKind::Rest);
    }

    /// Whether something is left behind the piece that was taken last.
    #[inline]
    pub(crate) fn has_rest(&self) -> bool {
        self.kind.get() == PiecesKind::Rest
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.emitted.get()
    }

    pub(crate) fn open(&self) {
        self.opened.set(true);
    }

    /// Opens with this reconnection time. Once the opening line has left, a line of its own says it.
    pub(crate) fn open_with(&self, retry: Retry) {
        match self.client.get() {
            Client::Unknown | Client::UnknownUnfitForBrowsers => self.retry.set(retry.as_millis()),
            Client::Browser | Client::Other => self.push_uncounted(&Frame::retry(retry)),
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

/// An append in progress. It may fail or panic, as a `Serialize` may: then what was written is removed again, unless
/// [`keep`](Self::keep) was called.
struct Appending<'a> {
    buffer: &'a EventBuffer,
    /// How much was there before; `None` if all is kept.
    start_len: Option<usize>,
    pieces: Option<Box<Pieces>>,
}

impl Appending<'_> {
    /// The copied bytes at the end of the pieces, to append to.
    #[inline]
    fn end(&mut self) -> &mut BytesMut {
        let end = self.pieces.get_or_insert_default().end();
        self.start_len = Some(end.len());
        end
    }

    #[inline]
    fn keep(mut self) {
        self.start_len = None;
    }

    #[cold]
    fn roll_back(&mut self, start_len: usize) {
        if let Some(pieces) = &mut self.pieces {
            pieces.bytes.truncate(start_len);
        }
    }
}

impl Drop for Appending<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(start_len) = self.start_len {
            self.roll_back(start_len);
        }
        self.buffer.pieces.set(self.pieces.take());
    }
}

#[cfg(test)]
mod tests;
