//! Relays another server's stream.

#[cfg(feature = "awc")]
mod connector;
mod decoding;
mod error;
mod for_browsers;
mod map;
mod sending;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::Error;
use bytes::Bytes;
use futures_core::Stream;
use sse_actix_core::{Message, Relayed};

#[cfg(feature = "awc")]
pub use self::connector::upstream_connector;
use self::{decoding::Decoding, map::MapMessages, sending::Sending};
pub use self::{error::RelayError, for_browsers::Unusable, map::Replacement};
use crate::stream::source::StreamItem;

/// Relays another server's stream: takes its bytes, and returns its events as items for [`Sse::new`](crate::Sse::new)
/// or `emit!`.
///
/// The bytes are any `Stream` of `Result<Bytes, E>`, such as the response of `awc` or `bytes_stream()` of `reqwest`. By
/// default events and comments are sent on unchanged. An item may hold several events that were not decoded one by one,
/// see [`RelayedEvents`](crate::RelayedEvents); [`map_messages`](Self::map_messages) decodes each.
///
/// ```
/// use actix_web::{App, test::{TestRequest, init_service}, web};
/// use bytes::Bytes;
/// use futures_util::{Stream, stream};
/// use sse_actix::{Relay, RelayError, Relayed, Sse, test};
///
/// /// Stands for the answer of another server, which breaks off.
/// fn upstream() -> impl Stream<Item = Result<Bytes, &'static str>> {
///     stream::iter([Ok::<&str, _>("data: ha"), Ok("lf\n\n: busy\n"), Err("the connection was reset")])
///         .map(|chunk| chunk.map(|text| Bytes::from_static(text.as_bytes())))
/// }
/// # use futures_util::StreamExt as _;
///
/// async fn answer() -> Sse<impl Stream<Item = Result<Relayed, RelayError>>> {
///     Sse::new(Relay::new(upstream()))
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = init_service(App::new().route("/", web::post().to(answer))).await;
/// let mut answer = test::call(&app, TestRequest::post()).await;
/// assert_eq!(answer.next().await.unwrap().data, "half");
/// assert!(answer.try_next().await.is_err()); // cut, as upstream was
/// # }
/// ```
///
/// In a function under `#[sse_stream]` it is iterated:
///
/// ```
/// # use bytes::Bytes;
/// # use futures_util::stream;
/// use actix_web::{Error, post};
/// use futures_util::StreamExt as _;
/// use sse_actix::{Relay, sse_stream};
///
/// # fn upstream() -> impl futures_util::Stream<Item = Result<Bytes, &'static str>> { stream::iter([]) }
/// #[post("/answer")]
/// #[sse_stream]
/// async fn answer() -> Result<(), Error> {
///     let mut relay = Relay::new(upstream());
///     while let Some(item) = relay.next().await {
///         emit!(item?);
///     }
///     Ok(())
/// }
/// ```
///
/// # Ends
///
/// Upstream is dropped at the first error, at the end, and when the client leaves. An error is the last item:
///
/// | upstream | the relay |
/// |---|---|
/// | ends between events | ends |
/// | fails | [`RelayError::Upstream`] |
/// | ends in the middle of an event or line | [`RelayError::Unfinished`] |
/// | ends before the event that [`ends_with`](Self::ends_with) names | [`RelayError::Unfinished`] |
/// | sends an event larger than [`max_event_size`](Self::max_event_size) | [`RelayError::TooLarge`] |
///
/// A plain stream is aborted at an error. A stream for browsers ends like at any failure (with
/// [`Sse::resume`](crate::Sse::resume) the browser reconnects).
///
/// # Ids
///
/// Clients receive the ids of upstream. A [`Message`] holds the last id of its stream, so an `id` line is sent only if
/// this id has changed; the line is empty if upstream has reset the id. If upstream sends an id without data, the next
/// event carries it.
///
/// # Upstreams that are `sse-actix` servers
///
/// | event | by default | [for browsers](Self::for_browsers) |
/// |---|---|---|
/// | `sse-end` with the reason `finished` | the relay ends | the same |
/// | `sse-end` with another reason | [`RelayError::Ended`] | the same |
/// | `sse-gap` | [`RelayError::Gap`] | sent on |
/// | `sse-position` | the next event carries its id | sent on |
///
/// # Back-pressure and memory
///
/// The relay reads from upstream only while its client takes what is sent. Of the bytes that the client does not take,
/// a stream holds 20 KiB, actix's connection about 32 KiB, and the relay one chunk of the HTTP client. So with chunks
/// of up to 16 KiB, the relay stops reading within 68 KiB, beyond the buffers of the kernel and the HTTP client. An
/// unfinished event takes at most a small multiple of [`max_event_size`](Self::max_event_size).
#[must_use = "a relay sends nothing unless it is sent or read"]
pub struct Relay<S> {
    decoding: Decoding<S>,
    sending: Sending,
}

impl<S, E> Relay<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The default of [`max_event_size`](Self::max_event_size): 4 MiB.
    pub const DEFAULT_MAX_EVENT_SIZE: usize = 4 * 1024 * 1024;

    /// Relays the bytes of `upstream`. First check the status and the `Content-Type` of upstream's response, because
    /// the body of an error has no events.
    pub fn new(upstream: S) -> Self {
        Self {
            decoding: Decoding::new(upstream, Self::DEFAULT_MAX_EVENT_SIZE),
            sending: Sending::default(),
        }
    }

    /// The most bytes that the lines of one event, or one comment, may take. Default:
    /// [`Self::DEFAULT_MAX_EVENT_SIZE`]. A larger one ends the relay with [`RelayError::TooLarge`].
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use futures_util::{StreamExt as _, stream};
    /// # use sse_actix::Relay;
    /// # futures_util::FutureExt::now_or_never(async {
    /// let endless = stream::repeat(Ok::<_, std::convert::Infallible>(Bytes::from_static(b"data: and so on\n")));
    /// let mut relay = Relay::new(endless).max_event_size(100);
    /// let error = relay.next().await.unwrap().unwrap_err();
    /// assert_eq!(error.to_string(), "upstream has sent an event of more than 100 bytes");
    /// assert!(relay.next().await.is_none());
    /// # }).unwrap();
    /// ```
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.decoding.max_event_size(bytes);
        self
    }

    /// Sets whether upstream's comments are sent on. Default: yes.
    ///
    /// ```
    /// use actix_web::rt::System;
    /// use futures_util::{StreamExt as _, stream};
    /// use sse_actix::Relay;
    ///
    /// let upstream = || stream::iter([Ok::<_, &str>(": busy\ndata: a\n\n".into())]);
    /// System::new().block_on(async {
    ///     assert_eq!(Relay::new(upstream()).count().await, 2);
    ///     assert_eq!(Relay::new(upstream()).comments(false).count().await, 1);
    /// });
    /// ```
    pub fn comments(mut self, passed: bool) -> Self {
        self.decoding.comments(passed);
        self
    }

    /// Sets whether upstream's `retry` is sent on. Default: no, because it is about connections to upstream. A time
    /// outside of [`Retry::MIN`](crate::Retry::MIN) to [`Retry::MAX`](crate::Retry::MAX) becomes the nearest of them.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use futures_util::{StreamExt as _, stream};
    /// # use sse_actix::{Frame, Relay, RelayError};
    /// # futures_util::FutureExt::now_or_never(async {
    /// let upstream = || stream::iter([Ok::<_, RelayError>(Bytes::from_static(b"retry: 2000\n"))]);
    /// assert!(Relay::new(upstream()).next().await.is_none());
    /// let retry = Relay::new(upstream()).retry(true).next().await.unwrap().unwrap();
    /// assert_eq!(Frame::new(retry).unwrap().as_ref(), b"retry: 2000\n");
    /// # }).unwrap();
    /// ```
    pub fn retry(mut self, passed: bool) -> Self {
        self.decoding.retry(passed);
        self
    }

    /// The `Last-Event-ID` of the request to upstream, which the client has. Default: none. With it, the relay notices
    /// when upstream resets the id.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use futures_util::{StreamExt as _, stream};
    /// # use sse_actix::{Frame, Relay, RelayError};
    /// # futures_util::FutureExt::now_or_never(async {
    /// let upstream = stream::iter([Ok::<_, RelayError>(Bytes::from_static(b"data: a\n\nid\ndata: b\n\n"))]);
    /// let mut relay = Relay::new(upstream).last_event_id("7");
    /// let mut sent = async || Frame::new(relay.next().await.unwrap().unwrap()).unwrap();
    /// assert_eq!(sent().await.as_ref(), b"data: a\n\n");
    /// assert_eq!(sent().await.as_ref(), b"id: \ndata: b\n\n");
    /// # }).unwrap();
    /// ```
    pub fn last_event_id(mut self, id: &str) -> Self {
        self.decoding.last_event_id(id);
        self.sending.last_event_id(id);
        self
    }

    /// The relay ends after the first event for which `is_last` returns true, and an earlier end is
    /// [`RelayError::Unfinished`]. Default: any end between events is a normal end.
    ///
    /// Many servers of language models end an answer with a special event. Without this setting, an answer that was cut
    /// between two events looks complete.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use futures_util::{StreamExt as _, stream};
    /// # use sse_actix::{Relay, RelayError};
    /// # futures_util::FutureExt::now_or_never(async {
    /// let cut = stream::iter([Ok::<_, RelayError>(Bytes::from_static(b"data: a\n\n"))]);
    /// let mut relay = Relay::new(cut).ends_with(|message| message.data == "[DONE]");
    /// assert!(relay.next().await.unwrap().is_ok());
    /// assert!(matches!(relay.next().await, Some(Err(RelayError::Unfinished))));
    /// # }).unwrap();
    /// ```
    pub fn ends_with(mut self, is_last: fn(&Message) -> bool) -> Self {
        self.decoding.ends_with(is_last);
        self
    }

    /// Use this if the client is an `EventSource`. `unusable` decides about events whose name or id browsers cannot
    /// use. The relay also sends on the gap and position events of an upstream that is an `sse-actix` server. Default:
    /// on a stream for browsers, such a name or id is an error; a plain stream sends it.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use futures_util::{StreamExt as _, stream};
    /// # use sse_actix::{Frame, Relay, RelayError, Unusable};
    /// # futures_util::FutureExt::now_or_never(async {
    /// let upstream = || stream::iter([Ok::<_, RelayError>(Bytes::from_static(b"event: error\nid: 7\ndata: x\n\n"))]);
    /// let mut renamed = Relay::new(upstream()).for_browsers(Unusable::Rename);
    /// let sent = Frame::new(renamed.next().await.unwrap().unwrap()).unwrap();
    /// assert_eq!(sent.as_ref(), b"event: upstream-error\nid: 7\ndata: x\n\n");
    ///
    /// let mut dropped = Relay::new(upstream()).for_browsers(Unusable::Drop);
    /// assert!(dropped.next().await.is_none());
    /// # }).unwrap();
    /// ```
    pub fn for_browsers(mut self, unusable: Unusable) -> Self {
        self.decoding.sends_gaps_and_positions();
        self.sending.for_browsers(unusable);
        self
    }

    /// Replaces each event. Return `None` to drop it; the changed [`Message`] or an [`Event`](crate::Event) to change
    /// it; a `Vec` or an array to add events; or an `Err` to end the relay with an error. See [`Replacement`]. Comments
    /// and `retry` lines are not mapped.
    ///
    /// Call all settings before this. It returns an ordinary stream, like the relay itself: `StreamExt` works on both.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use futures_util::{StreamExt as _, stream};
    /// use sse_actix::{Event, Frame, Message, Relay, RelayError, Relayed};
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let upstream = stream::iter([Ok::<_, RelayError>(Bytes::from_static(b"data: a\n\ndata: b\n\ndata: c\n\n"))]);
    /// let mapped = Relay::new(upstream).map_messages(|message: Message| match &*message.data {
    ///     "a" => vec![],
    ///     "b" => vec![Relayed::from(message), Event::data("between").into()],
    ///     _ => vec![Event::data(message.data.to_uppercase()).into()],
    /// });
    /// let sent: Vec<_> = mapped.map(|item| Frame::new(item.unwrap()).unwrap()).collect().await;
    /// assert_eq!(sent.iter().flat_map(|frame| frame.to_vec()).collect::<Vec<_>>(), b"data: b\n\ndata: between\n\ndata: C\n\n");
    /// # }).unwrap();
    /// ```
    pub fn map_messages<F, R>(self, map: F) -> impl Stream<Item = Result<Relayed, RelayError>> + Unpin
    where
        F: FnMut(Message) -> R,
        R: Replacement,
    {
        MapMessages::new(self.decoding, self.sending, map)
    }
}

/// An error is the last item.
impl<S, E> Stream for Relay<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<Relayed, RelayError>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { decoding, sending } = &mut *self;
        if sending.passes_unchanged()
            && let Some(events) = decoding.next_unchanged()
        {
            return Poll::Ready(Some(Ok(Relayed::Events(events))));
        }
        loop {
            let item = match ready!(decoding.poll_received(cx)) {
                Some(received) => received.and_then(|received| sending.received(received)),
                None => return Poll::Ready(None),
            };
            match item {
                Ok(Some(item)) => return Poll::Ready(Some(Ok(item))),
                Ok(None) => {}
                Err(error) => {
                    decoding.end();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl StreamItem for Relayed {
    type Emission = Self;

    #[inline]
    fn into_emission(self) -> Result<Self, Error> {
        Ok(self)
    }
}

impl<S> fmt::Debug for Relay<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("decoding", &self.decoding)
            .field("sending", &self.sending)
            .finish()
    }
}
