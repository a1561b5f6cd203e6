//! Where connections come from.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Server;
#[cfg(feature = "rustls")]
use super::ServerConfig;

impl<F> Server<F> {
    /// Listens for HTTP/1.1.
    ///
    /// # Errors
    ///
    /// If none of the addresses can be bound; the error says which and why.
    pub fn bind(self, addrs: impl ToSocketAddrs) -> io::Result<Self> {
        self.bind_as(addrs, &ListenerProtocol::Http1)
    }

    /// Listens for HTTP/1.1 and, from clients that know beforehand that it is spoken, HTTP/2 without
    /// TLS. Browsers speak HTTP/2 over TLS alone: see [`bind_rustls`](Self::bind_rustls).
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[cfg(feature = "http2")]
    pub fn bind_auto_h2c(self, addrs: impl ToSocketAddrs) -> io::Result<Self> {
        self.bind_as(addrs, &ListenerProtocol::AutoH2c)
    }

    /// Listens for HTTPS, with HTTP/2 where the client speaks it: about a hundred streams a connection
    /// instead of the six that browsers allow an origin on HTTP/1.1.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[cfg(feature = "rustls")]
    pub fn bind_rustls(self, addrs: impl ToSocketAddrs, config: ServerConfig) -> io::Result<Self> {
        self.bind_as(addrs, &ListenerProtocol::Tls(Box::new(config)))
    }

    /// Listens on a socket that was bound elsewhere, for HTTP/1.1.
    pub fn listen(mut self, socket: TcpListener) -> Self {
        self.listeners
            .push(Listener::given(socket, ListenerProtocol::Http1));
        self
    }

    /// Listens on a socket that was bound elsewhere, as [`bind_auto_h2c`](Self::bind_auto_h2c).
    #[cfg(feature = "http2")]
    pub fn listen_auto_h2c(mut self, socket: TcpListener) -> Self {
        self.listeners
            .push(Listener::given(socket, ListenerProtocol::AutoH2c));
        self
    }

    /// Listens on a socket that was bound elsewhere, as [`bind_rustls`](Self::bind_rustls).
    #[cfg(feature = "rustls")]
    pub fn listen_rustls(mut self, socket: TcpListener, config: ServerConfig) -> Self {
        self.listeners
            .push(Listener::given(socket, ListenerProtocol::Tls(Box::new(config))));
        self
    }

    /// Listens on the sockets that this process was [started with](inherited_sockets), else binds `addrs`, for
    /// HTTP/1.1.
    ///
    /// # Errors
    ///
    /// As [`inherited_sockets`] and [`bind`](Self::bind).
    pub fn inherit_or_bind(mut self, addrs: impl ToSocketAddrs) -> io::Result<Self> {
        let inherited = inherited_sockets()?;
        if inherited.is_empty() {
            return self.bind(addrs);
        }
        for socket in inherited {
            self = self.listen(socket);
        }
        Ok(self)
    }

    /// The addresses listened on; with the port that was given for port 0.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.socket.local_addr().ok())
            .collect()
    }

    fn bind_as(mut self, addrs: impl ToSocketAddrs, spoken: &ListenerProtocol) -> io::Result<Self> {
        let bound = Listener::bind(addrs)?;
        self.listeners.extend(
            bound
                .into_iter()
                .map(|socket| Listener::bound(socket, spoken.clone())),
        );
        Ok(self)
    }
}

/// The listening sockets that this process was started with, if there are any (`LISTEN_FDS`, as
/// systemd's socket activation and `systemfd` pass them), for one of [`Server`]'s `listen` methods.
///
/// A supervisor that holds the socket keeps it open while the server restarts, so that no client is refused: Firefox
/// closes a cross-origin `EventSource` for good when its reconnect is refused. For HTTP/1.1
/// there is [`Server::inherit_or_bind`].
///
/// ```
/// assert!(sse_actix::inherited_sockets()?.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If what was passed on is no TCP listener.
pub fn inherited_sockets() -> io::Result<Vec<TcpListener>> {
    let mut passed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        if let Some(socket) = passed.take_tcp_listener(index)? {
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

/// A listening socket and what is spoken over it.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) spoken: ListenerProtocol,
    /// Bound here, so that its backlog is ours to set.
    own: bool,
}

#[derive(Clone)]
pub(super) enum ListenerProtocol {
    Http1,
    #[cfg(feature = "http2")]
    AutoH2c,
    #[cfg(feature = "rustls")]
    Tls(Box<ServerConfig>),
}

impl Listener {
    pub(super) fn given(socket: TcpListener, spoken: ListenerProtocol) -> Self {
        Self {
            socket,
            spoken,
            own: false,
        }
    }

    /// Binds every address that `addrs` resolves to, and fails only if none can be bound, as actix does.
    pub(super) fn bind(addrs: impl ToSocketAddrs) -> io::Result<Vec<TcpListener>> {
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

    pub(super) fn bound(socket: TcpListener, spoken: ListenerProtocol) -> Self {
        Self {
            socket,
            spoken,
            own: true,
        }
    }

    /// How many connections may wait to be accepted. May be set again while listening.
    pub(super) fn set_backlog(&self, backlog: i32) -> io::Result<()> {
        if self.own {
            SockRef::from(&self.socket).listen(backlog)
        } else {
            Ok(())
        }
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
