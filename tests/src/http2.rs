//! HTTP/2 without TLS, by prior knowledge: a client that shows the frames of a body.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{self, Builder, ResponseFuture, SendRequest},
};
use http::{Method, Request, Response, StatusCode, request};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};

use crate::patience::within;

/// One connection, driven by a task of its own. Dropping it is leaving: the socket is closed without
/// a word of HTTP/2.
#[derive(Debug)]
pub struct Http2 {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Http2 {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn connect(addr: SocketAddr) -> Self {
        // Small frames may lie unread: here it is the tests' pace that counts, not the library's patience.
        Self::with(addr, client::Builder::new().data_frame_budget(usize::MAX)).await
    }

    /// Connects with these settings.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn with(addr: SocketAddr, settings: &Builder) -> Self {
        let socket = within("a connection", TcpStream::connect(addr))
            .await
            .expect("the server accepts");
        Self::over(socket, settings).await
    }

    /// Speaks HTTP/2 over a connection that is there.
    ///
    /// # Panics
    ///
    /// If the other side does not.
    pub async fn over<T>(socket: T, settings: &Builder) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, connection) = within("a handshake", settings.handshake(socket)).await.unwrap();
        let driver = tokio::spawn(async {
            let _ = connection.await;
        });
        Self { requests, driver }
    }

    /// Sends a GET and waits for its head.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn get(&mut self, path: &str) -> Answer {
        let (answer, _) = self.request(Method::GET, path, true).await;
        Answer::to(answer).await
    }

    /// As [`get`](Self::get), as a page of this origin would.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn get_from(&mut self, path: &str, origin: &str) -> Answer {
        let request = request(Method::GET, path).header("origin", origin);
        let (answer, _) = self.send(request, true).await;
        Answer::to(answer).await
    }

    /// Sends the head of a request.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        complete: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.send(request(method, path), complete).await
    }

    async fn send(
        &mut self,
        request: request::Builder,
        complete: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = within("room for a stream", self.requests.clone().ready())
            .await
            .unwrap();
        ready.send_request(request.body(()).unwrap(), complete).unwrap()
    }
}

fn request(method: Method, path: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://test{path}"))
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// One response. Dropping it resets its stream.
#[derive(Debug)]
pub struct Answer(Response<RecvStream>);

impl Answer {
    /// The answer to a request that was sent.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn to(answer: ResponseFuture) -> Self {
        Self(within("a response", answer).await.unwrap())
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The lines of its headers, sorted and without the date.
    ///
    /// # Panics
    ///
    /// If one is no text.
    pub fn headers(&self) -> Vec<String> {
        let pairs = self.0.headers().iter().filter(|(name, _)| *name != "date");
        let mut lines: Vec<_> = pairs
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    }

    /// The bytes of the next DATA frame, `None` for the end of the stream.
    ///
    /// # Panics
    ///
    /// If the stream is reset or the connection lost.
    pub async fn frame(&mut self) -> Option<Bytes> {
        self.try_frame().await.expect("the stream goes on")
    }

    /// The bytes of the next DATA frame.
    ///
    /// # Errors
    ///
    /// If the stream is reset or the connection lost.
    ///
    /// # Panics
    ///
    /// If nothing comes.
    pub async fn try_frame(&mut self) -> Result<Option<Bytes>, h2::Error> {
        loop {
            let frame = within("a frame", self.0.body_mut().data()).await.transpose()?;
            let Some(frame) = frame else { return Ok(None) };
            self.0
                .body_mut()
                .flow_control()
                .release_capacity(frame.len())
                .unwrap();
            // The last frame has the flag that ends the stream, and often nothing else.
            if !frame.is_empty() || !self.0.body().is_end_stream() {
                return Ok(Some(frame));
            }
        }
    }

    /// The rest of the body.
    ///
    /// # Panics
    ///
    /// As [`frame`](Self::frame), or if it is not text.
    pub async fn body(&mut self) -> String {
        let mut body = Vec::new();
        while let Some(frame) = self.frame().await {
            body.extend_from_slice(&frame);
        }
        String::from_utf8(body).unwrap()
    }
}
