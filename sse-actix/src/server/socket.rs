//! The socket of a connection, which actix's dispatcher uses.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::TcpStream;
#[cfg(unix)]
use actix_web::rt::net::UnixStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    activity::ClientProgress,
    discard, flush,
    handover::{HandoverSlot, ReadLimit},
    http2_resets::ResetFinder,
    http2_watch::AcceptedSocket,
    os_socket::OsSocket,
};

/// The transport of a connection: TCP, TLS over TCP, or a unix socket.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {
    fn os_socket(&self) -> OsSocket<'_>;

    /// Loads the memory that a write reads first, for
    /// [`DirectConnection::prefetch`](super::handover::DirectConnection::prefetch).
    fn prefetch(&self) {
        self.os_socket().prefetch();
    }

    /// The accepted connection: the value that hooks get, and its socket.
    fn accepted(&self, may_be_http2: bool) -> AcceptedSocket<'_>;
}

impl Transport for TcpStream {
    fn os_socket(&self) -> OsSocket<'_> {
        OsSocket::Tcp(self)
    }

    fn accepted(&self, may_be_http2: bool) -> AcceptedSocket<'_> {
        AcceptedSocket {
            io: self,
            socket: self.os_socket(),
            may_be_http2,
        }
    }
}

#[cfg(unix)]
impl Transport for UnixStream {
    fn os_socket(&self) -> OsSocket<'_> {
        OsSocket::Unix(self)
    }

    fn accepted(&self, _: bool) -> AcceptedSocket<'_> {
        AcceptedSocket {
            io: self,
            socket: self.os_socket(),
            may_be_http2: false,
        }
    }
}

/// The socket that actix's dispatcher reads and writes.
///
/// It does four things more than the transport. It notifies a body when everything was [flushed](flush). It
/// [limits](ReadLimit) how many bytes the dispatcher may read after a request. And it leaves the dispatcher when the
/// body is [handed over](super::handover). On HTTP/2, it writes that a stream was cut off as [`INTERNAL_ERROR`](super::http2_resets).
pub(super) struct Socket<T> {
    /// `None` once it has left.
    transport: Option<T>,
    slot: Rc<HandoverSlot<T>>,
    progress: Option<ClientProgress>,
    /// On HTTP/2 only.
    resets: Option<ResetFinder>,
}

impl<T: Transport> Socket<T> {
    pub(super) fn new(transport: T) -> Self {
        Self {
            transport: Some(transport),
            slot: Rc::default(),
            progress: None,
            resets: None,
        }
    }

    /// Replaces the codes of resets, because the connection is on HTTP/2.
    pub(super) fn replace_resets(&mut self) {
        self.resets = Some(ResetFinder::default());
    }

    /// Counts the bytes that its client takes.
    pub(super) fn count(&mut self, progress: ClientProgress) {
        self.progress = Some(progress);
    }

    fn poll_write_all(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.slot.state.check()?;
        flush::note_write(cx);
        let replaced = self.resets.and_then(|resets| resets.replace(bufs));
        let transport = self.get()?;
        let written = match (&replaced, bufs) {
            (Some(bytes), _) => transport.poll_write(cx, bytes),
            (None, [buf]) => transport.poll_write(cx, buf),
            (None, bufs) => transport.poll_write_vectored(cx, bufs),
        };
        if let (Some(resets), Poll::Ready(Ok(written))) = (&mut self.resets, &written) {
            resets.advance(bufs, *written);
        }
        if let Some(progress) = &mut self.progress {
            progress.note_write(&written);
        }
        written
    }

    pub(super) fn transport(&self) -> Option<&T> {
        self.transport.as_ref()
    }

    /// The slot that it shares with the future of its connection.
    pub(super) fn slot(&self) -> &Rc<HandoverSlot<T>> {
        &self.slot
    }

    fn get(&mut self) -> io::Result<Pin<&mut T>> {
        let transport = self.transport.as_mut();
        transport
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<T: Transport> AsyncRead for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = Rc::clone(&self.slot.state);
        let mut transport = self.get()?;
        let lost_bytes = state.has_dropped();
        let most = match state.read_limit() {
            // Bytes were dropped, so the rest cannot be parsed: report the end of the connection.
            ReadLimit::Unlimited if lost_bytes => return Poll::Ready(Ok(())),
            ReadLimit::Unlimited => return transport.poll_read(cx, buf),
            // The handler has taken all bytes of the body that were read, and waits for more.
            ReadLimit::Pause(_) if !lost_bytes && state.is_body_awaited() => {
                return transport.poll_read(cx, buf);
            }
            ReadLimit::Pause(bytes) if lost_bytes || bytes == 0 => {
                state.pause(cx);
                return Poll::Pending;
            }
            ReadLimit::Discard(bytes) if lost_bytes || bytes == 0 => {
                return discard::poll_discard(&mut *transport, cx, || state.note_dropped());
            }
            ReadLimit::Pause(bytes) | ReadLimit::Discard(bytes) => bytes.min(buf.remaining()),
        };
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(transport.poll_read(cx, &mut part))?;
        let filled = part.filled().len();
        buf.advance(filled);
        state.note_read(filled);
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for Socket<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_all(cx, &[IoSlice::new(buf)])
    }

    /// Only HTTP/2 uses this.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_all(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// Called when the dispatcher has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.slot.state.check()?;
        // Over TLS there may be bytes from earlier writes.
        flush::note_write(cx);
        let mut transport = self.get()?;
        ready!(transport.as_mut().poll_flush(cx))?;
        flush::note_flush(cx, transport.os_socket());
        if self.slot.state.has_pending() {
            let progress = self.progress.take();
            let left = self.transport.take().map(|transport| (transport, progress));
            self.slot.transport.set(left);
            // This error ends the dispatcher at once. `ConnectionTask` does not pass it on.
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get()?.poll_shutdown(cx)
    }
}
