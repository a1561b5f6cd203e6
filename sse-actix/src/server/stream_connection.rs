//! A connection on HTTP/1.1 that carries one stream of a hub, to its end.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    io::{self, IoSlice},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_web::body::MessageBody as _;
use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    activity::ClientProgress,
    chunk_size_line::ChunkSizeLine,
    discard, flush,
    handover::{DirectConnection, HubStream},
    rest_watch::{Patience, RestWatch},
    socket::Transport,
    unsent::Unsent,
};

/// Up to this size, one copy costs less than a write of several pieces.
const MAX_SINGLE_WRITE: usize = 4 * 1024;

/// Up to this size, bytes that wait for the socket are copied.
const MAX_COPIED_REST: usize = 4 * 1024;

/// How many bytes are written before other tasks on the thread get a turn.
const BYTES_PER_TURN: usize = 128 * 1024;

/// The smallest number of bytes that a chunk counts for in a turn.
const MIN_CHUNK_COST: usize = 64;

/// Ends a body ([RFC 9112, 7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1)).
const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// A handed-over connection. Its task polls it when the socket is ready, and the hub's worker drives it when there is a
/// new event. Both poll the body with the waker of the connection's task, so whatever the body waits for wakes that
/// task.
pub(super) struct StreamConnection<T> {
    inner: RefCell<Inner<T>>,
    /// True if the client does not read, and the bytes that wait for it are to be dropped.
    is_given_up: Cell<bool>,
    patience: Patience,
    /// The waker of its task.
    waker: RefCell<Waker>,
}

struct Inner<T> {
    transport: T,
    progress: Option<ClientProgress>,
    stage: Stage,
    unsent: Option<Box<Unsent>>,
    /// True if the transport still holds bytes of earlier writes.
    unflushed: bool,
    half_close: HalfClose,
    rest_watch: Option<Box<RestWatch>>,
}

/// What it means if a client closes its sending side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HalfClose {
    /// A client that sends no more has left.
    MeansLeft,
    /// A client that sends no more may still read.
    Allowed,
    /// The client sends no more. Only a failed write shows that it has left.
    Happened,
}

enum Stage {
    Streaming(HubStream),
    /// The body has ended, and its last bytes are being sent.
    Ending,
    /// The last byte was sent.
    Closing,
    Over,
}

impl<T: Transport> StreamConnection<T> {
    /// With `allow_half_closed`, a client that sends no more is written to until a write fails.
    pub(super) fn new(
        transport: T,
        progress: Option<ClientProgress>,
        stream: HubStream,
        waker: &Waker,
        allow_half_closed: bool,
    ) -> Rc<Self> {
        let owner = Rc::clone(&stream.owner);
        let this = Rc::new(Self {
            inner: RefCell::new(Inner {
                transport,
                progress,
                stage: Stage::Streaming(stream),
                unsent: None,
                unflushed: false,
                half_close: if allow_half_closed {
                    HalfClose::Allowed
                } else {
                    HalfClose::MeansLeft
                },
                rest_watch: None,
            }),
            is_given_up: Cell::new(false),
            patience: Patience::default(),
            waker: RefCell::new(waker.clone()),
        });
        let connection: Weak<Self> = Rc::downgrade(&this);
        owner.take_over(connection);
        this
    }

    /// Serves the connection, from its own task.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waker.borrow().will_wake(cx.waker()) {
            self.waker.replace(cx.waker().clone());
        }
        // The worker holds this only while it calls `drive`, and this task does not run then.
        let Ok(mut inner) = self.inner.try_borrow_mut() else {
            return Poll::Pending;
        };
        if inner.has_left(cx) || self.is_given_up.get() && inner.unsent.is_some() {
            inner.unsent = None;
            inner.stage = Stage::Over;
            return Poll::Ready(());
        }
        self.poll_inner(&mut inner, cx)
    }

    fn poll_inner(&self, inner: &mut Inner<T>, cx: &mut Context<'_>) -> Poll<()> {
        if inner.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match self.patience.get() {
            Some(patience) => inner.poll_stalled(patience, cx),
            None => Poll::Pending,
        }
    }
}

impl<T: Transport> DirectConnection for StreamConnection<T> {
    fn drive(&self) -> bool {
        let Ok(mut inner) = self.inner.try_borrow_mut() else {
            return false;
        };
        let waker = self.waker.borrow();
        if self
            .poll_inner(&mut inner, &mut Context::from_waker(&waker))
            .is_ready()
        {
            // Wakes the connection's task, which then ends.
            waker.wake_by_ref();
            return true;
        }
        inner.is_idle()
    }

    fn give_up(&self) {
        self.is_given_up.set(true);
        self.waker.borrow().wake_by_ref();
    }

    fn stream_ended(&self, patience: Duration) {
        self.patience.set(patience);
        // If a rest is pending, the watch begins with the next poll.
        self.waker.borrow().wake_by_ref();
    }

    fn prefetch(&self) {
        if let Ok(inner) = self.inner.try_borrow()
            && let Stage::Streaming(stream) = &inner.stage
        {
            inner.transport.prefetch();
            stream.body.size();
        }
    }
}

impl<T: Transport> Inner<T> {
    /// True if all bytes of the body were written, and it waits.
    fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Streaming(_)) && self.unsent.is_none() && !self.unflushed
    }

    /// Ends a connection whose client does not take the rest of an ended stream.
    fn poll_stalled(&mut self, patience: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if self.unsent.is_none() && !self.unflushed && !matches!(self.stage, Stage::Closing) {
            return Poll::Pending;
        }
        let watch = self
            .rest_watch
            .get_or_insert_with(|| Box::new(RestWatch::new(patience)));
        ready!(watch.poll_stalled(cx));
        self.unsent = None;
        self.stage = Stage::Over;
        Poll::Ready(())
    }

    /// Sends everything that is ready. Returns `Ready` when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut spent = 0;
        loop {
            match ready!(self.poll_unsent(cx)) {
                Ok(()) => {}
                // The client has left, so the error is not reported.
                Err(_) => self.stage = Stage::Over,
            }
            match &mut self.stage {
                Stage::Streaming(_) if spent >= BYTES_PER_TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Streaming(stream) => match poll_body(stream, cx) {
                    Poll::Pending => {
                        ready!(self.poll_flushed(cx));
                        if !matches!(self.stage, Stage::Over) {
                            return Poll::Pending;
                        }
                    }
                    Poll::Ready(Some(Ok(chunk))) => {
                        spent += chunk.len().max(MIN_CHUNK_COST);
                        // An empty chunk would end the body.
                        if !chunk.is_empty() && self.send(chunk, cx).is_err() {
                            self.stage = Stage::Over;
                        }
                    }
                    // Without the last chunk, the client does not treat the stream as complete.
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(target: "sse_actix", error = %error, "a stream was cut off");
                        self.stage = Stage::Over;
                    }
                    Poll::Ready(None) => self.end_body(),
                },
                Stage::Ending => {
                    ready!(self.poll_flushed(cx));
                    if !matches!(self.stage, Stage::Over) {
                        self.stage = Stage::Closing;
                    }
                }
                Stage::Closing => {
                    let _ = ready!(Pin::new(&mut self.transport).poll_shutdown(cx));
                    flush::discard_unread(self.transport.os_socket());
                    self.stage = Stage::Over;
                }
                Stage::Over => return Poll::Ready(()),
            }
        }
    }

    /// Sends one chunk, as far as the socket takes it.
    fn send(&mut self, chunk: Bytes, cx: &mut Context<'_>) -> io::Result<()> {
        let mut head = ChunkSizeLine::default();
        let head = head.of(chunk.len());
        let pieces = [head, &*chunk, b"\r\n"];
        let len = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        flush::note_write(cx);
        self.unflushed = true;
        if !self.transport.is_write_vectored() {
            return self.send_in_one(Bytes::from(pieces.concat()), cx);
        }
        let transport = Pin::new(&mut self.transport);
        let polled = if len <= MAX_SINGLE_WRITE {
            let mut whole = SmallVec::<[u8; MAX_SINGLE_WRITE]>::new();
            for piece in pieces {
                whole.extend_from_slice(piece);
            }
            transport.poll_write(cx, &whole)
        } else {
            transport.poll_write_vectored(cx, &pieces.map(IoSlice::new))
        };
        if let Some(progress) = &mut self.progress {
            progress.note_write(&polled);
        }
        let sent = match polled {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        if sent < len {
            let mut unsent = Unsent {
                size_line: Bytes::copy_from_slice(head),
                // A small chunk is a part of a shared buffer.
                body: if chunk.len() > MAX_COPIED_REST {
                    chunk
                } else {
                    Bytes::copy_from_slice(&chunk)
                },
                end: Bytes::from_static(b"\r\n"),
            };
            unsent.advance(sent);
            self.unsent = Some(Box::new(unsent));
        }
        Ok(())
    }

    /// Sends a chunk as one piece, for OpenSSL. OpenSSL does not write several pieces at once, and after a write that
    /// it did not take, it needs the same bytes again.
    fn send_in_one(&mut self, whole: Bytes, cx: &mut Context<'_>) -> io::Result<()> {
        self.unsent = Some(Box::new(Unsent {
            size_line: Bytes::new(),
            body: whole,
            end: Bytes::new(),
        }));
        match self.poll_unsent(cx) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }

    /// Sends the rest of a chunk.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(unsent) = &mut self.unsent {
            self.unflushed = true;
            let pieces = [&*unsent.size_line, &*unsent.body, &*unsent.end].map(IoSlice::new);
            let polled = Pin::new(&mut self.transport).poll_write_vectored(cx, &pieces);
            if let Some(progress) = &mut self.progress {
                progress.note_write(&polled);
            }
            let sent = ready!(polled)?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            unsent.advance(sent);
            if unsent.is_empty() {
                self.unsent = None;
            }
            if let Some(watch) = &mut self.rest_watch {
                watch.note_taken(sent);
            }
            if let Stage::Streaming(stream) = &self.stage {
                stream.owner.note_accepted(sent);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the socket has taken everything.
    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unflushed {
            // Over TLS there may be bytes from earlier writes.
            flush::note_write(cx);
            match ready!(Pin::new(&mut self.transport).poll_flush(cx)) {
                Ok(()) => {
                    self.unflushed = false;
                    flush::note_flush(cx, self.transport.os_socket());
                }
                Err(_) => self.stage = Stage::Over,
            }
        }
        Poll::Ready(())
    }

    /// Drops the body. The last chunk is sent next.
    fn end_body(&mut self) {
        self.unsent = Some(Box::new(Unsent {
            size_line: Bytes::new(),
            body: LAST_CHUNK,
            end: Bytes::new(),
        }));
        self.stage = Stage::Ending;
    }

    /// True if the client has left. Bytes that it sends are not answered: the connection closes after the stream.
    fn has_left(&mut self, cx: &mut Context<'_>) -> bool {
        if self.half_close == HalfClose::Happened {
            return false;
        }
        match discard::poll_discard(&mut self.transport, cx, || {}) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) if self.half_close == HalfClose::Allowed => {
                self.half_close = HalfClose::Happened;
                false
            }
            Poll::Ready(_) => true,
        }
    }
}

/// Polls a stream's body. A panic in a middleware body ends only this stream.
fn poll_body(stream: &mut HubStream, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
    let body = Pin::new(&mut stream.body);
    catch_unwind(AssertUnwindSafe(|| body.poll_next(cx))).unwrap_or_else(|_| {
        stream.owner.panicked();
        Poll::Ready(Some(Err("a middleware's body panicked".into())))
    })
}
