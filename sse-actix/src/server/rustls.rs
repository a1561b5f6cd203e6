//! Connections over rustls.

use std::{convert::Infallible, future::ready, hint::black_box, io, time::Duration};

use actix_http::Protocol;
use actix_service::{
    ServiceFactoryExt as _,
    boxed::{self, BoxServiceFactory},
};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream, reexports::ServerConfig},
};
use actix_web::rt::net::TcpStream;

use super::{
    connection,
    http2_watch::AcceptedSocket,
    os_socket::OsSocket,
    socket::{Socket, Transport},
};

/// Boxed, because a session is 1.2 KB, and several types would contain it.
pub(super) type Tls = Box<TlsStream<TcpStream>>;

impl Transport for Tls {
    fn os_socket(&self) -> OsSocket<'_> {
        OsSocket::Tcp(self.get_ref().0)
    }

    fn prefetch(&self) {
        black_box(self.get_ref().1.wants_write());
        self.os_socket().prefetch();
    }

    fn accepted(&self, _: bool) -> AcceptedSocket<'_> {
        accepted(self)
    }
}

/// The accepted session. Hooks get it without the box.
pub(super) fn accepted(session: &TlsStream<TcpStream>) -> AcceptedSocket<'_> {
    let (tcp, state) = session.get_ref();
    AcceptedSocket {
        io: session,
        socket: OsSocket::Tcp(tcp),
        may_be_http2: state.alpn_protocol() == Some(b"h2"),
    }
}

/// Accepts connections, and finds the protocol of each, like actix's own acceptor.
pub(super) fn acceptor<E>(
    mut config: ServerConfig,
    handshake_timeout: Option<Duration>,
) -> BoxServiceFactory<(), TcpStream, connection::AcceptedConnection<Tls>, TlsError<io::Error, E>, ()>
where
    E: 'static,
{
    let mut protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    protocols.append(&mut config.alpn_protocols);
    config.alpn_protocols = protocols;
    let mut acceptor = Acceptor::new(config);
    if let Some(timeout) = handshake_timeout {
        acceptor.set_handshake_timeout(timeout);
    }
    let accepted = acceptor
        .map_init_err(|()| ())
        .map_err(|error: TlsError<io::Error, Infallible>| error.into_service_error())
        .and_then(|stream: TlsStream<TcpStream>| ready(Ok(socket_of(stream))));
    // Boxed, so that the memory of the handshake is freed.
    boxed::factory(accepted)
}

fn socket_of(stream: TlsStream<TcpStream>) -> connection::AcceptedConnection<Tls> {
    let (tcp, session) = stream.get_ref();
    let peer = tcp.peer_addr().ok();
    let protocol = if session.alpn_protocol() == Some(b"h2") {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    (Socket::new(Box::new(stream)), protocol, peer)
}
