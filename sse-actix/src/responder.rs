use std::{fmt, rc::Rc};

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use futures_core::Stream;
use sse_actix_core::{EventName, IntoEventName, KeepAlive, Retry};

use crate::{
    head,
    options::StreamOptions,
    outbox::Outbox,
    source::{Items, StreamItem},
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
///     "retry: 3000\n\nevent: letter\ndata: a\n\nevent: letter\ndata: b\n\n",
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
        self.options.retry = retry.into();
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

    /// When the stream ends by itself, it has ended for good: the client is sent an `sse-end` event, and
    /// its reconnect, which brings that event's id, is answered 204. Default: the client reconnects.
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
        let outbox = Rc::new(Outbox::new(self.options.event.as_ref()));
        head::respond(
            request,
            &self.options,
            self.headers.as_ref(),
            outbox,
            Items(Box::pin(self.stream)),
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
