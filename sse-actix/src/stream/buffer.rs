//! The buffer in which events become bytes. A source pushes events, and `StreamBody` takes the bytes as chunks.
//!
//! The bytes lie in [`Pieces`]. A stream has one of these at a time, of three kinds:
//!
//! 1. [`Own`](PiecesKind::Own): the events that the handler emits up to its opening, when there is no
//!    body yet.
//! 2. [`OfThread`](PiecesKind::OfThread): the one that all streams of a thread use in turn. A body borrows it while it
//!    is polled: the source fills it and the body empties it within one poll, so an idle stream has none.
//! 3. [`Rest`](PiecesKind::Rest): the remaining bytes if a chunk took only a part. The next poll begins with them.

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

/// `emit!` waits while this many bytes are buffered. It is half of actix's write buffer, so one chunk never makes
/// actix's buffer grow (actix does not shrink it again).
pub(crate) const HIGH_WATER: usize = 16 * 1024;

/// How far the buffer may exceed a limit: by one more ordinary event, or several relayed ones.
pub(crate) const SLACK: usize = 4 * 1024 + 64;

/// The capacity of a new buffer: a buffer that has to grow is copied.
const CAPACITY: usize = HIGH_WATER + SLACK;

/// Buffers larger than this (one huge event) are freed, not kept for the thread.
const MAX_REUSED_CAPACITY: usize = 4 * HIGH_WATER;

thread_local! {
    /// The pieces that the streams of this thread fill in turn. Ten thousand idle streams hold none, and a stream that
    /// has an event finds it in the processor's cache.
    static THREAD_PIECES: Cell<Option<Box<Pieces>>> = const { Cell::new(None) };
}

pub(crate) struct EventBuffer {
    /// The bytes that were pushed and not taken; `None` if there are none, as in an idle stream.
    pieces: Cell<Option<Box<Pieces>>>,
    kind: Cell<PiecesKind>,
    /// The default name of events without a name. Boxed, because most streams have none.
    name: Option<Box<EventName>>,
    emitted: Cell<u64>,
    failure: Cell<Option<Box<Error>>>,
    /// The reconnection time, in milliseconds, that the handler chose before there was a body; 0 if none.
    retry: Cell<u32>,
    opened: Cell<bool>,
    client: Cell<Client>,
}

/// The origin of a stream's [`Pieces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PiecesKind {
    /// The stream's own: the events from before there was a body, or nothing.
    Own,
    /// The thread's pieces, while the body is polled.
    OfThread,
    /// The stream's own, with the rest after the last piece that was taken. It may begin inside an event, so new events
    /// are appended to it.
    Rest,
}

/// The fill level of a stream's buffer at some time, to which it can be rolled back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkpoint {
    bytes: usize,
    emitted: u64,
}

impl EventBuffer {
    pub(crate) fn new(name: Option<&EventName>) -> Self {
        Self {
            pieces: Cell::new(None),
            kind: Cell::new(PiecesKind::Own),
            name: name.cloned().map(Box::new),
            emitted: Cell::new(0),
            failure: Cell::new(None),
            retry: Cell::new(0),
            opened: Cell::new(false),
            client: Cell::new(Client::Unknown),
        }
    }

    /// Sets whether browsers or, if it is plain, other clients read the stream.
    ///
    /// # Errors
    ///
    /// If browsers read it, and an event that is not for browsers was already pushed.
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

    /// True if at least this many bytes are buffered.
    #[inline]
    pub(crate) fn has_at_least(&self, bytes: usize) -> bool {
        let pieces = self.pieces.take();
        let holds = pieces.as_ref().is_some_and(|pieces| pieces.len() >= bytes);
        self.pieces.set(pieces);
        holds
    }

    /// Appends one event. If it cannot be encoded, the stream fails, so the event is not lost silently.
    #[inline]
    pub(crate) fn push(&self, value: impl Emit) -> Result<(), ()> {
        if let Err(error) = value.check_for_browsers() {
            self.note_unfit_for_browsers(error)?;
        }
        let events = value.events();
        if let Some((line, frame)) = value
            .shared()
            .filter(|(_, frame)| frame.len() >= MIN_SHARED_FRAME)
        {
            if !line.is_empty() {
                self.push_uncounted(line);
            }
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

    /// Appends an encoded event. `id` is its id line, which may be empty; `body` is the rest, a slice of `frame`.
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

    /// Appends an encoded event, whose bytes are shared.
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

    /// Puts the first bytes of a stream before the events that were emitted while there was no body.
    pub(crate) fn prepend(&self, opening: Bytes) {
        let mut pieces = self.pieces.take().unwrap_or_default();
        pieces.prepend(opening);
        self.pieces.set(Some(pieces));
    }

    /// Borrows the thread's pieces until [`take`](Self::take), unless this stream has pieces of its own. Returns how
    /// far the pieces are filled.
    #[inline]
    pub(crate) fn borrow_thread_pieces(&self) -> Checkpoint {
        let mut bytes = 0;
        let pieces = if let Some(pieces) = self.pieces.take() {
            bytes = pieces.len();
            pieces
        } else {
            self.kind.set(PiecesKind::OfThread);
            // The thread has none at first, and none while the poll of one stream polls another stream.
            THREAD_PIECES.take().map_or_else(
                || Box::new(Pieces::with_capacity(CAPACITY)),
                |mut pieces| {
                    // If the last chunk was dropped, this uses the whole allocation again. If not, the rest of it is
                    // used.
                    let _ = pieces.copied.try_reclaim(CAPACITY);
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

    /// Removes the bytes that were pushed after the checkpoint.
    #[cold]
    pub(crate) fn roll_back_to(&self, checkpoint: Checkpoint) {
        if let Some(mut pieces) = self.pieces.take() {
            pieces.truncate(checkpoint.bytes);
            self.pieces.set(Some(pieces));
        }
        self.emitted.set(checkpoint.emitted);
    }

    /// Takes the first piece of the pushed bytes, most often all of them; `None` instead of an empty chunk.
    #[inline]
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut pieces = self.pieces.take()?;
        if pieces.has_queue() {
            return self.take_first_of_queue(pieces);
        }
        let chunk = pieces.take_only();
        if self.kind.replace(PiecesKind::Own) == PiecesKind::OfThread
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
        let is_of_thread = self.kind.replace(PiecesKind::Own) == PiecesKind::OfThread;
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

    /// Returns the first `at` bytes of `piece` and puts the rest back in front.
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

    /// True if there are bytes left after the piece that was taken last.
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

    /// Opens with this reconnection time. If the opening line was already sent, a separate `retry` line sends it.
    pub(crate) fn open_with(&self, retry: Retry) {
        match self.client.get() {
            Client::Unknown | Client::UnknownUnfitForBrowsers => self.retry.set(retry.as_millis()),
            Client::Browser | Client::Other => self.push_uncounted(&Frame::retry(retry)),
        }
        self.open();
    }

    /// The reconnection time with which the handler has opened the stream.
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

/// An append in progress. It may fail or panic, because a `Serialize` may: then the written bytes are removed again,
/// unless [`keep`](Self::keep) was called.
struct Appending<'a> {
    buffer: &'a EventBuffer,
    /// The length before the append; `None` if all is kept.
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
            pieces.copied.truncate(start_len);
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
