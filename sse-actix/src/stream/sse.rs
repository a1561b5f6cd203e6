//! [`Sse`]: a response whose events come from any `Stream`.

use std::{fmt, rc::Rc};

use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use futures_core::Stream;
use sse_actix_core::{Event, EventName, IntoEventName, KeepAlive, Retry};

use super::{
    buffer::EventBuffer,
    options::{InitialRetry, StreamOptions},
    response,
    source::{StreamItem, StreamSource},
};

/// A [`Responder`] that sends an existing stream of events. To write a stream, see
/// [`sse_stream`](macro@crate::sse_stream), which takes the same options.
///
/// The response head and a `retry` line are sent at once, even if no event is ready. Events that are ready together are
/// sent in one chunk. The stream is dropped as soon as its client has left, or it has ended.
///
/// An item that is an `Err` ends the stream: the earlier events are delivered, the error is logged, and the client gets
/// an `sse-end` event, after which it does not reconnect (see [`StreamError`](crate::StreamError) for its text). With
/// [`resume`](Self::resume), the client may reconnect.
///
/// ```
/// use actix_web::{App, test, web};
/// use futures_util::stream;
/// use sse_actix::{Event, Sse};
///
/// async fn letters() -> Sse<impl futures_util::Stream<Item = Event>> {
///     Sse::new(stream::iter(["a", "b"]).map(Event::data)).event("letter")
/// }
/// # use futures_util::StreamExt as _;
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().route("/letters", web::get().to(letters))).await;
/// let request = test::TestRequest::get().uri("/letters").to_request();
/// assert_eq!(
///     test::call_and_read_body(&app, request).await,
///     "retry: 3000\nevent: letter\ndata: a\n\nevent: letter\ndata: b\n\n",
/// );
/// # }
/// ```
#[must_use = "a stream is sent by returning it from a handler"]
pub struct Sse<S> {
    stream: S,
    options: StreamOptions,
    headers: Option<HeaderMap>,
}

impl<S> Sse<S>
where
    S: Stream<Item: StreamItem> + 'static,
{
    /// Sends `stream` with the defaults: a keep-alive comment after 15 s of silence, `retry: 3000`.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            options: StreamOptions::new(),
            headers: None,
        }
    }

    /// The keep-alive, and the silence after which it is sent. Default: [`KeepAlive::DEFAULT`].
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.options.keep_alive = keep_alive;
        self
    }

    /// How long the browser waits before it reconnects; sent before all events. Default: 3 s. A `Duration` outside of
    /// [`Retry::MIN`] to [`Retry::MAX`] becomes the nearest of them.
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.options.retry = InitialRetry::Chosen(retry.into());
        self
    }

    /// Sends no reconnection time: browsers use their own default, or the time from an earlier response of the same
    /// source. A comment line opens the stream instead.
    pub fn no_retry(mut self) -> Self {
        self.options.retry = InitialRetry::Off;
        self
    }

    /// Sets whether the stream is for clients other than `EventSource`, such as the SDKs of language models. Default:
    /// an `EventSource` sends only GET, so the answer to any other method is plain (HEAD is answered like GET).
    ///
    /// A plain stream contains only the author's events: no opening line, no `retry` unless you set one, no `sse-*`
    /// event; keep-alive comments stay. Its client cannot resume, so
    ///
    /// - `finite` and `resume` have no effect,
    /// - if it fails, or is ended from outside, it is aborted: no last chunk on HTTP/1.1, `RST_STREAM` on HTTP/2, a
    ///   reset on HTTP/1.0. So the client does not treat half an answer as complete. [`on_error`](Self::on_error) can
    ///   send it the reason. On [`Server`](crate::Server) all bytes before the abort arrive; on another server, the
    ///   bytes that a full socket has not taken when the stream fails are lost,
    /// - a shutdown lets it finish within [`shutdown_timeout`](crate::Server::shutdown_timeout), and answers new
    ///   requests with 503 and `Retry-After`.
    ///
    /// ```
    /// use actix_web::{App, test, web};
    /// use futures_util::stream;
    /// use sse_actix::{Event, EventName, FieldError, Sse};
    ///
    /// async fn answer() -> Result<Sse<impl futures_util::Stream<Item = Event>>, FieldError> {
    ///     let error = EventName::not_for_browsers("error")?;
    ///     Ok(Sse::new(stream::iter([Event::data("half"), Event::data("{}").event(error)])))
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() {
    /// let app = test::init_service(App::new().route("/answer", web::post().to(answer))).await;
    /// let request = test::TestRequest::post().uri("/answer").to_request();
    /// assert_eq!(
    ///     test::call_and_read_body(&app, request).await,
    ///     "data: half\n\nevent: error\ndata: {}\n\n",
    /// );
    /// # }
    /// ```
    pub fn plain(mut self, plain: bool) -> Self {
        self.options = self.options.plain(plain);
        self
    }

    /// The event that a plain stream sends when it fails after its opening, before it is aborted. Default: none.
    ///
    /// ```
    /// use actix_web::{App, Error, error::ErrorBadGateway, test::{TestRequest, init_service}, web};
    /// use futures_util::stream;
    /// use sse_actix::{Event, Sse, test};
    ///
    /// async fn answer() -> Sse<impl futures_util::Stream<Item = Result<Event, Error>>> {
    ///     let items = [Ok(Event::data("half")), Err(ErrorBadGateway("the model is gone"))];
    ///     Sse::new(stream::iter(items)).on_error(|error| Event::data(error.to_string()).event("failure"))
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() {
    /// let app = init_service(App::new().route("/", web::post().to(answer))).await;
    /// let mut answer = test::call(&app, TestRequest::post()).await;
    /// assert_eq!(answer.next().await.unwrap().data, "half");
    /// assert_eq!(answer.next().await.unwrap().data, "the model is gone");
    /// assert!(answer.try_next().await.is_err()); // cut off; there was no regular end
    /// # }
    /// ```
    pub fn on_error(mut self, on_error: fn(&Error) -> Event) -> Self {
        self.options = self.options.on_error(on_error);
        self
    }

    /// The name of events without a name. Default: none, which means `message`.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid event name; see [`EventName`] for constructors that return an error instead.
    #[track_caller]
    pub fn event(mut self, name: impl IntoEventName) -> Self {
        let name: EventName = name.into_event_name();
        self.options.event = Some(name);
        self
    }

    /// Marks the stream as finite. When it ends, the client gets an `sse-end` event; its next reconnect is
    /// answered 204 and the browser stops. Default: the client reconnects.
    pub fn finite(mut self) -> Self {
        self.options.finite = true;
        self
    }

    /// When the stream fails, the client may reconnect and resume. Default: the client gets an `sse-end` event and
    /// stops, as with [`finite`](Self::finite).
    pub fn resume(mut self) -> Self {
        self.options.resume = true;
        self
    }

    /// Lets actix's `Compress` middleware compress the stream. Default: it may not. Events are then
    /// flushed one by one, and an open compressor costs from 0.4 MB (gzip) to 4 MB (brotli) of memory.
    pub fn compress(mut self) -> Self {
        self.options.compress = true;
        self
    }

    /// Adds a header. The headers that make the response a stream (`Content-Type`, `Cache-Control`, `Content-Encoding`,
    /// `X-Accel-Buffering`) are set later and cannot be replaced; headers of the connection (`Content-Length`,
    /// `Transfer-Encoding`, `Connection`, `Upgrade`) are left out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::{error::ErrorBadGateway, http::header::{self, HeaderValue}, test::TestRequest};
    /// use futures_util::stream;
    /// use sse_actix::{Decoded, KeepAlive, Sse, test::respond};
    ///
    /// # #[actix_web::main] async fn main() {
    /// let letters = Sse::new(stream::iter(["a"]))
    ///     .retry(Duration::from_secs(1))
    ///     .keep_alive(KeepAlive::comment(Duration::from_secs(30)))
    ///     .finite()
    ///     .compress()
    ///     .header(header::LINK, HeaderValue::from_static("</style.css>"));
    /// let mut stream = respond(letters, TestRequest::get());
    /// assert_eq!(stream.headers().get("link").unwrap(), "</style.css>");
    /// assert_eq!(stream.headers().get("sse-keep-alive").unwrap(), "30000");
    /// assert_eq!(stream.next_decoded().await, Some(Decoded::Retry(Duration::from_secs(1))));
    /// assert_eq!(stream.next().await.unwrap().data, "a");
    /// assert_eq!(stream.next().await.unwrap().event, "sse-end");
    ///
    /// // A failure after which the client may come back: no `sse-end`, and a comment in place of the first `retry`.
    /// let failing = Sse::new(stream::iter([Err::<&str, _>(ErrorBadGateway("gone"))])).resume().no_retry();
    /// let mut stream = respond(failing, TestRequest::get());
    /// assert_eq!(stream.next_decoded().await, Some(Decoded::Comment("".into())));
    /// assert_eq!(stream.next().await, None);
    /// # }
    /// ```
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers
            .get_or_insert_with(HeaderMap::new)
            .append(name, value);
        self
    }
}

impl<S> Responder for Sse<S>
where
    S: Stream<Item: StreamItem> + 'static,
{
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<BoxBody> {
        let buffer = Rc::new(EventBuffer::new(self.options.event.as_ref()));
        response::respond(
            request,
            &self.options,
            self.headers.as_ref(),
            buffer,
            StreamSource(Box::pin(self.stream)),
        )
    }
}

impl<S> fmt::Debug for Sse<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("options", &self.options)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
