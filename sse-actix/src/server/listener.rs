//! Listening sockets, and what is protocol over them.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

#[cfg(feature = "openssl")]
use actix_tls::accept::openssl::reexports::SslAcceptor;
#[cfg(feature = "rustls")]
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

#[cfg(unix)]
use std::os::unix::net::UnixListener;

/// A listening socket and what is protocol over it.
pub(super) enum Listener {
    Tcp {
        socket: TcpListener,
        protocol: ListenerProtocol,
        origin: SocketOrigin,
    },
    /// HTTP/1.1, as actix.
    #[cfg(unix)]
    Unix {
        socket: UnixListener,
        origin: SocketOrigin,
    },
}

/// Whose socket it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketOrigin {
    /// Bound by us, so that its backlog is ours to set.
    Bound,
    Given,
}

#[derive(Clone)]
pub(super) enum ListenerProtocol {
    Http1,
    #[cfg(feature = "http2")]
    AutoH2c,
    #[cfg(feature = "rustls")]
    Rustls(Box<ServerConfig>),
    #[cfg(feature = "openssl")]
    Openssl(SslAcceptor),
}

impl ListenerProtocol {
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Http1 => "http",
            #[cfg(feature = "http2")]
            Self::AutoH2c => "http",
            #[cfg(feature = "rustls")]
            Self::Rustls(_) => "https",
            #[cfg(feature = "openssl")]
            Self::Openssl(_) => "https",
        }
    }
}

impl Listener {
    /// How many connections may wait to be accepted. May be set again while listening.
    pub(super) fn set_backlog(&self, backlog: i32) -> io::Result<()> {
        match self {
            Self::Tcp {
                socket,
                origin: SocketOrigin::Bound,
                ..
            } => SockRef::from(socket).listen(backlog),
            #[cfg(unix)]
            Self::Unix {
                socket,
                origin: SocketOrigin::Bound,
            } => SockRef::from(socket).listen(backlog),
            _ => Ok(()),
        }
    }
}

/// Binds every address that `addrs` resolves to, and fails only if none can be bound, as actix does.
pub(super) fn bind_tcp(addrs: impl ToSocketAddrs) -> io::Result<Vec<TcpListener>> {
    let mut bound = Vec::new();
    let mut failure = None;
    for addr in addrs.to_socket_addrs()? {
        match bind_one(addr) {
            Ok(socket) => bound.push(socket),
            Err(error) => {
                failure = Some(io::Error::new(
                    error.kind(),
                    format!("cannot listen on {addr}: {error}"),
                ));
            }
        }
    }
    match failure {
        Some(failure) if bound.is_empty() => Err(failure),
        None if bound.is_empty() => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the address to listen on resolves to nothing",
        )),
        _ => Ok(bound),
    }
}

/// Until the server runs and sets its own.
const FIRST_BACKLOG: i32 = 1024;

fn bind_one(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of its predecessor to be forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(FIRST_BACKLOG)?;
    Ok(socket.into())
}
