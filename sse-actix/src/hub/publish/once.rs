use serde::Serialize;
use sse_actix_core::{Event, IdempotencyKey};

use super::{PublishError, RawTopic, Topic, published::Published};

/// A topic, with the idempotency key of one event. Publish the event through this. The event is stored once, however
/// often you publish it. Made by [`Topic::once`] and [`RawTopic::once`]. Cheap to make and to clone.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sse_actix::{Event, Hub, IdempotencyKey};
///
/// let hub = Hub::new()?;
/// let key = IdempotencyKey::try_from("order 7")?;
/// let order = hub.raw("orders").once(&key);
/// let first = order.publish(Event::data("two pizzas")).await?;
/// assert!(order.publish_keyed("table 3", Event::data("two pizzas")).await?.repeated);
/// assert!(order.publish_blocking(Event::data("two pizzas"))?.repeated);
/// assert_eq!(order.publish_keyed_blocking("table 3", Event::data("two pizzas"))?.id, first.id);
/// # Ok(()) }
/// ```
#[must_use = "nothing is published yet"]
#[derive(Debug, Clone)]
pub struct Once<P> {
    topic: P,
    key: IdempotencyKey,
}

impl<T: ?Sized> Topic<T> {
    /// Publishes an event so that it is stored once, even if you publish it again because its outcome is unknown: after
    /// [`AppendError::OutcomeUnknown`](crate::AppendError::OutcomeUnknown), after a crash, or when a client repeats a
    /// request. Each event needs its own key.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_actix::{Hub, IdempotencyKey};
    ///
    /// let hub = Hub::new()?;
    /// let order = hub.topic("orders").once(&IdempotencyKey::try_from("order 7")?);
    /// let first = order.publish(&"two pizzas").await?;
    /// let again = order.publish(&"two pizzas").await?;
    ///
    /// assert_eq!(again.id, first.id);
    /// assert_eq!((first.repeated, again.repeated), (false, true));
    /// assert_eq!(hub.stats().topic("orders").unwrap().published, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// A key is remembered for ten minutes, unless the topic gets 100,000 newer keys before; see
    /// [`TopicOptions::once_within`](crate::TopicOptions::once_within). A key that is not remembered counts as new.
    pub fn once(&self, key: &IdempotencyKey) -> Once<Self> {
        Once {
            topic: self.clone(),
            key: key.clone(),
        }
    }
}

impl RawTopic {
    /// Publishes an event so that it is stored once, like [`Topic::once`]. See [`Once`]'s example.
    pub fn once(&self, key: &IdempotencyKey) -> Once<Self> {
        Once {
            topic: self.clone(),
            key: key.clone(),
        }
    }
}

impl<T: Serialize + ?Sized> Once<Topic<T>> {
    /// Like [`Topic::publish`], unless an event with this idempotency key was published before.
    ///
    /// # Errors
    ///
    /// As [`Topic::publish`]. After [`OutcomeUnknown`](crate::AppendError::OutcomeUnknown), call this again.
    pub async fn publish(&self, value: &T) -> Result<Published, PublishError> {
        let record = self.topic.record(value)?.once(self.key.clone());
        self.topic.publisher.append(record).await
    }

    /// Like [`Topic::publish_keyed`], unless an event with this idempotency key was published before. `key` names the
    /// thing whose newest state the value is; do not confuse it with the idempotency key.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_keyed(&self, key: &str, value: &T) -> Result<Published, PublishError> {
        let record = self.topic.record(value)?.key(key).once(self.key.clone());
        self.topic.publisher.append(record).await
    }

    /// Like [`Topic::publish_blocking`], unless an event with this idempotency key was published before.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_blocking(&self, value: &T) -> Result<Published, PublishError> {
        let record = self.topic.record(value)?.once(self.key.clone());
        self.topic.publisher.append_blocking(record)
    }

    /// As [`publish_keyed`](Self::publish_keyed) and [`publish_blocking`](Self::publish_blocking).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_keyed_blocking(&self, key: &str, value: &T) -> Result<Published, PublishError> {
        let record = self.topic.record(value)?.key(key).once(self.key.clone());
        self.topic.publisher.append_blocking(record)
    }
}

impl Once<RawTopic> {
    /// Like [`RawTopic::publish`], unless an event with this idempotency key was published before.
    ///
    /// # Errors
    ///
    /// As [`RawTopic::publish`]. After [`OutcomeUnknown`](crate::AppendError::OutcomeUnknown), call this again.
    pub async fn publish(&self, event: Event) -> Result<Published, PublishError> {
        let record = self.topic.record(&event)?.once(self.key.clone());
        self.topic.0.append(record).await
    }

    /// Like [`RawTopic::publish_keyed`], unless an event with this idempotency key was published before. `key` names
    /// the thing whose newest state the event is; do not confuse it with the idempotency key.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_keyed(&self, key: &str, event: Event) -> Result<Published, PublishError> {
        let record = self.topic.record(&event)?.key(key).once(self.key.clone());
        self.topic.0.append(record).await
    }

    /// Like [`RawTopic::publish_blocking`], unless an event with this idempotency key was published before.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    #[expect(clippy::needless_pass_by_value, reason = "as its async twin takes it")]
    pub fn publish_blocking(&self, event: Event) -> Result<Published, PublishError> {
        let record = self.topic.record(&event)?.once(self.key.clone());
        self.topic.0.append_blocking(record)
    }

    /// As [`publish_keyed`](Self::publish_keyed) and [`publish_blocking`](Self::publish_blocking).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    #[expect(clippy::needless_pass_by_value, reason = "as its async twin takes it")]
    pub fn publish_keyed_blocking(&self, key: &str, event: Event) -> Result<Published, PublishError> {
        let record = self.topic.record(&event)?.key(key).once(self.key.clone());
        self.topic.0.append_blocking(record)
    }
}
