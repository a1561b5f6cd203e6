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

/// A [`Responder`] that sends any stream of events, for those who have one already; to write one, see
/// [`sse_stream`](macro@crate::sse_stream), which takes the same options.
///
/// The head and a `retry` line leave at once, also when no event is ready. Ready events leave together,
/// in one chunk. The stream is dropped as soon as its client has left, or it has ended.
///
/// An item that is an `Err` ends the stream: what came before is delivered, the error is logged, and
/// the client is told not to come back (an `sse-end` event, see [`StreamError`](crate::StreamError) for
/// its text), unless [`resume`](Self::resume) asks for the opposite.
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

    /// What is sent after how much silence. Default: [`KeepAlive::DEFAULT`].
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.options.keep_alive = keep_alive;
        self
    }

    /// How long the browser waits before it reconnects, sent first of all. Default: 3 s. A `Duration`
    /// outside of [`Retry::MIN`] to [`Retry::MAX`] becomes the nearest of them.
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.options.retry = InitialRetry::Chosen(retry.into());
        self
    }

    /// Sends no reconnection time: browsers wait as long as they do by themselves, or as an earlier stream of
    /// theirs has said. A comment line opens the stream instead.
    pub fn no_retry(mut self) -> Self {
        self.options.retry = InitialRetry::Off;
        self
    }

    /// Whether the stream is for clients other than `EventSource`, such as the SDKs of language models. Default:
    /// an `EventSource` sends nothing but GET, so the answer to any other method is plain (HEAD is answered as
    /// GET would be).
    ///
    /// A plain stream holds what its author sends and nothing else: no opening line, no `retry` that was not
    /// asked for, no `sse-*` event; keep-alive comments stay. Its client cannot resume, so
    ///
    /// - its end is its end, and `finite` and `resume` change nothing,
    /// - if it fails, or is ended from outside, it is aborted: no last chunk on HTTP/1.1, `RST_STREAM` on HTTP/2, a
    ///   reset on HTTP/1.0. No client takes half an answer for a whole one. [`on_error`](Self::on_error) tells it
    ///   why. On [`Server`](crate::Server) everything before it arrives; on another server, what a full socket has
    ///   not taken when the stream fails is lost,
    /// - a shutdown lets it finish within [`shutdown_timeout`](crate::Server::shutdown_timeout), and answers new
    ///   requests 503 with `Retry-After`.
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

    /// The event that a plain stream sends when it fails after its head, before it is aborted. Default: none.
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
    /// assert!(answer.try_next().await.is_err()); // cut, and not ended
    /// # }
    /// ```
    pub fn on_error(mut self, on_error: fn(&Error) -> Event) -> Self {
        self.options = self.options.on_error(on_error);
        self
    }

    /// The name of events that have none of their own. Default: none, which is `message`.
    ///
    /// # Panics
    ///
    /// If given a literal that is no event name; see [`EventName`] for the fallible way.
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

    /// When the stream fails, the client may come back and resume. Default: it is told not to, as by
    /// [`finite`](Self::finite).
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

    /// A further header. Those that make the response a stream (`Content-Type`, `Cache-Control`,
    /// `Content-Encoding`, `X-Accel-Buffering`) are set after it and cannot be replaced; those that are the
    /// connection's (`Content-Length`, `Transfer-Encoding`, `Connection`, `Upgrade`) are left out.
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
