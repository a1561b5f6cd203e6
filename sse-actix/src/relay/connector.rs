//! Connections of awc on which a cut is an error.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_service::{Service, ServiceExt as _};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Connector as TcpConnector, Resolver};
use actix_web::http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connector for awc that reports an upstream which closes its connection in the middle of a body. Needs the feature
/// `awc`.
///
/// awc by itself (3.11) treats a chunked body as complete if the connection ends between two chunks without the last
/// one. So a relay could not notice that upstream was cut. With this connector the relay gets
/// [`RelayError::Upstream`](crate::RelayError::Upstream). A body without `Content-Length` and without chunks ends with
/// its connection: it cannot be distinguished from one that was cut, and fails as well.
///
/// Streams also need a client without a time limit, because awc's limit of 5 s applies to the whole body.
///
/// ```
/// use std::{io::{Read as _, Write as _}, net::TcpListener, thread};
/// use futures_util::StreamExt as _;
/// use sse_actix::{Relay, upstream_connector};
///
/// # actix_web::rt::System::new().block_on(async {
/// // Sends one event in one chunk, and closes the connection without the last chunk.
/// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
/// let addr = listener.local_addr().unwrap();
/// thread::spawn(move || {
///     let (mut socket, _) = listener.accept().unwrap();
///     let _ = socket.read(&mut [0; 1024]);
///     let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n");
/// });
///
/// let client = awc::Client::builder().connector(upstream_connector()).disable_timeout().finish();
/// let upstream = client.get(format!("http://{addr}/")).send().await.unwrap();
/// let mut relay = Relay::new(upstream);
/// assert!(relay.next().await.unwrap().is_ok());
/// assert!(relay.next().await.unwrap().is_err());
/// # });
/// ```
pub fn upstream_connector() -> awc::Connector<
    impl Service<ConnectInfo<Uri>, Response = Connection<Uri, UpstreamSocket>, Error = ConnectError> + Clone,
> {
    let tcp = TcpConnector::new(Resolver::default()).service();
    awc::Connector::new().connector(tcp.map(|connection: Connection<Uri, TcpStream>| {
        let (socket, uri) = connection.into_parts();
        Connection::new(uri, UpstreamSocket(socket))
    }))
}

/// A socket whose end is an error: HTTP/1.1 marks the end of a body, so awc does not read on after a complete one. See
/// [`upstream_connector`]'s example.
#[derive(Debug)]
pub struct UpstreamSocket(TcpStream);

impl AsyncRead for UpstreamSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let had_room = buf.remaining() > 0;
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        if had_room && buf.filled().len() == before {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpstreamSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

impl ActixStream for UpstreamSocket {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.0, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.0, cx)
    }
}
