//! Ends streams from outside: all streams, or those with a tag. `control.rs` has the handle that ends one stream.

use std::{
    collections::BTreeMap,
    fmt, io,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sse_actix_core::Retry;
use tokio::sync::Notify;

use super::{control::StreamControl, ending::Ending};

/// One handle that ends streams.
///
/// [`Server`](crate::Server) has one ([`Server::shutdown`](crate::Server::shutdown)), which fires on
/// SIGTERM and SIGINT, and gives it to every stream it serves. [`for_streams`](crate::for_streams) does the same for
/// actix's `HttpServer`. Elsewhere, put one into `App::app_data`, created *outside* the app factory, and fire it by
/// hand.
///
/// When it fires, every open stream delivers its pending events, sends a `retry` with jitter, so that clients do not
/// all reconnect at once, and ends, within milliseconds. A stream for browsers that is opened later gets the same
/// answer at once, never a 5xx, which would stop an `EventSource` permanently. A plain stream gets 503.
///
/// ```
/// use actix_web::{App, test, test::TestRequest, web};
/// use sse_actix::{Event, Shutdown, Sse};
///
/// # #[actix_web::main]
/// # async fn main() {
/// let shutdown = Shutdown::new();
/// let app = test::init_service(
///     App::new()
///         .app_data(shutdown.clone())
///         .route("/", web::get().to(|| async { Sse::new(std::future::pending_stream()) })),
/// )
/// .await;
/// # mod std { pub mod future { pub fn pending_stream() -> impl futures_util::Stream<Item = sse_actix::Event> {
/// #     futures_util::stream::pending() } } }
/// let response = test::call_service(&app, TestRequest::get().to_request()).await;
/// assert_eq!(shutdown.open_streams(), 1);
///
/// shutdown.fire();
/// let body = test::read_body(response).await;
/// assert!(body.starts_with(b"retry: 3000\nretry: "));
/// assert_eq!(shutdown.open_streams(), 0);
/// # }
/// ```
#[derive(Clone)]
pub struct Shutdown(Arc<Inner>);

struct Inner {
    fired: AtomicBool,
    firing: Notify,
    retry: RangeInclusive<Duration>,
    next: AtomicU64,
    streams: Mutex<BTreeMap<u64, Registered>>,
    /// Notified when a stream has ended.
    ended: Notify,
}

#[derive(Clone)]
struct Registered {
    control: StreamControl,
    /// True if the client cannot resume, so the stream gets time to finish.
    may_finish: bool,
}

impl Shutdown {
    /// A handle whose streams end with a `retry` of 1 to 5 seconds.
    pub fn new() -> Self {
        Self::with_retry(Duration::from_secs(1)..=Duration::from_secs(5))
    }

    /// A handle with another range for the `retry` that streams end with; each takes a random time within it. Times
    /// outside of the bounds of [`Retry`] count as these bounds. With a range that ends before it begins,
    /// [`Server::run`](crate::Server::run) fails; [`for_streams`](crate::for_streams) logs an error, and the beginning
    /// counts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_actix::{Ending, Shutdown};
    ///
    /// # #[actix_web::main] async fn main() {
    /// let shutdown = Shutdown::with_retry(Duration::from_secs(1)..=Duration::from_secs(2));
    /// assert_eq!(shutdown.end_tagged("user:42", Ending::Final), 0);
    /// assert!(!shutdown.is_fired());
    ///
    /// shutdown.fire();
    /// shutdown.fired().await;
    /// assert!(shutdown.is_fired());
    /// # }
    /// ```
    pub fn with_retry(range: RangeInclusive<Duration>) -> Self {
        Self(Arc::new(Inner {
            fired: AtomicBool::new(false),
            firing: Notify::new(),
            retry: range,
            next: AtomicU64::new(1),
            streams: Mutex::default(),
            ended: Notify::new(),
        }))
    }

    /// Ends every open stream, and every stream that is opened from now on, so that its client reconnects. A second
    /// call has no effect.
    ///
    /// A [plain](crate::Sse::plain) stream, which no client can resume, may finish; [`Server`](crate::Server) gives it
    /// [`shutdown_timeout`](crate::Server::shutdown_timeout). A plain [`Subscription`](crate::Subscription), which
    /// never ends by itself, is aborted.
    pub fn fire(&self) {
        self.0.fired.store(true, Ordering::SeqCst);
        self.0.firing.notify_waiters();
        for stream in self.registered_streams() {
            if !stream.may_finish {
                stream.control.end(Ending::Reconnect);
            }
        }
    }

    /// Aborts the streams that had time to finish and have not finished.
    pub(crate) fn abort_unfinished(&self) {
        for stream in self.registered_streams() {
            if stream.may_finish {
                stream.control.run_out_of_time();
            }
        }
    }

    /// Waits until all streams that a shutdown ends have ended.
    pub(crate) async fn until_ended(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.streams().values().all(|stream| stream.may_finish) {
                return;
            }
            ended.await;
        }
    }

    /// True if it has fired.
    pub fn is_fired(&self) -> bool {
        self.0.fired.load(Ordering::SeqCst)
    }

    /// Waits until it has fired.
    pub async fn fired(&self) {
        loop {
            let firing = self.0.firing.notified();
            if self.is_fired() {
                return;
            }
            firing.await;
        }
    }

    /// Ends every open stream that carries this tag (see [`StreamControl::tag`]), and returns their number. Streams
    /// that are opened later are not affected.
    pub fn end_tagged(&self, tag: &str, ending: Ending) -> usize {
        let mut ended = 0;
        for Registered { control, .. } in self.registered_streams() {
            if control.has_tag(tag) {
                control.end(ending);
                ended += 1;
            }
        }
        ended
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        self.streams().len()
    }

    /// A random reconnection time, different for each caller.
    pub(crate) fn jittered_retry(&self) -> Retry {
        let bounds = &self.0.retry;
        let (low, high) = (
            Retry::from(*bounds.start()).as_millis(),
            Retry::from(*bounds.end()).as_millis(),
        );
        Retry::from(Duration::from_millis(fastrand::u32(low..=high.max(low)).into()))
    }

    /// Fails if the range of reconnection times ends before it begins.
    pub(crate) fn check(&self) -> io::Result<()> {
        let range = &self.0.retry;
        if range.is_empty() {
            let told = reversed("Shutdown::with_retry", range);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, told));
        }
        Ok(())
    }

    /// Registers a stream; a stream that comes after the firing is ended at once.
    pub(crate) fn register(&self, stream: &StreamControl, may_finish: bool) -> Registration {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let registered = Registered {
            control: stream.clone(),
            may_finish,
        };
        self.streams().insert(key, registered);
        // Checked after the insertion: if it fires in between, `fire` sees the stream, or this sees that it has fired.
        if !may_finish && self.is_fired() {
            stream.end(Ending::Reconnect);
        }
        Registration {
            shutdown: self.clone(),
            key,
        }
    }

    /// A copy of the list. Ending a stream wakes tasks, and the lock must not be held then.
    fn registered_streams(&self) -> Vec<Registered> {
        self.streams().values().cloned().collect()
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<u64, Registered>> {
        // No code that could panic runs under this lock.
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("fired", &self.is_fired())
            .field("open_streams", &self.open_streams())
            .field("retry", &self.0.retry)
            .finish_non_exhaustive()
    }
}

/// What to write instead of a range that ends before it begins.
pub(crate) fn reversed(setting: &str, range: &RangeInclusive<Duration>) -> String {
    let (start, end) = (range.start(), range.end());
    format!("the range of `{setting}` ends before it begins; write {end:?}..={start:?}")
}

/// A stream is in the handle's list until this is dropped.
pub(crate) struct Registration {
    shutdown: Shutdown,
    key: u64,
}

impl Registration {
    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let stream = self.shutdown.streams().remove(&self.key);
        drop(stream);
        // Skip the notification unless the shutdown has fired: streams end many times a second, and only a shutdown
        // waits.
        if self.shutdown.is_fired() {
            self.shutdown.0.ended.notify_waiters();
        }
    }
}
