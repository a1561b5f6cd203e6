//! A minimal HTTP/1.1 client, so that reading costs little beside the check of the received bytes.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A connection that carries one request and its response.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    buf: Vec<u8>,
    /// The part of `buf` that holds bytes which the caller has not received yet.
    filled: std::ops::Range<usize>,
    /// How many bytes of the present HTTP chunk are still to be read, including the line break after it.
    chunk: usize,
}

/// The length of the line break after an HTTP chunk.
const BREAK: usize = 2;

impl Connection {
    /// Requests `path`, and reads the head of the response.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the status is not 200.
    pub fn get(addr: SocketAddr, path: &str, buf: usize) -> io::Result<Self> {
        Self::request(addr, path, "", buf)
    }

    /// Like [`get`](Self::get), with this `Last-Event-ID`: as a client that reconnects.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn back(addr: SocketAddr, path: &str, id: &str, buf: usize) -> io::Result<Self> {
        Self::request(addr, path, &format!("last-event-id: {id}\r\n"), buf)
    }

    fn request(addr: SocketAddr, path: &str, headers: &str, buf: usize) -> io::Result<Self> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.set_nodelay(true)?;
        socket.write_all(
            format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n{headers}\r\n")
                .as_bytes(),
        )?;
        let mut connection = Self {
            socket,
            buf: vec![0; buf],
            filled: 0..0,
            chunk: 0,
        };
        let head = connection.line(b"\r\n\r\n")?.to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(io::Error::other(format!("unexpected answer: {head}")));
        }
        if !head.contains("transfer-encoding: chunked") {
            // nginx does not send chunks: its streams end with the connection.
            connection.chunk = usize::MAX;
        }
        Ok(connection)
    }

    /// Passes the bytes of the body that have arrived to `read`, up to the end of an HTTP chunk.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the body ends.
    pub fn read(&mut self, read: impl FnOnce(&[u8])) -> io::Result<()> {
        if self.chunk <= BREAK {
            if self.chunk > 0 {
                self.line(b"\r\n")?;
            }
            let size = self.line(b"\r\n")?;
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.chunk = size + BREAK;
        }
        if self.filled.is_empty() {
            self.fill()?;
        }
        let len = self.filled.len().min(self.chunk - BREAK);
        read(
            self.buf
                .get(self.filled.start..self.filled.start + len)
                .unwrap_or_default(),
        );
        self.filled.start += len;
        self.chunk -= len;
        Ok(())
    }

    fn line(&mut self, end: &[u8]) -> io::Result<String> {
        loop {
            let unread = self.buf.get(self.filled.clone()).unwrap_or_default();
            if let Some(at) = unread.windows(end.len()).position(|window| window == end) {
                let line = String::from_utf8_lossy(unread.get(..at).unwrap_or_default()).into_owned();
                self.filled.start += at + end.len();
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// Moves the unread bytes to the start of the buffer, and reads more bytes from the socket behind them.
    fn fill(&mut self) -> io::Result<()> {
        self.buf.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        match self
            .socket
            .read(self.buf.get_mut(self.filled.end..).unwrap_or_default())?
        {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.filled.end += read;
                Ok(())
            }
        }
    }
}
