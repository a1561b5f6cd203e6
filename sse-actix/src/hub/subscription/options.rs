//! Setters of the options of a subscription's stream (`stream/options.rs`), the same as those of [`Sse`](crate::Sse).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use sse_actix_core::{KeepAlive, Retry};

use super::Subscription;
use crate::stream::options::InitialRetry;

/// Options of the stream.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use actix_web::{http::header::{self, HeaderValue}, test::TestRequest};
/// use sse_actix::{Decoded, Hub, KeepAlive, test};
///
/// let hub = Hub::new()?;
/// let news = hub
///     .subscribe("news")
///     .retry(Duration::from_secs(10))
///     .keep_alive(KeepAlive::comment(Duration::from_secs(30)))
///     .positions(false)
///     .header(header::LINK, HeaderValue::from_static("</style.css>"));
/// let mut stream = test::respond(news, TestRequest::get());
/// assert_eq!(stream.headers().get("sse-keep-alive").unwrap(), "30000");
/// assert_eq!(stream.headers().get("link").unwrap(), "</style.css>");
/// assert_eq!(stream.next_decoded().await, Some(Decoded::Retry(Duration::from_secs(10))));
///
/// // No line of ours in it, and no encoding that keeps actix's `Compress` away.
/// let stream = test::respond(hub.subscribe("news").plain(true).compress(), TestRequest::get());
/// assert!(stream.headers().get("content-encoding").is_none());
///
/// // A comment in place of the reconnection time.
/// let mut stream = test::respond(hub.subscribe("news").no_retry(), TestRequest::get());
/// assert_eq!(stream.next_decoded().await, Some(Decoded::Comment("".into())));
/// # Ok(()) }
/// ```
impl<E> Subscription<E> {
    /// As [`Sse::keep_alive`](crate::Sse::keep_alive).
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.options.keep_alive = keep_alive;
        self
    }

    /// As [`Sse::retry`](crate::Sse::retry).
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.options.retry = InitialRetry::Chosen(retry.into());
        self
    }

    /// As [`Sse::no_retry`](crate::Sse::no_retry).
    pub fn no_retry(mut self) -> Self {
        self.options.retry = InitialRetry::Off;
        self
    }

    /// Like [`Sse::plain`](crate::Sse::plain). A plain subscription sends no position and no gap event. If events are
    /// lost, it is aborted, after a gap event if [that was given a name](crate::TopicOptions::gap_event). A shutdown
    /// aborts it at once, because it never ends by itself. Above a limit of the hub, the answer is 429 or, for
    /// [`max_streams`](crate::HubBuilder::max_streams), 503, with `Retry-After`.
    pub fn plain(mut self, plain: bool) -> Self {
        self.options = self.options.plain(plain);
        self
    }

    /// Sets whether the client gets position events, [`sse-position`](crate::POSITION_EVENT), when no other event gives
    /// it its position: once at the beginning, and with the next keep-alive after hidden events were published. Without
    /// it, a client that loses its connection before its first event misses the events that are published until it is
    /// back. Default: true. See also
    /// [`TopicOptions::positions`](crate::TopicOptions::positions).
    pub fn positions(mut self, sent: bool) -> Self {
        self.positions = sent;
        self
    }

    /// As [`Sse::compress`](crate::Sse::compress).
    pub fn compress(mut self) -> Self {
        self.options.compress = true;
        self
    }

    /// As [`Sse::header`](crate::Sse::header).
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers
            .get_or_insert_with(HeaderMap::new)
            .append(name, value);
        self
    }
}
