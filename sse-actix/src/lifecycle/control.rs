//! The handle by which other code ends one stream.

use std::{
    any::Any,
    fmt,
    future::{Ready, poll_fn, ready},
    iter,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use futures_util::task::AtomicWaker;
use sse_actix_core::Retry;

use super::ending::Ending;

/// The handle of the stream that answers this request. It tags or ends the stream, from any thread.
///
/// An extractor; middleware takes it from a request with [`StreamControl::of`], for instance to tag
/// every stream with the user it has authenticated.
///
/// ```
/// use std::time::Duration;
/// use actix_web::{Error, get};
/// use sse_actix::{Ending, Event, StreamControl, sse_stream};
///
/// #[get("/inbox")]
/// #[sse_stream]
/// async fn inbox(stream: StreamControl) -> Result<(), Error> {
///     stream.tag("user:42");
///     open!();
///     tokio::time::sleep(Duration::from_secs(3_600)).await;
///     Ok(())
/// }
///
/// // At log-out: `server.shutdown().end_tagged("user:42", Ending::Final)`.
/// ```
#[derive(Clone)]
pub struct StreamControl(Arc<State>);

struct State {
    id: u64,
    end_request: AtomicU8,
    /// The reconnection time in milliseconds; 0 if none was set.
    retry: AtomicU32,
    /// A [`EndCause`], for the log.
    cause: AtomicU8,
    waker: AtomicWaker,
    // A linked list, because most streams have no tag, and the others have one or two.
    tags: Mutex<Option<Box<Tag>>>,
}

struct Tag {
    name: Box<str>,
    /// Dropped with the stream.
    _guard: Option<Box<dyn Any + Send + Sync>>,
    next: Option<Box<Tag>>,
}

/// Drops the list in a loop: with a drop inside a drop, thousands of tags would overflow the stack.
impl Drop for Tag {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut tag) = next {
            next = tag.next.take();
        }
    }
}

/// The end that a stream's control asks of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndRequest {
    None,
    End(Ending),
    /// Ends at once, dropping undelivered events. The client reconnects and must authenticate again.
    Reauthenticate,
    /// Ends at once and permanently, dropping undelivered events.
    Revoked,
    /// A plain stream had time to finish while the server shuts down; that time is over.
    OutOfTime,
    /// The connection is lost: no more bytes can reach the client.
    ConnectionLost,
}

// In order of priority: a larger value replaces a smaller one, never the other way (`fetch_max`).
const NONE: u8 = 0;
const RECONNECT: u8 = 1;
const REAUTHENTICATE: u8 = 2;
const FINAL: u8 = 3;
const REVOKED: u8 = 4;
const OUT_OF_TIME: u8 = 5;
const CONNECTION_LOST: u8 = 6;

/// Why something other than its source ended a stream, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EndCause {
    Overtaken = 1,
    Stalled,
    Aged,
    Expired,
    Revoked,
    /// The request exceeded a limit.
    TurnedAway,
    /// A middleware body around it panicked.
    Panicked,
    /// The hub's worker panicked.
    WorkerFailed,
}

impl EndCause {
    const ALL: [Self; 8] = [
        Self::Panicked,
        Self::WorkerFailed,
        Self::Overtaken,
        Self::Stalled,
        Self::Aged,
        Self::Expired,
        Self::Revoked,
        Self::TurnedAway,
    ];

    /// Its text in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Overtaken => "overtaken",
            Self::Stalled => "stalled",
            Self::Aged => "aged",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::TurnedAway => "turned away",
            Self::Panicked => "panicked",
            Self::WorkerFailed => "failed",
        }
    }
}

/// A weak reference to a control: it does not keep the stream's tags alive.
#[derive(Clone)]
pub(crate) struct WeakControl(Weak<State>);

impl WeakControl {
    pub(crate) fn upgrade(&self) -> Option<StreamControl> {
        self.0.upgrade().map(StreamControl)
    }
}

impl StreamControl {
    /// The handle of the stream that answers `request`, the same for every call.
    ///
    /// ```
    /// use actix_web::test::TestRequest;
    /// use sse_actix::StreamControl;
    ///
    /// let request = TestRequest::default().to_http_request();
    /// let stream = StreamControl::of(&request);
    /// stream.tag("user:42");
    /// assert!(StreamControl::of(&request).has_tag("user:42"));
    /// assert_eq!(StreamControl::of(&request).id(), stream.id());
    /// ```
    pub fn of(request: &impl HttpMessage) -> Self {
        let known = request.extensions().get::<Self>().cloned();
        known.unwrap_or_else(|| {
            let control = Self::new();
            request.extensions_mut().insert(control.clone());
            control
        })
    }

    /// A number that identifies this stream in this process; log lines contain it, too.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Adds a tag, by which [`Shutdown::end_tagged`](crate::Shutdown::end_tagged) finds the stream.
    pub fn tag(&self, tag: impl Into<Box<str>>) {
        self.add_tag(tag.into(), None);
    }

    /// True if it carries this tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        let tags = self.0.tags.lock().unwrap_or_else(PoisonError::into_inner);
        iter::successors(tags.as_deref(), |known| known.next.as_deref()).any(|known| *known.name == *tag)
    }

    /// Its tags, each once.
    pub(crate) fn tags(&self) -> Vec<Box<str>> {
        let tags = self.0.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = iter::successors(tags.as_deref(), |known| known.next.as_deref())
            .map(|known| known.name.clone())
            .collect();
        drop(tags);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Adds a tag, with a guard that is dropped with the stream.
    pub(crate) fn add_tag(&self, name: Box<str>, guard: Option<Box<dyn Any + Send + Sync>>) {
        let mut tags = self.0.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let next = tags.take();
        *tags = Some(Box::new(Tag {
            name,
            _guard: guard,
            next,
        }));
    }

    /// Ends the stream after it has delivered its pending events. Once final, it stays final.
    ///
    /// ```
    /// use actix_web::{App, test::{TestRequest, init_service}, web};
    /// use sse_actix::{Ending, StreamControl, sse_stream, test};
    ///
    /// #[sse_stream]
    /// async fn once(stream: StreamControl) {
    ///     emit!("hello");
    ///     stream.end(Ending::Final);
    ///     std::future::pending::<()>().await;
    /// }
    ///
    /// # #[actix_web::main] async fn main() {
    /// let app = init_service(App::new().route("/", web::get().to(once))).await;
    /// let events = test::call(&app, TestRequest::get()).await.collect().await;
    /// assert_eq!((&*events[0].data, &*events[1].event), ("hello", "sse-end"));
    /// # }
    /// ```
    pub fn end(&self, ending: Ending) {
        self.request_end(match ending {
            Ending::Reconnect => RECONNECT,
            Ending::Final => FINAL,
        });
    }

    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(Arc::new(State {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            end_request: AtomicU8::new(NONE),
            retry: AtomicU32::new(0),
            cause: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            tags: Mutex::default(),
        }))
    }

    /// Ends the stream permanently, dropping undelivered events: its client has lost access.
    pub(crate) fn revoke(&self) {
        self.request_end(REVOKED);
    }

    /// Ends the stream at once, dropping undelivered events. The client reconnects after `retry` and must authenticate
    /// again.
    pub(crate) fn reauthenticate(&self, retry: Retry) {
        self.0.retry.store(retry.as_millis(), Ordering::Release);
        self.request_end(REAUTHENTICATE);
    }

    /// Ends the stream; its client reconnects after `retry`.
    pub(crate) fn end_with_retry(&self, retry: Retry, cause: EndCause) {
        self.0.cause.store(cause as u8, Ordering::Release);
        self.0.retry.store(retry.as_millis(), Ordering::Release);
        self.request_end(RECONNECT);
    }

    /// Aborts a plain stream whose time to finish is over.
    pub(crate) fn run_out_of_time(&self) {
        self.request_end(OUT_OF_TIME);
    }

    /// Notes that a middleware body around the stream panicked; the stream's own body is not polled again.
    pub(crate) fn panicked(&self) {
        self.0.cause.store(EndCause::Panicked as u8, Ordering::Release);
    }

    /// Why something other than its source ends it, if that is known.
    pub(crate) fn cause(&self) -> Option<EndCause> {
        let cause = self.0.cause.load(Ordering::Acquire);
        EndCause::ALL.into_iter().find(|known| *known as u8 == cause)
    }

    /// The reconnection time, if one was set.
    pub(crate) fn retry(&self) -> Option<Retry> {
        match self.0.retry.load(Ordering::Acquire) {
            0 => None,
            millis => Some(Retry::from(Duration::from_millis(millis.into()))),
        }
    }

    pub(crate) fn downgrade(&self) -> WeakControl {
        WeakControl(Arc::downgrade(&self.0))
    }

    pub(crate) fn connection_lost(&self) {
        self.request_end(CONNECTION_LOST);
    }

    fn request_end(&self, end_request: u8) {
        self.0.end_request.fetch_max(end_request, Ordering::Release);
        self.0.waker.wake();
    }

    /// Waits until the stream is asked to end.
    pub(crate) async fn until_end_requested(&self) {
        poll_fn(|cx| {
            self.register(cx.waker());
            match self.end_request() {
                EndRequest::None => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Registers the task to wake. Call it before [`end_request`](Self::end_request), so that no change is missed.
    pub(crate) fn register(&self, waker: &Waker) {
        self.0.waker.register(waker);
    }

    /// True if its client has lost access to undelivered events: it was revoked, or has to authenticate again.
    #[inline]
    pub(crate) fn has_lost_access(&self) -> bool {
        matches!(
            self.0.end_request.load(Ordering::Acquire),
            REVOKED | REAUTHENTICATE
        )
    }

    pub(crate) fn end_request(&self) -> EndRequest {
        match self.0.end_request.load(Ordering::Acquire) {
            NONE => EndRequest::None,
            RECONNECT => EndRequest::End(Ending::Reconnect),
            REAUTHENTICATE => EndRequest::Reauthenticate,
            FINAL => EndRequest::End(Ending::Final),
            REVOKED => EndRequest::Revoked,
            OUT_OF_TIME => EndRequest::OutOfTime,
            _ => EndRequest::ConnectionLost,
        }
    }
}

impl FromRequest for StreamControl {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl fmt::Debug for StreamControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamControl")
            .field("id", &self.0.id)
            .field("end_request", &self.end_request())
            .finish_non_exhaustive()
    }
}
