//! A connection's socket, as actix has it.

use std::{
    hint::black_box,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::{
    discard, flush,
    handover::{DispatcherLink, ReadLimit},
    http2_watch::AcceptedSocket,
};

/// What connections are made over: TCP, or TLS over TCP.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {
    fn tcp(&self) -> &TcpStream;

    /// Looks at what a write looks at first, as [`OwnedConnection::fetch`](super::handover::OwnedConnection::fetch) wants it.
    fn fetch(&self) {
        // Reads whether the socket can be written to, and changes nothing.
        let _ = black_box(self.tcp().try_io(Interest::WRITABLE, || Ok(())));
    }

    /// The connection as it was accepted: what hooks get, and its TCP socket.
    fn accepted(&self, may_be_http2: bool) -> AcceptedSocket<'_>;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }

    fn accepted(&self, may_be_http2: bool) -> AcceptedSocket<'_> {
        AcceptedSocket::over_tcp(self, may_be_http2)
    }
}

/// The socket that actix's dispatcher reads and writes.
///
/// It does three things more than the transport. It tells a body that everything was [flushed](flush). It lets the
/// dispatcher read [no more than some](ReadLimit) behind a request. And it leaves the dispatcher when the body is to
/// be [handed over](super::handover).
pub(super) struct Socket<T> {
    /// `None` once it has left.
    transport: Option<T>,
    link: Rc<DispatcherLink<T>>,
}

impl<T: Transport> Socket<T> {
    pub(super) fn new(transport: T) -> Self {
        Self {
            transport: Some(transport),
            link: Rc::default(),
        }
    }

    pub(super) fn transport(&self) -> Option<&T> {
        self.transport.as_ref()
    }

    /// What it shares with the future that serves its connection.
    pub(super) fn link(&self) -> &Rc<DispatcherLink<T>> {
        &self.link
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
        let shared = Rc::clone(&self.link.shared);
        let mut transport = self.get()?;
        let gap = shared.has_dropped();
        let most = match shared.behind() {
            // What comes next is the middle of something: as if the client had left.
            ReadLimit::Unlimited if gap => return Poll::Ready(Ok(())),
            ReadLimit::Unlimited => return transport.poll_read(cx, buf),
            ReadLimit::Pause(bytes) if gap || bytes == 0 => {
                shared.pause(cx);
                return Poll::Pending;
            }
            ReadLimit::Discard(bytes) if gap || bytes == 0 => {
                return discard::poll_left(&mut *transport, cx, || shared.drop_behind_stream()).map(Ok);
            }
            ReadLimit::Pause(bytes) | ReadLimit::Discard(bytes) => bytes.min(buf.remaining()),
        };
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(transport.poll_read(cx, &mut part))?;
        let filled = part.filled().len();
        buf.advance(filled);
        shared.has_read(filled);
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        flush::writes(cx);
        self.get()?.poll_write(cx, buf)
    }

    /// HTTP/2 alone writes so.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// Called when the dispatcher has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Over TLS there may be bytes that were taken before.
        flush::writes(cx);
        let mut transport = self.get()?;
        ready!(transport.as_mut().poll_flush(cx))?;
        flush::flushed(cx, transport.tcp());
        if self.link.shared.is_offered() {
            let transport = self.transport.take();
            self.link.transport.set(transport);
            // This error ends the dispatcher at once. `ConnectionTask` does not pass it on.
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get()?.poll_shutdown(cx)
    }
}
