//! An event stream over HTTP/1.1 or HTTP/2. That its connection is lost is no failure of the test.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use h2::{RecvStream, client};
use http::Request;
use sse_tests::patience::within;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};

use crate::site::{Server, Site, Socket};

pub(crate) enum Stream {
    Http1 {
        socket: Box<dyn Socket>,
        received: BytesMut,
    },
    Http2 {
        body: RecvStream,
        driver: JoinHandle<()>,
    },
}

impl Stream {
    /// Asks for it, and waits for its head.
    pub(crate) async fn open(
        site: &Site,
        server: Server,
        from: [u8; 4],
        http2: bool,
        path: &str,
        last_event_id: &str,
    ) -> io::Result<Self> {
        let socket = site.connect(server, from, http2).await?;
        if http2 {
            Self::over_http2(socket, path, last_event_id).await
        } else {
            Self::over_http1(socket, path, last_event_id).await
        }
    }

    async fn over_http1(mut socket: Box<dyn Socket>, path: &str, last_event_id: &str) -> io::Result<Self> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\nLast-Event-ID: {last_event_id}\r\n\r\n");
        socket.write_all(head.as_bytes()).await?;
        socket.flush().await?;
        let mut this = Self::Http1 {
            socket,
            received: BytesMut::new(),
        };
        let head = this.through(b"\r\n\r\n").await?;
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path}: {head:?}");
        Ok(this)
    }

    async fn over_http2(socket: Box<dyn Socket>, path: &str, last_event_id: &str) -> io::Result<Self> {
        let mut settings = client::Builder::new();
        settings.data_frame_budget(usize::MAX);
        let shaken = within("a handshake", settings.handshake::<_, Bytes>(socket)).await;
        let (mut requests, connection) = shaken.map_err(io::Error::other)?;
        let driver = tokio::spawn(async {
            let _ = connection.await;
        });
        let request = Request::get(format!("http://test{path}")).header("last-event-id", last_event_id);
        let sent = requests.send_request(request.body(()).unwrap(), true);
        let (answer, _) = sent.map_err(io::Error::other)?;
        let answer = within("an answer", answer).await.map_err(io::Error::other)?;
        assert_eq!(answer.status(), 200, "{path}");
        Ok(Self::Http2 {
            body: answer.into_body(),
            driver,
        })
    }

    /// What comes next; `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Self::Http2 { body, .. } = self {
            let Some(frame) = within("a frame", body.data()).await else {
                return Ok(None);
            };
            let frame = frame.map_err(io::Error::other)?;
            body.flow_control()
                .release_capacity(frame.len())
                .map_err(io::Error::other)?;
            return Ok(Some(frame));
        }
        let line = self.through(b"\r\n").await?;
        let size = std::str::from_utf8(&line).unwrap().trim_end();
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("{size:?} is no chunk size"));
        let mut chunk = self
            .until(|received| (received.len() >= size + 2).then_some(size + 2))
            .await?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// The next bytes, up to and with these.
    async fn through(&mut self, end: &[u8]) -> io::Result<Bytes> {
        let find = |received: &[u8]| received.windows(end.len()).position(|window| window == end);
        self.until(|received| Some(find(received)? + end.len())).await
    }

    /// As many bytes as `enough` says, once they are there.
    async fn until(&mut self, enough: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Bytes> {
        let Self::Http1 { socket, received } = self else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        loop {
            if let Some(length) = enough(received) {
                return Ok(received.copy_to_bytes(length));
            }
            if within("more bytes", socket.read_buf(received)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Self::Http2 { driver, .. } = self {
            driver.abort();
        }
    }
}
