//! Connections over OpenSSL.

use std::{convert::Infallible, future::ready, time::Duration};

use actix_http::Protocol;
use actix_service::{
    ServiceFactoryExt as _,
    boxed::{self, BoxServiceFactory},
};
use actix_tls::accept::{
    TlsError,
    openssl::{
        Acceptor, TlsStream,
        reexports::{AlpnError, Error, SslAcceptor, SslAcceptorBuilder},
    },
};
use actix_web::rt::net::TcpStream;

use super::{
    connection,
    http2_watch::AcceptedSocket,
    os_socket::OsSocket,
    socket::{Socket, Transport},
};

/// Boxed like the session of rustls, so that a connection's task has one size.
pub(super) type Tls = Box<TlsStream<TcpStream>>;

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

impl Transport for Tls {
    fn os_socket(&self) -> OsSocket<'_> {
        OsSocket::Tcp(self.get_ref())
    }

    fn accepted(&self, _: bool) -> AcceptedSocket<'_> {
        accepted(self)
    }
}

/// The accepted session. Hooks get it without the box.
pub(super) fn accepted(session: &TlsStream<TcpStream>) -> AcceptedSocket<'_> {
    AcceptedSocket {
        io: session,
        socket: OsSocket::Tcp(session.get_ref()),
        may_be_http2: speaks_http2(session),
    }
}

fn speaks_http2(session: &TlsStream<TcpStream>) -> bool {
    session.ssl().selected_alpn_protocol() == Some(HTTP2)
}

/// Offers HTTP/2 before HTTP/1.1, as actix does. The ALPN settings of the builder are replaced.
pub(super) fn offering_http2(mut builder: SslAcceptorBuilder) -> SslAcceptor {
    builder.set_alpn_select_callback(|_, offered| {
        let client_speaks = |wanted: &[u8]| protocols(offered).any(|protocol| protocol == wanted);
        [HTTP2, HTTP1]
            .into_iter()
            .find(|protocol| client_speaks(protocol))
            .ok_or(AlpnError::NOACK)
    });
    builder.build()
}

/// The names in a list of protocols, in which each name has its length before it ([RFC 7301,
/// 3.1](https://www.rfc-editor.org/rfc/rfc7301#section-3.1)).
fn protocols(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = list.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        list = rest;
        Some(name)
    })
}

/// Accepts connections, and finds the protocol of each.
pub(super) fn acceptor<E>(
    acceptor: SslAcceptor,
    handshake_timeout: Option<Duration>,
) -> BoxServiceFactory<(), TcpStream, connection::AcceptedConnection<Tls>, TlsError<Error, E>, ()>
where
    E: 'static,
{
    let mut acceptor = Acceptor::new(acceptor);
    if let Some(timeout) = handshake_timeout {
        acceptor.set_handshake_timeout(timeout);
    }
    let accepted = acceptor
        .map_init_err(|()| ())
        .map_err(|error: TlsError<Error, Infallible>| error.into_service_error())
        .and_then(|stream: TlsStream<TcpStream>| ready(Ok(socket_of(stream))));
    // Boxed, so that the memory of the handshake is freed.
    boxed::factory(accepted)
}

fn socket_of(stream: TlsStream<TcpStream>) -> connection::AcceptedConnection<Tls> {
    let peer = stream.get_ref().peer_addr().ok();
    let protocol = if speaks_http2(&stream) {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    (Socket::new(Box::new(stream)), protocol, peer)
}
