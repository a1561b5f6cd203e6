//! Connections over TLS.

use std::{convert::Infallible, io};

use actix_http::Protocol;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, boxed};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream, reexports::ServerConfig},
};
use actix_web::rt::net::TcpStream;

use super::{
    connection::Accepted,
    serve,
    socket::{Socket, Transport},
};

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn accepted(&self, _: bool) -> Accepted<'_> {
        Accepted::over_tls(self)
    }
}

/// Accepts connections, and says what is spoken on each, as actix's own acceptor does.
pub(super) fn acceptor<E>(
    mut config: ServerConfig,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = serve::Accepted<TlsStream<TcpStream>>,
    Error = TlsError<io::Error, E>,
    InitError = (),
>
where
    E: 'static,
{
    let mut protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    protocols.append(&mut config.alpn_protocols);
    config.alpn_protocols = protocols;
    // Boxed, so that a handshake leaves nothing behind in the connection's task.
    boxed::factory(Acceptor::new(config))
        .map_init_err(|()| ())
        .map_err(|error: TlsError<io::Error, Infallible>| error.into_service_error())
        .and_then(|stream: TlsStream<TcpStream>| async move {
            let (tcp, session) = stream.get_ref();
            // A socket option that cannot be set costs speed, not the connection.
            let _ = tcp.set_nodelay(true);
            let peer = tcp.peer_addr().ok();
            let protocol = if session.alpn_protocol() == Some(b"h2") {
                Protocol::Http2
            } else {
                Protocol::Http1
            };
            Ok((Socket::new(stream), protocol, peer))
        })
}
