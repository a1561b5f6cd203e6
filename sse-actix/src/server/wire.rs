//! The socket of a connection on HTTP/1.1, to which a hub may write by itself.
//!
//! On the usual way an event wakes its connection's task, where actix's dispatcher looks at its timers, asks for
//! requests, polls the body, copies what that gives, and writes. For ten thousand readers of the same event this costs
//! more than to send it. So a body may ask for the [`Wire`] of the connection that carries it. As long as the
//! dispatcher holds nothing that is yet to be written, what is written to the wire comes next, and is what the
//! dispatcher would have written: one chunk of [HTTP/1.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1).
//!
//! That the body's bytes do reach this connection, as they are and in chunks, is not taken on trust: a wire is given only
//! to a body whose last chunk, encoded so, is what the dispatcher writes in the same turn of the same task.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice, Write as _},
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{connection::Accepted, flush};

/// A connection's socket, as actix has it.
pub(super) struct Io(Socket);

enum Socket {
    Own(TcpStream),
    Wired(Rc<Wire>),
    /// While it is moved from the one to the other.
    Moving,
}

pub(crate) struct Wire {
    tcp: RefCell<TcpStream>,
    /// What was left of a chunk that the socket did not take whole. The dispatcher's writes come after it.
    rest: Cell<Bytes>,
    /// There is such a rest.
    rests: Cell<bool>,
    /// The dispatcher has something that is yet to be written.
    held: Cell<bool>,
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Whole,
    /// The connection's task, which is to be woken, sends the rest.
    Partly,
    /// The socket takes nothing, or there is an error, which the connection's task finds.
    Nothing,
}

/// Who wants the wire that carries a body.
pub(crate) trait Wired {
    fn wire(&self, wire: Rc<Wire>);
}

thread_local! {
    /// The last.
    static OFFER: Cell<Option<Offer>> = const { Cell::new(None) };
}

/// A chunk of a body, by which the connection is known that carries it.
pub(crate) struct Offer {
    task: Waker,
    chunk: Bytes,
    taker: Rc<dyn Wired>,
}

impl Offer {
    /// Told when a body, polled with `cx`, gives `chunk`.
    pub(crate) fn make(cx: &Context<'_>, chunk: &Bytes, taker: Rc<dyn Wired>) {
        OFFER.set(Some(Self {
            task: cx.waker().clone(),
            chunk: chunk.clone(),
            taker,
        }));
    }

    /// Whether `written`, by the task of `cx`, ends with it.
    fn is_in(&self, written: &[u8], cx: &Context<'_>) -> bool {
        let mut head = Head::default();
        self.task.will_wake(cx.waker())
            && written
                .strip_suffix(b"\r\n")
                .and_then(|written| written.strip_suffix(&*self.chunk))
                .is_some_and(|written| written.ends_with(head.of(self.chunk.len())))
    }
}

/// What comes before a chunk's bytes.
#[derive(Default)]
struct Head([u8; 18]);

impl Head {
    fn of(&mut self, len: usize) -> &[u8] {
        let mut free = self.0.as_mut_slice();
        // It fits: sixteen digits at most.
        let _ = write!(free, "{len:X}\r\n");
        let left = free.len();
        self.0.get(..self.0.len() - left).unwrap_or_default()
    }
}

/// Appends `pieces` as one chunk. Not all of them may be empty: a chunk of no bytes ends the body.
pub(crate) fn encode_chunk<'a>(pieces: impl Iterator<Item = &'a [u8]> + Clone, to: &mut Vec<u8>) {
    let len = pieces.clone().map(<[u8]>::len).sum();
    to.extend_from_slice(Head::default().of(len));
    pieces.for_each(|piece| to.extend_from_slice(piece));
    to.extend_from_slice(b"\r\n");
}

impl Wire {
    /// Whether what is sent now comes after all that was to be written before.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        !self.held.get() && !self.rests.get()
    }

    /// The dispatcher is given something to write.
    #[inline]
    pub(crate) fn hold(&self) {
        self.held.set(true);
    }

    /// Sends what [`encode_chunk`] has made. To be called when it [is clear](Self::is_clear).
    #[inline]
    pub(crate) fn send_chunk(&self, chunk: &[u8]) -> Sent {
        let sent = self.tcp.borrow().try_write(chunk);
        match sent {
            Ok(sent) if sent == chunk.len() => Sent::Whole,
            sent => self.left(&sent, &[chunk]),
        }
    }

    /// Sends these bytes as one chunk. To be called when it [is clear](Self::is_clear).
    pub(crate) fn send(&self, bytes: &[u8]) -> Sent {
        let mut head = Head::default();
        let pieces = [head.of(bytes.len()), bytes, b"\r\n"];
        let len = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let sent = self.tcp.borrow().try_write_vectored(&pieces.map(IoSlice::new));
        match sent {
            Ok(sent) if sent == len => Sent::Whole,
            sent => self.left(&sent, &pieces),
        }
    }

    #[cold]
    fn left(&self, sent: &io::Result<usize>, pieces: &[&[u8]]) -> Sent {
        let Ok(mut sent @ 1..) = *sent else {
            return Sent::Nothing;
        };
        let mut rest = BytesMut::new();
        for piece in pieces {
            rest.extend_from_slice(piece.get(sent..).unwrap_or_default());
            sent = sent.saturating_sub(piece.len());
        }
        self.rest.set(rest.freeze());
        self.rests.set(true);
        Sent::Partly
    }

    /// Sends what was left. An error is the connection's end, and is found by the dispatcher as well.
    pub(crate) fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.rests.get() {
            return Poll::Ready(Ok(()));
        }
        let mut rest = self.rest.take();
        let mut tcp = self.tcp.borrow_mut();
        while !rest.is_empty() {
            match Pin::new(&mut *tcp).poll_write(cx, &rest) {
                Poll::Ready(Ok(sent @ 1..)) => rest.advance(sent),
                other => {
                    self.rest.set(rest);
                    return other.map(|sent| sent.and(Err(io::ErrorKind::WriteZero.into())));
                }
            }
        }
        self.rests.set(false);
        Poll::Ready(Ok(()))
    }
}

impl Io {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self(Socket::Own(tcp))
    }

    /// As what it was accepted; `None` later.
    pub(super) fn accepted(&self, may_be_http2: bool) -> Option<Accepted<'_>> {
        match &self.0 {
            Socket::Own(tcp) => Some(Accepted::over_tcp(tcp, may_be_http2)),
            Socket::Wired(_) | Socket::Moving => None,
        }
    }

    /// Takes the offer of a body, if it is one of this connection's.
    fn take_offer(&mut self, written: &[u8], cx: &Context<'_>) {
        let Some(offer) = OFFER.take().filter(|offer| offer.is_in(written, cx)) else {
            return;
        };
        let wire = match mem::replace(&mut self.0, Socket::Moving) {
            Socket::Own(tcp) => Rc::new(Wire {
                tcp: RefCell::new(tcp),
                rest: Cell::default(),
                rests: Cell::new(false),
                held: Cell::new(true),
            }),
            Socket::Wired(wire) => wire,
            Socket::Moving => return,
        };
        offer.taker.wire(Rc::clone(&wire));
        self.0 = Socket::Wired(wire);
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Socket::Own(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Socket::Wired(wire) => Pin::new(&mut *wire.tcp.borrow_mut()).poll_read(cx, buf),
            Socket::Moving => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.take_offer(buf, cx);
        flush::writes(cx);
        match &mut self.0 {
            Socket::Own(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Socket::Wired(wire) => {
                wire.hold();
                ready!(wire.poll_rest(cx))?;
                Pin::new(&mut *wire.tcp.borrow_mut()).poll_write(cx, buf)
            }
            Socket::Moving => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// HTTP/2 alone writes so.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Socket::Own(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Socket::Wired(_) | Socket::Moving => {
                let first = bufs.iter().find(|buf| !buf.is_empty());
                self.poll_write(cx, first.map_or(&[], |buf| buf))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(&self.0, Socket::Own(tcp) if tcp.is_write_vectored())
    }

    /// Called when the dispatcher has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Socket::Own(tcp) => {
                ready!(Pin::new(&mut *tcp).poll_flush(cx))?;
                flush::flushed(cx, tcp);
                Poll::Ready(Ok(()))
            }
            Socket::Wired(wire) => {
                ready!(wire.poll_rest(cx))?;
                wire.held.set(false);
                flush::flushed(cx, &wire.tcp.borrow());
                Poll::Ready(Ok(()))
            }
            Socket::Moving => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Socket::Own(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Wired(wire) => {
                wire.hold();
                ready!(wire.poll_rest(cx))?;
                Pin::new(&mut *wire.tcp.borrow_mut()).poll_shutdown(cx)
            }
            Socket::Moving => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

#[cfg(test)]
mod tests;
