//! Connections over TLS.

use std::{
    convert::Infallible,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::Protocol;
use actix_service::{ServiceFactory, ServiceFactoryExt as _};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream, reexports::ServerConfig},
};
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flush;

/// A connection's socket, as actix has it: it tells bodies when it has taken what they gave.
pub(super) struct TlsIo(TlsStream<TcpStream>);

impl TlsIo {
    /// The stream within.
    pub(super) fn stream(&self) -> &TlsStream<TcpStream> {
        &self.0
    }
}

/// Accepts connections, and says what is spoken on each, as actix's own acceptor does.
pub(super) fn acceptor<E>(
    mut config: ServerConfig,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = (TlsIo, Protocol, Option<SocketAddr>),
    Error = TlsError<io::Error, E>,
    InitError = (),
>
where
    E: 'static,
{
    let mut protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    protocols.append(&mut config.alpn_protocols);
    config.alpn_protocols = protocols;
    Acceptor::new(config)
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
            Ok((TlsIo(stream), protocol, peer))
        })
}

impl AsyncRead for TlsIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        flush::writes(cx);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        flush::flushed(cx, self.0.get_ref().0);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
