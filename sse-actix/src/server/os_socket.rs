//! The operating system's socket beneath a connection.

use std::{hint::black_box, io, sync::LazyLock, time::Duration};

use actix_web::rt::net::TcpStream;
#[cfg(unix)]
use actix_web::rt::net::UnixStream;
use socket2::SockRef;
use tokio::io::Interest;

use crate::tracing_limit::TracingLimit;

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

/// What is set on every accepted socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct SocketOptions {
    pub(super) nodelay: bool,
    pub(super) user_timeout: Option<Duration>,
    pub(super) send_buffer: Option<usize>,
}

impl SocketOptions {
    /// A socket option that cannot be set costs speed or robustness, not the connection.
    pub(super) fn apply(self, socket: OsSocket<'_>) {
        let warn = |option: &'static str| {
            move |error: &io::Error| {
                static LIMIT: LazyLock<TracingLimit> = LazyLock::new(TracingLimit::new);
                if let Some(left_out) = LIMIT.take() {
                    tracing::warn!(target: "sse_actix", %error, option, left_out, "socket option not set");
                }
            }
        };
        let options = socket.options();
        if let Some(bytes) = self.send_buffer {
            let _ = options.set_send_buffer_size(bytes).inspect_err(warn("SO_SNDBUF"));
        }
        if socket.tcp().is_none() {
            return;
        }
        let _ = options
            .set_tcp_nodelay(self.nodelay)
            .inspect_err(warn("TCP_NODELAY"));
        #[cfg(target_os = "linux")]
        if let Some(timeout) = self.user_timeout {
            let _ = options
                .set_tcp_user_timeout(Some(timeout))
                .inspect_err(warn("TCP_USER_TIMEOUT"));
        }
    }
}
