//! A test kit: reads a service's stream as decoded events, without a socket ([`call`], [`respond`]) and with one
//! ([`Serving`], [`connect`]). Needs the feature `test`; enable it in `[dev-dependencies]`.
//!
//! Without a socket, time can be paused (`tokio::time::pause`, tokio's feature `test-util`): a stream that
//! waits for a minute then gives its next event at once, and keep-alives come when they are due.
//!
//! ```
//! use std::time::Duration;
//! use actix_web::{App, Error, get, test::{TestRequest, init_service}};
//! use sse_actix::{Event, sse_stream, test};
//!
//! #[get("/minutes")]
//! #[sse_stream]
//! async fn minutes() -> Result<(), Error> {
//!     for minute in 1..=2 {
//!         tokio::time::sleep(Duration::from_secs(60)).await;
//!         emit!(Event::data(minute.to_string()).id(minute));
//!     }
//!     Ok(())
//! }
//!
//! # #[actix_web::main]
//! # async fn main() {
//! tokio::time::pause();
//! let app = init_service(App::new().service(minutes)).await;
//!
//! let mut stream = test::call(&app, TestRequest::get().uri("/minutes")).await;
//! assert_eq!(stream.status(), 200);
//! assert_eq!(stream.next().await.unwrap().data, "1");
//! assert_eq!(stream.next().await.unwrap().data, "2");
//! assert_eq!(stream.last_event_id(), "2");
//! assert_eq!(stream.next().await, None);
//! # }
//! ```

mod events;
mod serving;

use std::{fmt, pin::Pin};

use actix_http::Request;
use actix_service::Service;
use actix_web::{
    Error, Responder,
    body::{BoxBody, MessageBody},
    dev::ServiceResponse,
    http::{StatusCode, header::HeaderMap},
    test::TestRequest,
};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sse_actix_core::{Decoded, Decoder, Message, POSITION_EVENT, SseEvents};

pub use self::{events::TestEvents, serving::Serving};

/// A stream that is being read.
///
/// If you drop it, the client leaves, and the service drops its stream.
///
/// ```
/// use actix_web::test::TestRequest;
/// use sse_actix::{Decoded, Event, sse_stream, test};
///
/// #[sse_stream]
/// async fn feed() {
///     emit!(Event::data("a").id(1));
///     emit!("b");
/// }
///
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut stream = test::respond(feed().await?, TestRequest::get()).positions(true);
/// assert_eq!(stream.status(), 200);
/// assert_eq!(stream.headers().get("content-type").unwrap(), "text/event-stream");
/// assert!(matches!(stream.next_decoded().await, Some(Decoded::Retry(_))));
/// assert_eq!(stream.try_next().await?.unwrap().data, "a");
/// assert_eq!(stream.last_event_id(), "1");
/// assert_eq!(stream.next().await.unwrap().data, "b");
/// assert!(stream.collect().await.is_empty());
/// # Ok(()) }
/// ```
pub struct TestStream {
    status: StatusCode,
    headers: HeaderMap,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>>,
    decoder: Decoder,
    shows_positions: bool,
}

/// A stream was cut: its body failed, or its connection was lost, and so it did not end. See
/// [`Sse::on_error`](crate::Sse::on_error)'s example.
#[derive(Debug)]
pub struct StreamCut(Error);

impl fmt::Display for StreamCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream was cut: {}", self.0)
    }
}

impl std::error::Error for StreamCut {}

/// Sends a request to a service made by [`actix_web::test::init_service`] and reads its answer. See
/// [`StreamControl::end`](crate::StreamControl::end)'s example.
///
/// # Panics
///
/// If middleware returns an error that is not turned into a response.
pub async fn call<S, B>(app: &S, request: TestRequest) -> TestStream
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let response = actix_web::test::call_service(app, request.to_request()).await;
    let (_, response) = response.into_parts();
    TestStream::new(
        response.status(),
        response.headers().clone(),
        into_chunks(response.into_body()),
    )
}

/// Reads what a handler has returned when it was called directly, as the answer to `request`.
///
/// ```
/// use actix_web::{Error, test::TestRequest};
/// use sse_actix::{sse_stream, test};
///
/// #[sse_stream]
/// async fn hello(name: String) -> Result<(), Error> {
///     emit!(format!("hello {name}"));
///     Ok(())
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Error> {
/// let mut stream = test::respond(hello("you".to_owned()).await?, TestRequest::get());
/// assert_eq!(stream.next().await.unwrap().data, "hello you");
/// # Ok(())
/// # }
/// ```
pub fn respond<R>(responder: R, request: TestRequest) -> TestStream
where
    R: Responder<Body = BoxBody>,
{
    let response = responder.respond_to(&request.to_http_request());
    TestStream::new(
        response.status(),
        response.headers().clone(),
        into_chunks(response.into_body()),
    )
}

/// Requests a stream over a socket, with HTTP/1.1, and with a `Last-Event-ID` unless it is empty.
/// See [`Serving`]'s example.
///
/// Panics with the reason if there is no answer.
///
/// # Panics
///
/// If the server cannot be reached or does not answer with HTTP.
#[allow(clippy::panic, reason = "a test that cannot go on")]
pub async fn connect(url: &str, last_event_id: &str) -> TestStream {
    let client = awc::Client::builder()
        .connector(crate::upstream_connector())
        .disable_timeout()
        .no_default_headers()
        .finish();
    let mut request = client.get(url).insert_header(("accept", "text/event-stream"));
    if !last_event_id.is_empty() {
        request = request.insert_header(("last-event-id", last_event_id));
    }
    match request.send().await {
        Ok(response) => {
            let (status, headers) = (response.status(), response.headers().clone());
            // The client owns the connection.
            let chunks = response.map_err(Error::from).chain(stream::poll_fn(move |_| {
                let _ = &client;
                std::task::Poll::Ready(None)
            }));
            TestStream::new(status, headers, Box::pin(chunks))
        }
        Err(error) => panic!("no answer from {url}: {error}"),
    }
}

impl TestStream {
    fn new(
        status: StatusCode,
        headers: HeaderMap,
        chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>>,
    ) -> Self {
        Self {
            status,
            headers,
            chunks,
            decoder: Decoder::new().comments(true),
            shows_positions: false,
        }
    }

    /// Sets whether position events are returned, too, see [`POSITION_EVENT`]. Default: no, because pages do not notice
    /// them; [`last_event_id`](Self::last_event_id) returns their ids.
    #[must_use]
    pub fn positions(mut self, shown: bool) -> Self {
        self.shows_positions = shown;
        self
    }

    /// The same stream, read as the events of an enum.
    ///
    /// ```
    /// use actix_web::{App, test::{TestRequest, init_service}, web};
    /// use serde::{Deserialize, Serialize};
    /// use sse_actix::{SseEvents, sse_stream, test};
    ///
    /// #[derive(Serialize, Deserialize, SseEvents, Debug, PartialEq)]
    /// enum Market {
    ///     Price(f64),
    /// }
    ///
    /// #[sse_stream(events = Market)]
    /// async fn prices() {
    ///     emit!(Market::Price(12.5));
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() {
    /// let app = init_service(App::new().route("/", web::get().to(prices))).await;
    /// let mut events = test::call(&app, TestRequest::get()).await.events::<Market>();
    /// assert_eq!(events.next().await, Some(Market::Price(12.5)));
    /// assert_eq!(events.next().await, None);
    /// # }
    /// ```
    pub fn events<T: SseEvents>(self) -> TestEvents<T> {
        TestEvents::new(self)
    }

    /// The answer's status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The answer's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next event, as a browser would dispatch it; `None` at the end.
    ///
    /// # Panics
    ///
    /// If the body fails.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Decoded::Message(message) = self.next_decoded().await? {
                return Some(message);
            }
        }
    }

    /// Like [`next`](Self::next), for a stream that may be cut.
    ///
    /// # Errors
    ///
    /// [`StreamCut`] if the body fails.
    ///
    /// # Panics
    ///
    /// If an event is too large for a [`Decoder`].
    pub async fn try_next(&mut self) -> Result<Option<Message>, StreamCut> {
        loop {
            match self.try_next_decoded().await? {
                Some(Decoded::Message(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next event, `retry` or comment; `None` at the end.
    ///
    /// # Panics
    ///
    /// If the body fails, or an event is too large for a [`Decoder`].
    #[allow(clippy::panic, reason = "a test that cannot go on")]
    pub async fn next_decoded(&mut self) -> Option<Decoded> {
        match self.try_next_decoded().await {
            Ok(decoded) => decoded,
            Err(cut) => panic!("{cut}"),
        }
    }

    #[allow(clippy::panic, reason = "a test that cannot go on")]
    async fn try_next_decoded(&mut self) -> Result<Option<Decoded>, StreamCut> {
        loop {
            match self.decoder.next() {
                Some(Ok(Decoded::Message(message)))
                    if !self.shows_positions && message.event == POSITION_EVENT.as_str() => {}
                Some(Ok(decoded)) => return Ok(Some(decoded)),
                Some(Err(error)) => panic!("the stream cannot be decoded: {error}"),
                None => match self.chunks.next().await {
                    Some(Ok(chunk)) => self.decoder.feed(chunk),
                    Some(Err(error)) => return Err(StreamCut(error)),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Every event up to the end.
    ///
    /// # Panics
    ///
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// The id that a browser would send at a reconnect now.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }
}

impl fmt::Debug for TestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStream")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

fn into_chunks<B: MessageBody + 'static>(body: B) -> Pin<Box<dyn Stream<Item = Result<Bytes, Error>>>> {
    let mut body = Box::pin(body);
    Box::pin(stream::poll_fn(move |cx| {
        body.as_mut()
            .poll_next(cx)
            .map(|next| next.map(|chunk| chunk.map_err(|error| error.into().into())))
    }))
}
