//! The methods that bind addresses or take listening sockets.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};
#[cfg(unix)]
use std::{os::unix::net::UnixListener, path::Path};

#[cfg(feature = "rustls")]
use super::ServerConfig;
#[cfg(feature = "openssl")]
use super::SslAcceptorBuilder;
use super::{
    Server,
    inherited::{InheritedSocket, inherited_sockets},
    listener::{Listener, ListenerProtocol, SocketOrigin, bind_tcp},
};

/// Every `bind` method binds all addresses that its argument resolves to, every `listen` method takes a socket that was
/// bound elsewhere. The application is the same on all of them.
impl<F> Server<F> {
    /// Listens for HTTP/1.1.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).bind(("127.0.0.1", 0))?;
    /// assert_eq!(server.addrs().len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If none of the addresses can be bound; the error names an address and the reason.
    pub fn bind(self, addrs: impl ToSocketAddrs) -> io::Result<Self> {
        self.bind_as(addrs, &ListenerProtocol::Http1)
    }

    /// Listens for HTTP/1.1 and for HTTP/2 without TLS, for clients that know that the server speaks it. Browsers speak
    /// HTTP/2 only over TLS: see [`bind_rustls_0_23`](Self::bind_rustls_0_23).
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).bind_auto_h2c(("127.0.0.1", 0))?;
    /// assert_eq!(server.addrs_with_scheme()[0].1, "http");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[cfg(feature = "http2")]
    pub fn bind_auto_h2c(self, addrs: impl ToSocketAddrs) -> io::Result<Self> {
        self.bind_as(addrs, &ListenerProtocol::AutoH2c)
    }

    /// Listens for HTTPS, with HTTP/2 if the client speaks it: about a hundred streams on one connection, instead of
    /// the six connections that browsers allow for an origin on HTTP/1.1.
    ///
    /// ```no_run
    /// use actix_web::App;
    /// use sse_actix::{Server, ServerConfig};
    ///
    /// # async fn main_(tls: ServerConfig) -> std::io::Result<()> {
    /// Server::new(App::new).bind_rustls_0_23(("0.0.0.0", 443), tls)?.run().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[cfg(feature = "rustls")]
    pub fn bind_rustls_0_23(self, addrs: impl ToSocketAddrs, config: ServerConfig) -> io::Result<Self> {
        self.bind_as(addrs, &ListenerProtocol::Rustls(Box::new(config)))
    }

    /// Listens for HTTPS with OpenSSL, with HTTP/2 if the client speaks it. The ALPN settings of `builder` are
    /// replaced.
    ///
    /// ```no_run
    /// use actix_web::App;
    /// use sse_actix::{Server, SslAcceptorBuilder};
    ///
    /// # async fn main_(tls: SslAcceptorBuilder) -> std::io::Result<()> {
    /// Server::new(App::new).bind_openssl(("0.0.0.0", 443), tls)?.run().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    #[cfg(feature = "openssl")]
    pub fn bind_openssl(self, addrs: impl ToSocketAddrs, builder: SslAcceptorBuilder) -> io::Result<Self> {
        self.bind_as(
            addrs,
            &ListenerProtocol::Openssl(super::openssl::offering_http2(builder)),
        )
    }

    /// Listens for HTTP/1.1 on a unix socket at this path, for a proxy on the same machine. If a killed process has
    /// left its socket, this replaces it. The file stays when the server ends.
    ///
    /// Such a client has no address. For limits by address, trust the proxy:
    /// [`HubBuilder::trusted_proxy("unix:")`](crate::HubBuilder::trusted_proxy).
    ///
    /// ```
    /// use actix_web::App;
    /// use sse_actix::Server;
    ///
    /// let path = std::env::temp_dir().join(format!("sse-actix-{}.sock", std::process::id()));
    /// let first = Server::new(App::new).bind_uds(&path)?;
    /// let error = Server::new(App::new).bind_uds(&path).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    ///
    /// // Nobody listens any more, but the file is there.
    /// drop(first);
    /// Server::new(App::new).bind_uds(&path)?;
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a process listens there, if the file is not a socket, or if it cannot be made. An existing file stays.
    #[cfg(unix)]
    pub fn bind_uds(mut self, uds_path: impl AsRef<Path>) -> io::Result<Self> {
        self.listeners.push(Listener::Unix {
            socket: super::unix_socket::bind(uds_path.as_ref())?,
            origin: SocketOrigin::Bound,
        });
        Ok(self)
    }

    /// Listens on a socket that was bound elsewhere, for HTTP/1.1.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use actix_web::App;
    ///
    /// let socket = TcpListener::bind(("127.0.0.1", 0))?;
    /// let addr = socket.local_addr()?;
    /// let server = sse_actix::Server::new(App::new).listen(socket)?;
    /// assert_eq!(server.addrs(), [addr]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the socket has no address.
    pub fn listen(self, socket: TcpListener) -> io::Result<Self> {
        self.listen_as(socket, ListenerProtocol::Http1)
    }

    /// Listens on a socket that was bound elsewhere, as [`bind_auto_h2c`](Self::bind_auto_h2c) does. See
    /// [`listen`](Self::listen)'s example.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    #[cfg(feature = "http2")]
    pub fn listen_auto_h2c(self, socket: TcpListener) -> io::Result<Self> {
        self.listen_as(socket, ListenerProtocol::AutoH2c)
    }

    /// Listens on a socket that was bound elsewhere, as [`bind_rustls_0_23`](Self::bind_rustls_0_23) does. See
    /// [`listen`](Self::listen)'s example.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    #[cfg(feature = "rustls")]
    pub fn listen_rustls_0_23(self, socket: TcpListener, config: ServerConfig) -> io::Result<Self> {
        self.listen_as(socket, ListenerProtocol::Rustls(Box::new(config)))
    }

    /// Listens on a socket that was bound elsewhere, as [`bind_openssl`](Self::bind_openssl) does. See
    /// [`listen`](Self::listen)'s example.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    #[cfg(feature = "openssl")]
    pub fn listen_openssl(self, socket: TcpListener, builder: SslAcceptorBuilder) -> io::Result<Self> {
        let acceptor = super::openssl::offering_http2(builder);
        self.listen_as(socket, ListenerProtocol::Openssl(acceptor))
    }

    /// Listens on a unix socket that was bound elsewhere, as [`bind_uds`](Self::bind_uds) does. See
    /// [`listen`](Self::listen)'s example.
    ///
    /// # Errors
    ///
    /// If the socket has no address.
    #[cfg(unix)]
    pub fn listen_uds(mut self, socket: UnixListener) -> io::Result<Self> {
        socket.local_addr()?;
        self.listeners.push(Listener::Unix {
            socket,
            origin: SocketOrigin::Given,
        });
        Ok(self)
    }

    /// Listens on the sockets that this process was [started with](inherited_sockets), TCP or unix. If there are none,
    /// binds `addrs`. For HTTP/1.1.
    ///
    /// # Errors
    ///
    /// As [`inherited_sockets`] and [`bind`](Self::bind).
    ///
    /// ```no_run
    /// use actix_web::App;
    ///
    /// # async fn main_() -> std::io::Result<()> {
    /// sse_actix::Server::new(App::new).inherit_or_bind(("0.0.0.0", 8080))?.run().await
    /// # }
    /// ```
    pub fn inherit_or_bind(mut self, addrs: impl ToSocketAddrs) -> io::Result<Self> {
        let inherited = inherited_sockets()?;
        if inherited.is_empty() {
            return self.bind(addrs);
        }
        for socket in inherited {
            self = match socket {
                InheritedSocket::Tcp(socket) => self.listen(socket)?,
                #[cfg(unix)]
                InheritedSocket::Unix(socket) => self.listen_uds(socket)?,
            };
        }
        Ok(self)
    }

    /// The addresses of the listening sockets, with the port that the system chose for port 0. A unix socket has none.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        let addrs = self.addrs_with_scheme().into_iter();
        addrs.map(|(addr, _)| addr).collect()
    }

    /// The addresses of the listening sockets, each with `http` or `https`.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).bind(("127.0.0.1", 0))?;
    /// let (addr, scheme) = server.addrs_with_scheme()[0];
    /// assert_eq!(format!("{scheme}://{addr}"), format!("http://127.0.0.1:{}", addr.port()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn addrs_with_scheme(&self) -> Vec<(SocketAddr, &str)> {
        let tcp = self.listeners.iter().filter_map(|listener| match listener {
            Listener::Tcp { socket, protocol, .. } => Some((socket, protocol)),
            #[cfg(unix)]
            Listener::Unix { .. } => None,
        });
        tcp.filter_map(|(socket, protocol)| Some((socket.local_addr().ok()?, protocol.scheme())))
            .collect()
    }

    fn bind_as(mut self, addrs: impl ToSocketAddrs, protocol: &ListenerProtocol) -> io::Result<Self> {
        let bound = bind_tcp(addrs)?.into_iter();
        self.listeners.extend(bound.map(|socket| Listener::Tcp {
            socket,
            protocol: protocol.clone(),
            origin: SocketOrigin::Bound,
        }));
        Ok(self)
    }

    fn listen_as(mut self, socket: TcpListener, protocol: ListenerProtocol) -> io::Result<Self> {
        socket.local_addr()?;
        self.listeners.push(Listener::Tcp {
            socket,
            protocol,
            origin: SocketOrigin::Given,
        });
        Ok(self)
    }
}
