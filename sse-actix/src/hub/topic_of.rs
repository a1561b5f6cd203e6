//! Topics whose events are values of one enum.

use std::{any::TypeId, error::Error, fmt, marker::PhantomData};

use actix_web::ResponseError;
use sse_actix_core::{IntoTopicName, Record, RecordError, TopicName, TopicNameError, TopicValue};

use crate::stream::source::AnyEvent;

/// A topic's name, with the enum of its events.
///
/// [`Hub::topic`](crate::Hub::topic) and [`Hub::subscribe`](crate::Hub::subscribe) take it, so that both have the type.
/// Within one hub, a name has one type: using it with a second type is an error. A name as text has no type, and is not
/// checked.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{Hub, SseEvents, TopicOf};
///
/// #[derive(Serialize, Deserialize, SseEvents)]
/// #[serde(rename_all = "lowercase")]
/// enum Market {
///     Price { symbol: String, price: f64 },
///     Closed,
/// }
///
/// const MARKET: TopicOf<Market> = TopicOf::from_static("market");
///
/// let hub = Hub::new()?;
/// let acme = hub.subscribe(MARKET).filter(|event| matches!(event, Market::Price { symbol, .. } if symbol == "ACME"));
/// hub.topic(MARKET).publish(&Market::Closed).await?;
///
/// let mut events = hub.follow(MARKET.name()).from_oldest();
/// # use futures_util::StreamExt as _;
/// # let Some(sse_actix::TopicEvent::Published(event)) = events.next().await else { panic!() };
/// assert_eq!((event.name(), event.data().as_str()), (Some("closed"), "null"));
/// # Ok(()) }
/// ```
pub struct TopicOf<T> {
    name: TopicName,
    event_type: PhantomData<fn(T) -> T>,
}

impl<T: TopicValue> TopicOf<T> {
    /// A name from a literal. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid topic name. For a string made at run time use [`TopicOf::new`].
    #[track_caller]
    pub const fn from_static(name: &'static str) -> Self {
        Self {
            name: TopicName::from_static(name),
            event_type: PhantomData,
        }
    }

    /// A name that was made at run time.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use sse_actix::{SseEvents, TopicName, TopicOf};
    /// # #[derive(Serialize, Deserialize, SseEvents)] enum Market { Closed }
    /// let market: TopicOf<Market> = TopicOf::new(TopicName::try_from(format!("market:{}", 7))?);
    /// assert_eq!(market.name().as_str(), "market:7");
    /// # Ok::<(), sse_actix::TopicNameError>(())
    /// ```
    pub fn new(name: TopicName) -> Self {
        Self {
            name,
            event_type: PhantomData,
        }
    }

    /// The name alone.
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    fn use_for_publishing(self) -> TopicToPublish<T> {
        TopicToPublish {
            name: self.name,
            records: Some(TypedRecords {
                event_type: EventsType::of::<T>(),
                record: Record::from_value,
            }),
        }
    }
}

/// The names of topics that have the same type and begin with the same text.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use serde::{Deserialize, Serialize};
/// # use sse_actix::{Hub, SseEvents};
/// use sse_actix::{TopicFamily, TopicOptions};
///
/// # #[derive(Serialize, Deserialize, SseEvents)]
/// # enum Chat { Said(String) }
/// const ROOMS: TopicFamily<Chat> = TopicFamily::from_static("room:");
///
/// let hub = Hub::builder().topics_with_prefix(ROOMS.prefix(), TopicOptions::log()).build()?;
/// assert_eq!(ROOMS.of(7)?.name().as_str(), "room:7");
/// hub.topic(ROOMS.of("lobby")?).publish_blocking(&Chat::Said("hello".to_owned()))?;
/// # Ok(()) }
/// ```
pub struct TopicFamily<T> {
    prefix: &'static str,
    event_type: PhantomData<fn(T) -> T>,
}

impl<T: TopicValue> TopicFamily<T> {
    /// The names that begin with `prefix`. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If no valid topic name can begin like this.
    #[track_caller]
    pub const fn from_static(prefix: &'static str) -> Self {
        // Every valid name is also a valid beginning of a name.
        std::mem::forget(TopicName::from_static(prefix));
        Self {
            prefix,
            event_type: PhantomData,
        }
    }

    /// One topic of the family. Its name is the prefix followed by `member`.
    ///
    /// # Errors
    ///
    /// [`TopicNameError`] if that is not a valid topic name.
    pub fn of(&self, member: impl fmt::Display) -> Result<TopicOf<T>, TopicNameError> {
        TopicName::try_from(format!("{}{member}", self.prefix)).map(TopicOf::new)
    }

    /// The beginning of the names, for [`HubBuilder::topics_with_prefix`](crate::HubBuilder::topics_with_prefix).
    pub const fn prefix(&self) -> &'static str {
        self.prefix
    }
}

/// A type of events, to compare it and to name it in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventsType {
    id: TypeId,
    name: &'static str,
}

impl EventsType {
    fn of<T: 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: std::any::type_name::<T>(),
        }
    }

    /// Checks that it is the type of `topic`.
    pub(super) fn check(self, topic: &TopicName, known: Self) -> Result<(), TopicTypeError> {
        if self.id == known.id {
            return Ok(());
        }
        Err(TopicTypeError {
            topic: topic.clone(),
            known: known.name,
            other: self.name,
        })
    }
}

/// A topic is used with two types in one hub.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use serde::{Deserialize, Serialize};
/// # use sse_actix::{Hub, SseEvents, TopicOf};
/// # #[derive(Serialize, Deserialize, SseEvents)] enum Market { Closed }
/// # #[derive(Serialize, Deserialize, SseEvents)] enum Chat { Said(String) }
/// let hub = Hub::new()?;
/// hub.topic(TopicOf::from_static("a")).publish(&Market::Closed).await?;
///
/// let error = hub.topic(TopicOf::from_static("a")).publish(&Chat::Said("b".to_owned())).await.unwrap_err();
/// let message = error.to_string();
/// assert!(message.starts_with("topic `a` has the events of `"), "{message}");
/// assert!(message.contains("::Market`") && message.contains("::Chat`"), "{message}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTypeError {
    topic: TopicName,
    known: &'static str,
    other: &'static str,
}

impl fmt::Display for TopicTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "topic `{}` has the events of `{}` in this hub, and is used here with those of `{}`: give one of the two topics another name",
            self.topic, self.known, self.other
        )
    }
}

impl Error for TopicTypeError {}

impl ResponseError for TopicTypeError {}

/// The types that [`Hub::topic`](crate::Hub::topic) accepts: a [`TopicOf`], a [`TopicName`], or a literal. See
/// [`TopicOf`]'s example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic of `{T}`",
    note = "for a string made at run time write `TopicName::try_from(text)?`"
)]
pub trait IntoTopic<T: ?Sized>: sealed::IntoTopic<T> {}

impl<T: ?Sized, N: sealed::IntoTopic<T>> IntoTopic<T> for N {}

/// The types that [`Hub::subscribe`](crate::Hub::subscribe) accepts: a [`TopicOf`], a [`TopicName`], or a literal. See
/// [`TopicOf`]'s example.
pub trait IntoSubscription: sealed::IntoSubscription {}

impl<N: sealed::IntoSubscription> IntoSubscription for N {}

/// A topic's name and event type, for publishing.
#[doc(hidden)]
pub struct TopicToPublish<T: ?Sized> {
    pub(super) name: TopicName,
    pub(super) records: Option<TypedRecords<T>>,
}

/// Encodes the events of a topic.
pub(super) struct TypedRecords<T: ?Sized> {
    pub(super) event_type: EventsType,
    pub(super) record: fn(&T) -> Result<Record, RecordError>,
}

/// A topic's name and event type, for reading.
#[doc(hidden)]
#[derive(Debug)]
pub struct TopicToRead {
    pub(super) name: TopicName,
    pub(super) event_type: Option<EventsType>,
}

pub(super) mod sealed {
    use super::{AnyEvent, EventsType, IntoTopicName, TopicOf, TopicToPublish, TopicToRead, TopicValue};

    pub trait IntoTopic<T: ?Sized> {
        fn into_topic(self) -> TopicToPublish<T>;
    }

    impl<T: ?Sized, N: IntoTopicName> IntoTopic<T> for N {
        #[track_caller]
        fn into_topic(self) -> TopicToPublish<T> {
            TopicToPublish {
                name: self.into_topic_name(),
                records: None,
            }
        }
    }

    impl<T: TopicValue> IntoTopic<T> for TopicOf<T> {
        fn into_topic(self) -> TopicToPublish<T> {
            self.use_for_publishing()
        }
    }

    impl<T: TopicValue> IntoTopic<T> for &TopicOf<T> {
        fn into_topic(self) -> TopicToPublish<T> {
            self.clone().use_for_publishing()
        }
    }

    pub trait IntoSubscription {
        /// The event type of the [`Subscription`](crate::Subscription).
        type Events;

        fn into_topic_to_read(self) -> TopicToRead;
    }

    impl<N: IntoTopicName> IntoSubscription for N {
        type Events = AnyEvent;

        #[track_caller]
        fn into_topic_to_read(self) -> TopicToRead {
            TopicToRead {
                name: self.into_topic_name(),
                event_type: None,
            }
        }
    }

    impl<T: TopicValue> IntoSubscription for TopicOf<T> {
        type Events = T;

        fn into_topic_to_read(self) -> TopicToRead {
            TopicToRead {
                name: self.name,
                event_type: Some(EventsType::of::<T>()),
            }
        }
    }

    impl<T: TopicValue> IntoSubscription for &TopicOf<T> {
        type Events = T;

        fn into_topic_to_read(self) -> TopicToRead {
            self.clone().into_topic_to_read()
        }
    }
}

impl<T> Clone for TopicOf<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            event_type: PhantomData,
        }
    }
}

impl<T: ?Sized> Clone for TypedRecords<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for TypedRecords<T> {}

impl<T> fmt::Debug for TopicOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicOf").field(&self.name).finish()
    }
}

impl<T> fmt::Debug for TopicFamily<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicFamily").field(&self.prefix).finish()
    }
}

impl<T: ?Sized> fmt::Debug for TopicToPublish<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicToPublish").field(&self.name).finish()
    }
}
