//! Publishing: a topic encodes a value once, as a [`Record`], and appends it to the hub's log.

pub(super) mod once;
pub(super) mod published;

use std::{
    error::Error,
    fmt,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

use actix_web::ResponseError;
use serde::Serialize;
use sse_actix_core::{
    AppendError, Event, EventId, FieldError, JsonError, OwnId, Positions, Record, RecordError, TopicName,
};

use self::published::Published;
use super::{
    Hub,
    shared::TopicState,
    topic_of::{TopicToPublish, TopicTypeError, TypedRecords},
};
use crate::clock;

/// One topic of a [`Hub`], to publish values of type `T`, as JSON or as events of an enum. Made by [`Hub::topic`].
/// Cheap to make and to clone. See [`Topic::publish`]'s example.
pub struct Topic<T: ?Sized> {
    publisher: Publisher,
    records: Option<TypedRecords<T>>,
}

/// One topic of a [`Hub`], to publish [`Event`]s without an id, unchanged. Made by [`Hub::raw`]. Cheap to make and to
/// clone.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sse_actix::{Event, Hub};
///
/// let hub = Hub::new()?;
/// let news = hub.raw("news");
/// news.publish(Event::data("hello").event("greeting")).await?;
/// news.publish_keyed("ACME", Event::data("101.5").event("tick")).await?;
/// news.publish_blocking(Event::data("from code that is not async"))?;
/// news.publish_keyed_blocking("ACME", Event::data("101.6").event("tick"))?;
/// assert_eq!(hub.stats().topic(news.name().as_str()).unwrap().published, 4);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RawTopic(Publisher);

#[derive(Clone)]
struct Publisher {
    hub: Hub,
    name: TopicName,
}

impl Publisher {
    fn new(hub: &Hub, name: TopicName) -> Self {
        Self {
            hub: hub.clone(),
            name,
        }
    }

    fn topic_state(&self) -> Arc<TopicState> {
        self.hub.0.topic_state(&self.name)
    }

    /// Like [`append`](Self::append), but this thread sleeps until the log has answered.
    fn append_blocking(&self, record: Record) -> Result<Published, PublishError> {
        /// Wakes a thread that is parked.
        struct Parked(Thread);
        impl Wake for Parked {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let mut append = pin!(self.append(record));
        loop {
            match append.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(appended) => return appended,
                Poll::Pending => thread::park(),
            }
        }
    }

    async fn append(&self, record: Record) -> Result<Published, PublishError> {
        let hub = &self.hub.0;
        let topic = hub.topic_state(&self.name);
        let has_key = record.idempotency_key().is_some();
        // Only metrics need this time, and reading the clock takes time, too.
        let began = cfg!(feature = "metrics").then(Instant::now);
        let now = clock::wall();
        let appended = hub.log.append(&self.name, record, &topic.options.retention, now);
        let appended = appended
            .await
            .inspect_err(|error| topic.count_not_published(error))?;
        if appended.repeated {
            topic.count_repeated();
        } else {
            topic.count_published(began.map(|began| began.elapsed()));
            if has_key {
                topic.warn_keys_forgotten_early(&*hub.log, now);
            }
        }
        Ok(Published {
            // Never `None`: one position always fits into an id.
            id: Positions::id([appended.position])
                .to_event_id()
                .unwrap_or(EventId::from_static("")),
            repeated: appended.repeated,
        })
    }
}

impl<T: ?Sized> Topic<T> {
    pub(super) fn new(hub: &Hub, topic: TopicToPublish<T>) -> Self {
        Self {
            publisher: Publisher::new(hub, topic.name),
            records: topic.records,
        }
    }

    /// Its name.
    pub fn name(&self) -> &TopicName {
        &self.publisher.name
    }
}

impl<T: Serialize + ?Sized> Topic<T> {
    /// Publishes a value, and returns the event's id once the log has it. Waits for no reader.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_actix::{Hub, TopicOptions};
    ///
    /// let hub = Hub::builder().topic("news", TopicOptions::log()).build()?;
    /// let news = hub.topic("news");
    /// news.publish("text").await?;
    /// assert_eq!(news.name().as_str(), "news");
    ///
    /// hub.topic("news").publish(&[1, 2]).await?;
    /// assert_eq!(hub.stats().topic("news").unwrap().log.unwrap().events, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError`], if the value cannot be JSON, if the log has refused it, or if the outcome is unknown.
    pub async fn publish(&self, value: &T) -> Result<EventId, PublishError> {
        Ok(self.publisher.append(self.record(value)?).await?.id)
    }

    /// Publishes the newest state of `key`. In a topic that keeps the [latest](crate::TopicOptions::latest), it
    /// replaces the key's earlier state.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_actix::{Hub, TopicOptions};
    ///
    /// let hub = Hub::builder().topic("prices", TopicOptions::latest()).build()?;
    /// let prices = hub.topic("prices");
    /// prices.publish_keyed("ACME", &101.5).await?;
    /// prices.publish_keyed("ACME", &101.6).await?;
    /// assert_eq!(hub.stats().topic("prices").unwrap().log.unwrap().events, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_keyed(&self, key: &str, value: &T) -> Result<EventId, PublishError> {
        Ok(self.publisher.append(self.record(value)?.key(key)).await?.id)
    }

    /// Like [`publish`](Self::publish), for code that is not async: this thread waits until the [`Log`](crate::Log) has
    /// stored the event. With a log in memory it does not wait. In async code, use [`publish`](Self::publish):
    /// otherwise the other tasks of the thread would wait, too.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = sse_actix::Hub::new()?;
    /// let news = hub.topic("news");
    /// std::thread::spawn(move || news.publish_blocking("from a thread")).join().unwrap()?;
    /// hub.topic("prices").publish_keyed_blocking("ACME", &101.5)?;
    /// assert_eq!(hub.stats().topic("news").unwrap().published, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_blocking(&self, value: &T) -> Result<EventId, PublishError> {
        Ok(self.publisher.append_blocking(self.record(value)?)?.id)
    }

    /// As [`publish_keyed`](Self::publish_keyed) and [`publish_blocking`](Self::publish_blocking).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_keyed_blocking(&self, key: &str, value: &T) -> Result<EventId, PublishError> {
        Ok(self.publisher.append_blocking(self.record(value)?.key(key))?.id)
    }

    fn record(&self, value: &T) -> Result<Record, PublishError> {
        let topic = self.publisher.topic_state();
        let record = match &self.records {
            None => Record::json(value, topic.options.event.as_ref()),
            Some(records) => {
                topic
                    .check_type(Some(records.event_type))
                    .map_err(PublishError::Type)?;
                (records.record)(value)
            }
        };
        Ok(record?)
    }
}

impl RawTopic {
    pub(super) fn new(hub: &Hub, name: TopicName) -> Self {
        Self(Publisher::new(hub, name))
    }

    /// Its name.
    pub fn name(&self) -> &TopicName {
        &self.0.name
    }

    /// Publishes an event, and returns the id that the log gave it. Waits for no reader.
    ///
    /// # Errors
    ///
    /// [`PublishError`], if the event has an id, if the log has refused it, or if the outcome is unknown.
    pub async fn publish(&self, event: Event) -> Result<EventId, PublishError> {
        Ok(self.0.append(self.record(&event)?).await?.id)
    }

    /// Like [`publish`](Self::publish), for the newest state of `key`.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_keyed(&self, key: &str, event: Event) -> Result<EventId, PublishError> {
        Ok(self.0.append(self.record(&event)?.key(key)).await?.id)
    }

    /// Like [`publish`](Self::publish), for code that is not async; see [`Topic::publish_blocking`].
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    #[expect(clippy::needless_pass_by_value, reason = "as its async twin takes it")]
    pub fn publish_blocking(&self, event: Event) -> Result<EventId, PublishError> {
        Ok(self.0.append_blocking(self.record(&event)?)?.id)
    }

    /// Like [`publish_keyed`](Self::publish_keyed), for code that is not async; see [`Topic::publish_blocking`].
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    #[expect(clippy::needless_pass_by_value, reason = "as its async twin takes it")]
    pub fn publish_keyed_blocking(&self, key: &str, event: Event) -> Result<EventId, PublishError> {
        Ok(self.0.append_blocking(self.record(&event)?.key(key))?.id)
    }

    fn record(&self, event: &Event) -> Result<Record, RecordError> {
        Record::event(event, self.0.topic_state().options.event.as_ref())
    }
}

impl<T: ?Sized> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self {
            publisher: self.publisher.clone(),
            records: self.records,
        }
    }
}

impl<T: ?Sized> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(self.name()).finish()
    }
}

impl fmt::Debug for RawTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawTopic").field(self.name()).finish()
    }
}

/// The reason why an event was not published, or may not have been.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), sse_actix::HubError> {
/// use sse_actix::{Event, Hub, PublishError};
///
/// let published = Hub::new()?.raw("news").publish(Event::data("hello").id(7)).await;
/// assert!(matches!(published, Err(PublishError::OwnId(_))));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The value cannot be JSON.
    Json(JsonError),
    /// The event has an id.
    OwnId(OwnId),
    /// An `EventSource` cannot listen to the event's name.
    Name(FieldError),
    /// The topic's events have another type.
    Type(TopicTypeError),
    /// The log has refused the event, or the outcome is unknown. After [`AppendError::OutcomeUnknown`], publish it
    /// again [with the same key](Topic::once): then it is stored once.
    Append(AppendError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::OwnId(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::Type(error) => error.fmt(f),
            Self::Append(error) => error.fmt(f),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Json(error) => error.source(),
            Self::OwnId(error) => error.source(),
            Self::Name(error) => error.source(),
            Self::Type(error) => error.source(),
            Self::Append(error) => error.source(),
        }
    }
}

impl ResponseError for PublishError {}

impl From<JsonError> for PublishError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<RecordError> for PublishError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::OwnId(error) => Self::OwnId(error),
            RecordError::Name(error) => Self::Name(error),
            RecordError::Json(error) => Self::Json(error),
        }
    }
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}
