//! HTTP/1.1 byte for byte: a client that hides nothing of what is on the wire.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{io, net::SocketAddr, str, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::patience::within;

/// One connection. Dropping it is leaving.
#[derive(Debug)]
pub struct Wire<T = TcpStream> {
    socket: T,
    received: BytesMut,
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn connect(addr: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(addr)).await;
        Self::over(socket.expect("the server accepts"))
    }

    /// Connects and sends a GET.
    ///
    /// # Panics
    ///
    /// If the connection is refused.
    pub async fn get(addr: SocketAddr, path: &str) -> Self {
        Self::get_with(addr, path, b"").await
    }

    /// Connects and sends a GET with further header lines, each with its line break.
    ///
    /// # Panics
    ///
    /// If the connection is refused.
    pub async fn get_with(addr: SocketAddr, path: &str, headers: &[u8]) -> Self {
        let mut wire = Self::connect(addr).await;
        let first = format!("GET {path} HTTP/1.1\r\nHost: test\r\n");
        wire.send([first.as_bytes(), headers, b"\r\n"].concat()).await;
        wire
    }

    /// What has arrived by now and was not looked at.
    pub fn arrived(&mut self) -> Bytes {
        while self
            .socket
            .try_read_buf(&mut self.received)
            .is_ok_and(|length| length > 0)
        {}
        self.received.split().freeze()
    }

    /// Leaves with a reset, as a killed process with unread bytes does.
    ///
    /// # Panics
    ///
    /// If the socket has no such option.
    pub fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }

    /// This side's address.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    /// Over a connection that is there.
    pub fn over(socket: T) -> Self {
        Self {
            socket,
            received: BytesMut::new(),
        }
    }

    /// Sends no more, as `nc` does behind its input.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn half_close(&mut self) {
        within("the half-close", self.socket.shutdown())
            .await
            .expect("the connection is up");
    }

    /// Sends exactly this.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("room to send", self.socket.write_all(bytes.as_ref()))
            .await
            .expect("the connection is up");
    }

    /// The head of the next response.
    ///
    /// # Panics
    ///
    /// If the connection ends before it does.
    pub async fn head(&mut self) -> Head {
        let text = self.through(b"\r\n\r\n").await;
        Head {
            text: String::from_utf8(text.to_vec()).expect("heads are text"),
        }
    }

    /// The next chunk of a chunked body as it was cut, `None` for the terminator, `0\r\n\r\n`.
    ///
    /// # Panics
    ///
    /// If what comes is no chunk, or the connection ends.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        let line = self.through(b"\r\n").await;
        let size = str::from_utf8(&line).unwrap().trim_end();
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("{size:?} is no chunk size"));
        let chunk = self.exactly(size).await;
        assert_eq!(self.exactly(2).await, "\r\n", "after a chunk");
        (size > 0).then_some(chunk)
    }

    /// The chunks of a chunked body up to its terminator, in one.
    ///
    /// # Panics
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn body(&mut self) -> String {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await {
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).expect("streams are text")
    }

    /// The next `length` bytes.
    ///
    /// # Panics
    ///
    /// If the connection ends before.
    pub async fn exactly(&mut self, length: usize) -> Bytes {
        while self.received.len() < length {
            self.receive().await;
        }
        self.received.split_to(length).freeze()
    }

    /// Reads what comes next, up to this much, and says how much it was.
    ///
    /// # Panics
    ///
    /// If the connection ends.
    pub async fn some(&mut self, most: usize) -> usize {
        if self.received.is_empty() {
            self.received.reserve(most);
            let socket = (&mut self.socket).take(most as u64);
            let mut socket = std::pin::pin!(socket);
            let read = within("bytes", socket.read_buf(&mut self.received))
                .await
                .unwrap();
            assert!(read > 0, "the connection has ended");
        }
        self.received.split_to(most.min(self.received.len())).len()
    }

    /// Everything up to the end of the connection, and how it ended.
    pub async fn rest(&mut self) -> (Bytes, io::Result<()>) {
        let ended = within("the end of the connection", async {
            while self.socket.read_buf(&mut self.received).await? > 0 {}
            Ok(())
        });
        let ended = ended.await;
        (self.received.split().freeze(), ended)
    }

    async fn through(&mut self, end: &[u8]) -> Bytes {
        loop {
            if let Some(at) = self.received.windows(end.len()).position(|window| window == end) {
                return self.received.split_to(at + end.len()).freeze();
            }
            self.receive().await;
        }
    }

    async fn receive(&mut self) {
        let received = within("bytes", self.socket.read_buf(&mut self.received)).await;
        let received = received.unwrap_or_else(|error| panic!("{error} after {:?}", self.received));
        assert!(received > 0, "the connection ended after {:?}", self.received);
    }
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    text: String,
}

impl Head {
    /// The first line.
    pub fn status_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The lines of the headers, sorted, since actix sends them in no order, and without the date.
    pub fn headers(&self) -> Vec<&str> {
        let mut headers: Vec<_> = self
            .text
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();
        headers.retain(|line| !line.starts_with("date: "));
        headers.sort_unstable();
        headers
    }

    /// The values of the headers with this name.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let pairs = self
            .headers()
            .into_iter()
            .filter_map(|line| line.split_once(": "));
        pairs
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }
}

/// How long it took, for a person to read: tests assert order and bytes, not time.
pub fn report(what: &str, took: Duration) {
    println!("measured: {what}: {:.2} ms", took.as_secs_f64() * 1_000.0);
}
