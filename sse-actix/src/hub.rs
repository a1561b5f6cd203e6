//! Topics: published from anywhere, read by streams, resumed without loss.
//!
//! The path of an event:
//!
//! 1. [`publish`]: a [`Topic`] encodes it once, as a `Record`, and appends it to the log.
//! 2. The log, a `MemoryLog` (`sse-core/src/log/memory.rs`) unless `HubBuilder::log` was given another, gives the event
//!    its position, and wakes its watchers. Each is the `TopicWaker` of a [`worker`] that has subscribers of the topic,
//!    on any thread. It puts the topic's slot into the worker's `WakeQueue`.
//! 3. The worker's task takes the slot from the queue, reads the new entries into the topic's window, and serves its
//!    subscribers, 64 at a time: it drives those whose connections were handed over, and wakes the tasks of the others.
//! 4. Each subscriber polls its [`reader`], which has a cursor in each topic and reads: from the window, or from the
//!    log if it has fallen behind. It writes the entries into the stream's event buffer.
//!
//! A client that comes back reaches step 4 in another way: its [`subscription`] begins to read after the position in
//! the client's id.

mod admission;
mod builder;
mod error;
#[cfg(feature = "metrics")]
mod metrics_exporter;
mod presence;
mod publish;
mod reader;
mod settings;
mod shared;
mod stats;
mod subscription;
mod topic_events;
#[cfg(feature = "metrics")]
mod topic_metrics;
mod topic_of;
mod topic_options;
mod worker;

use std::{fmt, sync::Arc};

use actix_web::HttpRequest;
use sse_actix_core::{DeleteError, IntoTopicName, LogError, Start};

pub use self::{
    admission::limits::LimitExceeded,
    builder::HubBuilder,
    error::HubError,
    presence::{Presence, PresenceChange, PresenceChanges},
    publish::{PublishError, RawTopic, Topic, once::Once, published::Published},
    stats::{Evictions, HubStats, TopicFault, TopicStats, TurnedAway},
    subscription::{CombineError, ForeignId, Subscription, selection::Snapshot},
    topic_events::{PublishedEvent, TopicEvent, TopicEvents},
    topic_of::{IntoSubscription, IntoTopic, TopicFamily, TopicOf, TopicTypeError},
    topic_options::{OnGap, TopicOptions},
};
use self::{shared::HubHandle, stats::Eviction, subscription::selection::TopicSelection};
use crate::{clock, lifecycle::control::StreamControl};

/// Topics that are published to from anywhere in the program and read by any number of streams.
///
/// Every subscriber receives each event once and in order, even after it reconnects. If events were deleted before it
/// received them, it gets their number. A publisher never waits for a subscriber: each has a position in the topic's
/// log and reads by itself, so a slow subscriber costs only itself.
///
/// Make one hub before the server, and clone it into the application factory. The factory runs once per worker, so a
/// hub made inside it would be a separate hub for each worker.
///
/// ```
/// use actix_web::{App, get, post, web};
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{Hub, PublishError, Server, Subscription};
///
/// #[derive(Serialize, Deserialize)]
/// struct Tick {
///     price: f64,
/// }
///
/// #[get("/prices")]
/// async fn prices(hub: web::Data<Hub>) -> Subscription {
///     hub.subscribe("prices")
/// }
///
/// #[post("/prices")]
/// async fn publish(hub: web::Data<Hub>, tick: web::Json<Tick>) -> Result<&'static str, PublishError> {
///     hub.topic("prices").publish(&*tick).await?;
///     Ok("published")
/// }
///
/// # async fn main_() -> std::io::Result<()> {
/// let hub = web::Data::new(Hub::new()?);
/// Server::new(move || App::new().app_data(hub.clone()).service(prices).service(publish))
///     .bind(("127.0.0.1", 8080))?
///     .run()
///     .await
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(Arc<HubHandle>);

impl Hub {
    /// A hub with the defaults: its log is in memory, every event of a topic is kept for an hour, and
    /// there are no limits on streams.
    ///
    /// # Errors
    ///
    /// [`HubError::OnWorker`] inside an application factory or a handler.
    pub fn new() -> Result<Self, HubError> {
        Self::builder().build()
    }

    /// Builds a hub with other settings. See [`HubBuilder`]'s example.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    /// A topic to which values are published as JSON. To a [`TopicOf`], the events of its enum are published.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid topic name; see [`TopicName`](crate::TopicName) for constructors that return an
    /// error instead.
    #[track_caller]
    pub fn topic<T: ?Sized>(&self, topic: impl IntoTopic<T>) -> Topic<T> {
        Topic::new(self, topic.into_topic())
    }

    /// A topic to which [`Event`](crate::Event)s without an id are published unchanged. See [`RawTopic`]'s example.
    ///
    /// # Panics
    ///
    /// As [`Hub::topic`].
    #[track_caller]
    pub fn raw(&self, name: impl IntoTopicName) -> RawTopic {
        RawTopic::new(self, name.into_topic_name())
    }

    /// Deletes a topic: its events, its idempotency keys, and everything else that the log stores for it. Completes
    /// when the topic is deleted.
    ///
    /// Connected readers stay connected. They get one gap event without a size, and then the next published events,
    /// which belong to a new epoch. A client that comes back with an id from the old epoch gets a gap event. If nothing
    /// was published to the topic, nothing changes, and no reader gets a gap event. Events may be published during the
    /// deletion: each is either deleted with the topic, or belongs to the new epoch.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_actix::Hub;
    ///
    /// let hub = Hub::builder().build()?;
    /// let first = hub.topic("room:7").publish("hello").await?;
    /// hub.delete_topic("room:7").await?;
    /// let second = hub.topic("room:7").publish("hello again").await?;
    /// // Another epoch, in which it is the first event.
    /// assert_ne!(second.as_str(), first.as_str());
    /// assert!(second.as_str().ends_with("-1") && first.as_str().ends_with("-1"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DeleteError::Unsupported`] if the log cannot delete topics; all logs of this library can.
    /// [`DeleteError::Refused`] and [`DeleteError::OutcomeUnknown`] mean the same as for a publish. Deleting again does
    /// no harm.
    ///
    /// # Panics
    ///
    /// As [`Hub::topic`].
    pub async fn delete_topic(&self, name: impl IntoTopicName) -> Result<(), DeleteError> {
        let name = name.into_topic_name();
        self.0.log.delete(&name, clock::wall()).await
    }

    /// A subscription to a topic. Return it from a handler, and the response is the stream. A subscription to a
    /// [`TopicOf`] has the topic's type of events.
    ///
    /// # Panics
    ///
    /// As [`Hub::topic`].
    #[track_caller]
    pub fn subscribe<T: IntoSubscription>(&self, topic: T) -> Subscription<T::Events> {
        Subscription::new(self, TopicSelection::new(topic.into_topic_to_read()))
    }

    /// A topic's events for the rest of the program: from now on, unless [`TopicEvents::after`] or
    /// [`TopicEvents::from_oldest`] set another start. With a log on a server, it begins when the log first answers. It
    /// needs no request and no runtime, and may be sent to any thread. See [`TopicEvents`]'s example.
    ///
    /// # Panics
    ///
    /// As [`Hub::topic`].
    #[track_caller]
    pub fn follow(&self, topic: impl IntoTopicName) -> TopicEvents {
        TopicEvents::new(self, &topic.into_topic_name(), Start::Head)
    }

    /// Tags the stream that will answer `request`, from now on, so that [`revoke`](Self::revoke) ends it even
    /// before it has begun.
    ///
    /// Call this *before* you check the credential. A revocation then either precedes the check, which fails, or
    /// follows this call and ends the stream.
    ///
    /// ```
    /// use actix_web::{Error, HttpRequest, error::ErrorUnauthorized, get, web};
    /// use sse_actix::{Hub, Subscription};
    /// # fn session_of(_: &HttpRequest) -> Result<String, Error> { Ok("7".to_owned()) }
    /// # async fn is_valid(_: &str) -> bool { true }
    ///
    /// #[get("/inbox")]
    /// async fn inbox(request: HttpRequest, hub: web::Data<Hub>) -> Result<Subscription, Error> {
    ///     let session = session_of(&request)?;
    ///     hub.admit(&request, format!("session:{session}"));
    ///     if !is_valid(&session).await {
    ///         return Err(ErrorUnauthorized("log in again"));
    ///     }
    ///     Ok(hub.subscribe("inbox"))
    /// }
    /// ```
    pub fn admit(&self, request: &HttpRequest, tag: impl Into<Box<str>>) {
        self.0.tags.admit(&StreamControl::of(request), tag.into());
    }

    /// Permanently ends every stream that carries this tag, including admitted ones that have not begun, and returns
    /// their number. Nothing more of any topic is sent on them. If their clients reconnect, the answer is 204. Requests
    /// that are admitted later are not affected.
    ///
    /// If nodes share a log, the other nodes do the same at once. A node that cannot reach the log does it once
    /// it can, and delivers nothing new before. If another node does not know whether a stream was admitted before or
    /// after the revocation, it ends the stream so that the client reconnects and authenticates again. The returned
    /// number covers this node only.
    ///
    /// ```
    /// use actix_web::test::TestRequest;
    /// use sse_actix::Hub;
    ///
    /// let hub = Hub::new()?;
    /// let request = TestRequest::get().to_http_request();
    /// hub.admit(&request, "session:7");
    /// assert_eq!((hub.revoke("session:7"), hub.revoke("session:8")), (1, 0));
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    pub fn revoke(&self, tag: &str) -> usize {
        let revoked = self.0.tags.revoke(tag);
        if let Some(cluster) = self.0.log.cluster() {
            // The log notifies the other nodes, even if no code awaits the completion.
            drop(cluster.revoke(tag));
        }
        self.0.count_evictions(Eviction::Revoked, revoked as u64);
        revoked
    }

    /// Does the same as [`revoke`](Self::revoke), and completes when the log has the revocation. After that, no node
    /// delivers later events to such a stream, whichever node publishes them. With a log in memory it completes at
    /// once.
    ///
    /// While the log cannot be reached, this waits. The other nodes get the revocation as soon as the log is back, even
    /// if this future is dropped before.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_actix::Hub;
    ///
    /// let hub = Hub::builder().build()?;
    /// assert_eq!(hub.revoke_everywhere("user:7").await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log ends before it has the revocation. The streams on this node have ended anyway.
    pub async fn revoke_everywhere(&self, tag: &str) -> Result<usize, LogError> {
        let revoked = self.0.tags.revoke(tag);
        self.0.count_evictions(Eviction::Revoked, revoked as u64);
        if let Some(cluster) = self.0.log.cluster() {
            cluster.revoke(tag).await?;
        }
        Ok(revoked)
    }

    /// The presence of a topic: the tags of the streams that read it, on all nodes of the log.
    ///
    /// See [`Presence`]'s example.
    ///
    /// # Panics
    ///
    /// As [`Hub::topic`].
    #[track_caller]
    pub fn presence(&self, topic: impl IntoTopicName) -> Presence {
        Presence::new(Arc::clone(&self.0.topic_state(&topic.into_topic_name()).present))
    }

    /// True if the log can be reached; use it for a readiness probe. Always true with a log in memory. While the log
    /// cannot be reached, streams are still served. A log that is full can be reached, but accepts no events: see
    /// [`LogHealth::accepting`](crate::LogHealth::accepting) in [`stats`](Self::stats).
    ///
    /// ```
    /// use actix_web::{HttpResponse, get, web};
    /// use sse_actix::Hub;
    ///
    /// #[get("/ready")]
    /// async fn ready(hub: web::Data<Hub>) -> HttpResponse {
    ///     if hub.is_ready() { HttpResponse::Ok().finish() } else { HttpResponse::ServiceUnavailable().finish() }
    /// }
    ///
    /// assert!(Hub::new()?.is_ready());
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    pub fn is_ready(&self) -> bool {
        self.0.log.health().reachable
    }

    /// The hub's current counts. See [`HubStats`]'s example.
    pub fn stats(&self) -> HubStats {
        self.0.stats()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("log", &self.0.log)
            .finish_non_exhaustive()
    }
}
