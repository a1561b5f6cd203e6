//! The operating system's socket beneath a connection.

use std::{hint::black_box, io};

use actix_web::rt::net::TcpStream;
#[cfg(unix)]
use actix_web::rt::net::UnixStream;
use socket2::SockRef;
use tokio::io::Interest;

/// The socket at the bottom of a [`Transport`](super::socket::Transport), and what can be done with it without going
/// through what is above it.
#[derive(Clone, Copy)]
pub(super) enum OsSocket<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl<'a> OsSocket<'a> {
    /// `None` for a unix socket, which has none of TCP's options, and cannot be reset.
    pub(super) fn tcp(self) -> Option<&'a TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// The options that every socket has.
    pub(super) fn options(self) -> SockRef<'a> {
        match self {
            Self::Tcp(tcp) => SockRef::from(tcp),
            #[cfg(unix)]
            Self::Unix(unix) => SockRef::from(unix),
        }
    }

    pub(super) fn try_read(self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_read(buffer),
            #[cfg(unix)]
            Self::Unix(unix) => unix.try_read(buffer),
        }
    }

    /// Looks at what a write looks at first: whether the socket can be written to. Changes nothing.
    pub(super) fn prefetch(self) {
        let _ = black_box(match self {
            Self::Tcp(tcp) => tcp.try_io(Interest::WRITABLE, || Ok(())),
            #[cfg(unix)]
            Self::Unix(unix) => unix.try_io(Interest::WRITABLE, || Ok(())),
        });
    }
}
