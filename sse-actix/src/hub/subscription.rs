//! A subscription: the topics that a handler wants to read.
//!
//! The path of a subscription, from a request to live events:
//!
//! 1. `respond_to` ([begin](begin)) binds it to the request. `Subscription::begin` takes a permit from the limits,
//!    finds the thread's worker, and learns from the client's id where to resume in each topic.
//! 2. `SubscriptionReader::new` (`reader.rs`) calls `TopicReader::begin` (`reader/topic.rs`) for each topic. The worker
//!    registers the subscriber with the topic. Then the first read of the log is issued, after the client's position.
//! 3. `response::respond` gives the reader to a `StreamBody` as its source. Each poll of the body polls the reader,
//!    which advances each topic by one step (`reader/advance.rs`): it takes the log's answer, takes a snapshot, or
//!    sends a gap event.
//! 4. What a step delivers (`reader/deliver.rs`) goes into the stream's event buffer.
//! 5. A reader that has reached the log's newest entry notifies its worker, and from then on follows the worker's
//!    window.
//!
//! If a handler polls a subscription as a `Stream` ([stream](stream)), it begins at the first poll, and steps 3 to 5
//! yield one frame each.

mod begin;
mod error;
mod filter_and_snapshot;
mod options;
pub(super) mod selection;
mod snapshot_backoff;
mod stream;

use std::{
    fmt,
    marker::PhantomData,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::{Error, HttpRequest, http::header::HeaderMap};
use futures_core::future::LocalBoxFuture;
use sse_actix_core::{Entry, Event, EventId, Positions};

pub use self::error::{CombineError, ForeignId};
use self::{
    begin::RequestBinding,
    error::CombineErrorKind,
    selection::{Filter, TakeSnapshot, TopicSelection},
};
use super::{Hub, reader::SubscriptionReader};
use crate::{
    extract::LastEventId,
    stream::{options::StreamOptions, source::AnyEvent},
};

/// A topic, or several, as a stream: a [`Responder`](actix_web::Responder), or a [`Stream`](futures_core::Stream) of
/// [`Frame`](crate::Frame)s inside
/// [`sse_stream`](macro@crate::sse_stream) and elsewhere.
///
/// Made by [`Hub::subscribe`]. A subscription to a [`TopicOf`](crate::TopicOf) has the topic's type, such as
/// `Subscription<Market>`. If a handler returns it, it resumes by itself after the id that the client sends. A new
/// client gets the events from now on, or the events of [`history`](Self::history) or
/// [`snapshot`](Subscription::snapshot); in a topic that keeps the newest event of each key, it gets these events
/// first.
///
/// ```
/// use actix_web::{Error, HttpRequest, get, web};
/// use futures_util::StreamExt as _;
/// use sse_actix::{Event, Hub, Subscription, sse_stream};
///
/// #[get("/chat/{room}")]
/// async fn chat(room: web::Path<String>, hub: web::Data<Hub>) -> Result<Subscription, Error> {
///     let room = sse_actix::TopicName::try_from(format!("room:{room}"))?;
///     Ok(hub.subscribe(room).history(20))
/// }
///
/// #[get("/greeted")]
/// #[sse_stream]
/// async fn greeted(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
///     emit!(Event::data("welcome").event("greeting"));
///     let mut news = hub.subscribe("news").on(&request);
///     while let Some(event) = news.next().await {
///         emit!(event?);
///     }
///     Ok(())
/// }
/// ```
#[must_use = "a subscription is sent by returning it from a handler, or polled as a stream"]
pub struct Subscription<E = AnyEvent> {
    hub: Hub,
    selections: Vec<TopicSelection>,
    request: RequestBinding,
    /// True if its client gets position events.
    positions: bool,
    tags: Vec<Box<str>>,
    lifetime: Lifetime,
    options: StreamOptions,
    headers: Option<HeaderMap>,
    polled_state: PolledState,
    event_type: PhantomData<fn(E)>,
}

/// The state of a subscription that is polled as a stream.
#[derive(Default)]
struct PolledState {
    reader: Option<SubscriptionReader>,
    over: bool,
}

/// The limits of a subscription's lifetime.
#[derive(Clone, Copy)]
struct Lifetime {
    max_age: Option<Duration>,
    valid_until: Option<SystemTime>,
}

impl<E> Subscription<E> {
    pub(super) fn new(hub: &Hub, selection: TopicSelection) -> Self {
        Self {
            hub: hub.clone(),
            selections: vec![selection],
            request: RequestBinding::none(),
            positions: true,
            tags: Vec::new(),
            lifetime: Lifetime {
                max_age: hub.0.settings.max_age,
                valid_until: None,
            },
            options: StreamOptions::new(),
            headers: None,
            polled_state: PolledState::default(),
            event_type: PhantomData,
        }
    }

    /// Adds another subscription to the same stream. Each keeps its filter, its history and its snapshot; tags and time
    /// limits are combined, and one id resumes all of them. The result has no event type.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = sse_actix::Hub::new()?;
    /// let both = hub.subscribe("news").history(3).and(hub.subscribe("prices"))?;
    /// assert!(both.and(hub.subscribe("news")).is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CombineError`] if there are more topics than [`Positions::MAX`], because their id might not fit into a header;
    /// if a topic occurs twice; or if the other subscription belongs to another hub.
    pub fn and<O>(mut self, other: Subscription<O>) -> Result<Subscription, CombineError> {
        if !Arc::ptr_eq(&self.hub.0, &other.hub.0) {
            return Err(CombineError(CombineErrorKind::TwoHubs));
        }
        for selection in other.selections {
            if self.selections.iter().any(|known| known.topic == selection.topic) {
                return Err(CombineError(CombineErrorKind::Twice(selection.topic.to_string())));
            }
            self.selections.push(selection);
        }
        if self.selections.len() > Positions::MAX {
            return Err(CombineError(CombineErrorKind::Many(self.selections.len())));
        }
        self.tags.extend(other.tags);
        self.lifetime = self.lifetime.shorter(other.lifetime);
        Ok(Subscription {
            hub: self.hub,
            selections: self.selections,
            request: self.request,
            positions: self.positions,
            tags: self.tags,
            lifetime: self.lifetime,
            options: self.options,
            headers: self.headers,
            polled_state: self.polled_state,
            event_type: PhantomData,
        })
    }

    /// Continues after this id instead of the request's id.
    ///
    /// ```
    /// use actix_web::web;
    /// use sse_actix::{Hub, LastEventId, Subscription};
    ///
    /// async fn news(hub: web::Data<Hub>, last: LastEventId) -> Subscription {
    ///     // A client of the old server brings ids that this log does not know: it begins as a new client.
    ///     let news = hub.subscribe("news");
    ///     if last.is_unknown() { news } else { news.resume(last) }
    /// }
    /// ```
    pub fn resume(mut self, last: LastEventId) -> Self {
        self.request.last = Some(last);
        self
    }

    /// Binds this subscription to the stream of `request`, when you poll it inside a handler instead of returning it.
    /// It continues after the request's id, has the stream's tags, and counts in the limits of its address.
    pub fn on(mut self, request: &HttpRequest) -> Self {
        let last = self.request.last.take();
        self.request = RequestBinding::of(request, last, &self.hub.0.limits);
        self
    }

    /// Sends only the events for whose name `shows` returns true; `None` stands for an event without a name. Otherwise
    /// like [`filter`](Subscription::filter).
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_web::test::TestRequest;
    /// use sse_actix::{Event, Hub, test::respond};
    ///
    /// let hub = Hub::new()?;
    /// let ticks = hub.subscribe("prices").filter_names(|name| name == Some("tick"));
    /// let mut stream = respond(ticks, TestRequest::get());
    /// hub.raw("prices").publish(Event::data("closed").event("status")).await?;
    /// hub.raw("prices").publish(Event::data("101.5").event("tick")).await?;
    /// assert_eq!(stream.next().await.unwrap().data, "101.5");
    /// # Ok(()) }
    /// ```
    pub fn filter_names(self, shows: impl Fn(Option<&str>) -> bool + 'static) -> Self {
        self.filter_entries(move |entry| shows(entry.name()))
    }

    fn filter_entries(mut self, shows: impl Fn(&Entry) -> bool + 'static) -> Self {
        let shows: Filter = Rc::new(shows);
        for selection in &mut self.selections {
            selection.options().filters.push(Rc::clone(&shows));
        }
        self
    }

    /// Hides everything published before `time`, whatever id the client sends. If you call this several times, the
    /// latest time counts.
    ///
    /// Events carry the time at which the log stored them, to the millisecond, so `time` counts to the millisecond,
    /// too. If `time` has passed when the stream opens, events that are published while the stream is open are never
    /// hidden, even if the clock is set back meanwhile.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::{Duration, SystemTime};
    /// use actix_web::test::TestRequest;
    /// use sse_actix::{Hub, test::respond};
    ///
    /// let hub = Hub::new()?;
    /// hub.topic("news").publish("hello").await?;
    /// let last_minute = SystemTime::now() - Duration::from_secs(60);
    /// let mut stream = respond(hub.subscribe("news").history(10).since(last_minute), TestRequest::get());
    /// assert_eq!(stream.next().await.unwrap().data, "\"hello\"");
    /// # Ok(()) }
    /// ```
    pub fn since(mut self, time: SystemTime) -> Self {
        for selection in &mut self.selections {
            selection.options().hide_before(time);
        }
        self
    }

    /// Like [`since`](Self::since), but by position: hides all events up to and including the event with this id, which
    /// [`Topic::publish`](crate::Topic::publish) has returned. If you call this several times, the latest position
    /// counts.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = sse_actix::Hub::new()?;
    /// let id = hub.topic("news").publish("before the log-in").await?;
    /// let news = hub.subscribe("news").after(&id)?;
    /// assert!(hub.subscribe("prices").after(&id).is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ForeignId`] if the id belongs to no topic that the subscription has so far: it would hide nothing.
    pub fn after(mut self, id: &EventId) -> Result<Self, ForeignId> {
        let positions = Positions::parse(id.as_str());
        let mut is_foreign = true;
        for selection in &mut self.selections {
            if let Some(position) = positions.of(&selection.topic) {
                selection.options().hide_up_to(position);
                is_foreign = false;
            }
        }
        if is_foreign {
            let topics = self.selections.iter().map(|selection| &selection.topic);
            return Err(ForeignId::new(id, topics));
        }
        Ok(self)
    }

    /// Sends a new client the last `events` events it may see, or as many as are kept.
    pub fn history(mut self, events: usize) -> Self {
        for selection in &mut self.selections {
            selection.options().history = Some(events);
        }
        self
    }

    fn snapshot_events(
        mut self,
        take: impl Fn(EventId) -> LocalBoxFuture<'static, Result<Vec<Event>, Error>> + 'static,
    ) -> Self {
        let take: TakeSnapshot = Rc::new(take);
        for selection in &mut self.selections {
            selection.options().snapshot = Some(Rc::clone(&take));
        }
        self
    }

    /// Tags its stream, like [`Hub::admit`], but only once the stream begins: for presence and limits. For revocation,
    /// admit the request before you check its credential. See [`Presence`](crate::Presence)'s example.
    pub fn tag(mut self, tag: impl Into<Box<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Ends the stream when its credential expires. The client reconnects and must authenticate again.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::{Duration, SystemTime};
    /// use actix_web::test::TestRequest;
    /// use sse_actix::{Hub, test::respond};
    ///
    /// let hub = Hub::new()?;
    /// let expired = hub.subscribe("news").max_age(Duration::from_secs(3_600)).valid_until(SystemTime::UNIX_EPOCH);
    /// assert!(respond(expired, TestRequest::get()).collect().await.is_empty());
    /// assert_eq!(hub.stats().evictions.expired, 1);
    /// # Ok(()) }
    /// ```
    pub fn valid_until(mut self, time: SystemTime) -> Self {
        self.lifetime.valid_until = earlier(self.lifetime.valid_until, Some(time));
        self
    }

    /// Ends the stream at a random time between 80 % and 100 % of this age; its client reconnects. Default:
    /// [`HubBuilder::max_age`](crate::HubBuilder::max_age).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.lifetime.max_age = Some(age);
        self
    }
}

impl Lifetime {
    fn shorter(self, other: Self) -> Self {
        Self {
            max_age: earlier(self.max_age, other.max_age),
            valid_until: earlier(self.valid_until, other.valid_until),
        }
    }
}

fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    a.into_iter().chain(b).min()
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("selections", &self.selections)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
