//! Hands a hub's stream over: it leaves actix's dispatcher.
//!
//! On HTTP/1.1 actix's dispatcher holds two buffers and timers for each connection, 11 KB of memory. An event wakes the
//! dispatcher's task, and the dispatcher looks at all of that before it polls the body. So the dispatcher serves a
//! hub's stream only until the head and the first bytes have been flushed. Then the [socket](super::socket) leaves the
//! dispatcher. The future that [serves](super::connection) the connection drops the dispatcher, and a
//! [`StreamConnection`] gets the socket and the response's *outermost* body, which includes all middleware bodies
//! around the stream.
//!
//! One task does all of this, in one poll. The dispatcher polls the body. If the body has nothing more,
//! [`HandoverCandidate`] makes the stream the connection's `pending_handover`. The dispatcher writes and flushes. Then
//! the socket sees the pending stream, and ends the dispatcher with an error.
//!
//! [`StreamConnection`]: super::stream_connection::StreamConnection

use std::{
    cell::{Cell, RefCell},
    error::Error,
    io,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_web::body::{BoxBody, MessageBody as _};
use bytes::Bytes;

use super::{
    activity::{ClientProgress, RequestGuard},
    discard::MAX_PIPELINED_BYTES,
};

/// Drives a stream from outside of its connection's task. A hub's `Subscriber` does.
pub(crate) trait HandoverOwner {
    /// Called when its connection was handed over, and can be driven from now on.
    fn take_over(&self, connection: Weak<dyn DirectConnection>);

    /// Called when its client has taken this many bytes of earlier chunks.
    fn note_accepted(&self, bytes: usize);

    /// Called when a middleware body around its body panicked.
    fn panicked(&self);
}

/// A connection that a [`HandoverOwner`] drives: a [`StreamConnection`].
///
/// [`StreamConnection`]: super::stream_connection::StreamConnection
pub(crate) trait DirectConnection {
    /// Polls the body, and writes its bytes. Returns true if all was written and the body waits; if not, the
    /// connection's own task continues when it is woken.
    fn drive(&self) -> bool;

    /// If bytes wait for a client that does not read, drops them and ends the connection.
    fn give_up(&self);

    /// Called when its stream has ended, so that its owner no longer looks for a client that stalls. From now on the
    /// connection does: it ends if its client does not take the rest at the speed that counts as reading.
    fn stream_ended(&self, patience: Duration);

    /// Loads the memory that [`drive`](Self::drive) reads first into the processor's cache. This memory is spread over
    /// many places. A worker prefetches several connections before it drives the first, so that the processor loads
    /// their memory at once.
    fn prefetch(&self);
}

/// Marks a response as a stream, in its extensions.
pub(crate) struct StreamMarker {
    /// The owner that drives it, if it may be handed over.
    pub(crate) owner: Option<Rc<dyn HandoverOwner>>,
}

/// The state that the future of a connection shares with its socket.
pub(super) struct HandoverSlot<T> {
    /// The socket, once it has left the dispatcher, and the count of the bytes that its client takes.
    pub(super) transport: Cell<Option<(T, Option<ClientProgress>)>>,
    pub(super) state: Rc<ConnectionState>,
}

impl<T> Default for HandoverSlot<T> {
    fn default() -> Self {
        Self {
            transport: Cell::new(None),
            state: Rc::default(),
        }
    }
}

/// The state that a connection's socket, its task and its response bodies share.
#[derive(Default)]
pub(crate) struct ConnectionState {
    /// The stream that is to be handed over at the next flush.
    pending_handover: RefCell<Option<HubStream>>,
    /// How many bytes after a request may be read while it is being answered.
    read_limit: Cell<ReadLimit>,
    made_stream: Cell<MadeStream>,
    /// The number of the request in progress; the requests of a connection are counted.
    request_number: Cell<u32>,
    /// True while the request is being answered with a stream.
    is_streaming: Cell<bool>,
    /// True while the end of the request's body is not known yet.
    is_body_open: Cell<bool>,
    /// True while a handler waits for more of the body.
    is_body_awaited: Cell<bool>,
    /// True if bytes after a request for a stream were dropped.
    has_dropped_bytes: Cell<bool>,
    /// The task that waits to continue reading.
    paused_read: Cell<Option<Waker>>,
    /// True if the client does not read its stream, so that the socket fails, and the dispatcher drops the bytes that
    /// wait.
    is_given_up: Cell<bool>,
}

/// Whether a handler has made a stream for a request. `StreamMarker` does not always tell: middleware may drop the
/// response that carries it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MadeStream {
    #[default]
    None,
    /// It stays in actix's dispatcher.
    InDispatcher,
    MayBeHandedOver,
}

/// How many bytes after a request may be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum ReadLimit {
    /// No limit: no request is in progress.
    #[default]
    Unlimited,
    /// This many bytes, then none until the request is answered.
    Pause(usize),
    /// The request is answered with a stream: this many bytes are kept, later ones are dropped.
    Discard(usize),
}

thread_local! {
    /// The state of the connection whose dispatcher is being polled.
    static CURRENT: RefCell<Option<Rc<ConnectionState>>> = const { RefCell::new(None) };
}

impl ConnectionState {
    /// The state of the connection whose dispatcher is being polled.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Calls `poll`, which polls the connection's dispatcher. This is the current state meanwhile.
    pub(super) fn with_current<T>(self: &Rc<Self>, poll: impl FnOnce() -> T) -> T {
        /// Restores the previous state also when `poll` panics.
        struct Outer(Option<Rc<ConnectionState>>);
        impl Drop for Outer {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _outer = Outer(CURRENT.replace(Some(Rc::clone(self))));
        poll()
    }

    pub(super) fn has_pending(&self) -> bool {
        self.pending_handover.borrow().is_some()
    }

    /// Takes the stream that is to be handed over.
    pub(super) fn take_pending(&self) -> Option<HubStream> {
        self.pending_handover.take()
    }

    /// Notes a new request, with the length of its body; `None` if the length is unknown. Returns the request's number.
    pub(super) fn begin_request(&self, body: Option<u64>) -> u32 {
        self.made_stream.set(MadeStream::None);
        self.is_body_open.set(body.is_none());
        self.is_body_awaited.set(false);
        let body = body.map_or(0, |body| usize::try_from(body).unwrap_or(usize::MAX));
        let room = body.saturating_add(MAX_PIPELINED_BYTES);
        self.read_limit.set(ReadLimit::Pause(room));
        self.request_number.set(self.request_number.get().wrapping_add(1));
        self.request_number.get()
    }

    /// The handler of this request waits for more of an open body: it has taken all decoded bytes. Bytes read
    /// from now on do not count against the limit: they may be many without becoming body, such as a trailer.
    pub(super) fn body_awaited(&self, request: u32) {
        if self.request_number.get() == request {
            self.is_body_awaited.set(true);
            self.read_on();
        }
    }

    pub(super) fn is_body_awaited(&self) -> bool {
        self.is_body_awaited.get()
    }

    /// The handler of this request has taken a part of an open body: there is room for more of it.
    pub(super) fn body_taken(&self, request: u32) {
        if self.request_number.get() != request {
            return;
        }
        self.is_body_awaited.set(false);
        if let ReadLimit::Pause(bytes) = self.read_limit.get() {
            self.read_limit
                .set(ReadLimit::Pause(bytes.max(MAX_PIPELINED_BYTES)));
        }
        self.read_on();
    }

    /// The open body of this request has ended, or the handler has dropped it.
    pub(super) fn body_ended(&self, request: u32) {
        if self.request_number.get() != request {
            return;
        }
        self.is_body_open.set(false);
        self.is_body_awaited.set(false);
        if self.is_streaming.get() {
            self.begin_stream();
        }
    }

    pub(crate) fn note_made_stream(made: MadeStream) {
        CURRENT.with_borrow(|current| {
            if let Some(current) = current {
                current.made_stream.set(made);
            }
        });
    }

    pub(super) fn made_stream(&self) -> MadeStream {
        self.made_stream.get()
    }

    /// The request is answered with a stream. Later bytes are dropped, except bytes that may belong to the request's
    /// body.
    pub(super) fn begin_stream(&self) {
        self.is_streaming.set(true);
        if self.is_body_open.get() {
            return;
        }
        if let ReadLimit::Pause(bytes) = self.read_limit.get() {
            self.read_limit.set(ReadLimit::Discard(bytes));
        }
        self.read_on();
    }

    /// The request has been answered, or is being answered with a response that is not a stream.
    pub(super) fn end_request(&self) {
        self.is_streaming.set(false);
        self.is_body_open.set(false);
        self.is_body_awaited.set(false);
        self.read_limit.set(ReadLimit::Unlimited);
        self.read_on();
    }

    fn read_on(&self) {
        if let Some(paused) = self.paused_read.take() {
            paused.wake();
        }
    }

    pub(super) fn read_limit(&self) -> ReadLimit {
        self.read_limit.get()
    }

    pub(super) fn note_read(&self, bytes: usize) {
        self.read_limit.set(match self.read_limit.get() {
            ReadLimit::Unlimited => ReadLimit::Unlimited,
            ReadLimit::Pause(most) => ReadLimit::Pause(most.saturating_sub(bytes)),
            ReadLimit::Discard(most) => ReadLimit::Discard(most.saturating_sub(bytes)),
        });
    }

    /// Waits until reading may continue.
    pub(super) fn pause(&self, cx: &Context<'_>) {
        self.paused_read.set(Some(cx.waker().clone()));
    }

    /// Ends the connection when its dispatcher is polled next. Only for HTTP/1.1: a connection of HTTP/2 has other
    /// streams.
    pub(crate) fn give_up(&self) {
        self.is_given_up.set(true);
    }

    /// The failure of a socket whose client was given up.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_given_up.get() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    pub(super) fn note_dropped(&self) {
        self.has_dropped_bytes.set(true);
    }

    pub(super) fn has_dropped(&self) -> bool {
        self.has_dropped_bytes.get()
    }
}

/// The stream that is handed over.
pub(super) struct HubStream {
    /// The response's outermost body.
    pub(super) body: BoxBody,
    pub(super) owner: Rc<dyn HandoverOwner>,
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) request_guard: RequestGuard,
}

/// A stream in the dispatcher, until it is handed over.
pub(super) struct HandoverCandidate {
    connection_state: Rc<ConnectionState>,
    /// `None` once it may be handed over: the `ConnectionState` holds it then.
    stream: Option<HubStream>,
}

impl HandoverCandidate {
    pub(super) fn new(connection_state: Rc<ConnectionState>, stream: HubStream) -> Self {
        Self {
            connection_state,
            stream: Some(stream),
        }
    }

    /// Polls the stream's body, and lets it be handed over if it has nothing more.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let Some(mut stream) = self
            .stream
            .take()
            .or_else(|| self.connection_state.take_pending())
        else {
            return Poll::Ready(None);
        };
        let polled = loop {
            match Pin::new(&mut stream.body).poll_next(cx) {
                // An empty chunk would make the dispatcher end the body.
                Poll::Ready(Some(Ok(chunk))) if chunk.is_empty() => {}
                polled => break polled,
            }
        };
        if polled.is_pending() {
            *self.connection_state.pending_handover.borrow_mut() = Some(stream);
        } else {
            self.stream = Some(stream);
        }
        polled
    }
}

/// Unless it was handed over, the stream is dropped with the dispatcher.
impl Drop for HandoverCandidate {
    fn drop(&mut self) {
        drop(self.connection_state.take_pending());
    }
}
