//! The operating system's socket beneath a connection.

use std::{hint::black_box, io, sync::LazyLock, time::Duration};

use actix_web::rt::net::TcpStream;
#[cfg(unix)]
use actix_web::rt::net::UnixStream;
use socket2::SockRef;
use tokio::io::Interest;

use crate::tracing_limit::TracingLimit;

/// The operating system's socket of a [`Transport`](super::socket::Transport), for operations that bypass TLS.
#[derive(Clone, Copy)]
pub(super) enum OsSocket<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl<'a> OsSocket<'a> {
    /// `None` for a unix socket, which has no TCP options, and cannot be reset.
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

    /// Reads the memory that a write reads first: whether the socket can be written to. Changes nothing.
    pub(super) fn prefetch(self) {
        let _ = black_box(match self {
            Self::Tcp(tcp) => tcp.try_io(Interest::WRITABLE, || Ok(())),
            #[cfg(unix)]
            Self::Unix(unix) => unix.try_io(Interest::WRITABLE, || Ok(())),
        });
    }
}

/// The options that are set on every accepted socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct SocketOptions {
    pub(super) nodelay: bool,
    pub(super) user_timeout: Option<Duration>,
    pub(super) send_buffer: Option<usize>,
}

impl SocketOptions {
    /// If a socket option cannot be set, the connection is slower or less robust, but still works.
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
