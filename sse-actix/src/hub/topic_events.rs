//! A topic's events for the rest of the program: a stream that may be sent to any thread.

use std::{
    fmt,
    future::Future as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    thread,
    time::SystemTime,
    vec,
};

use futures_core::Stream;
use futures_util::task::AtomicWaker;
use serde::de::DeserializeOwned;
use sse_actix_core::{
    Batch, Completion, DecodeEventError, Entry, Epoch, EventId, Limit, LogError, Position, Positions,
    SseEvents, Start, TopicName, Watch,
};
use tokio::{
    runtime::Handle,
    time::{Sleep, sleep},
};

use super::{
    Hub,
    shared::TopicState,
    subscription::{ForeignId, selection::GapSize},
    worker::READ_RETRY_PAUSE,
};
use crate::clock;

/// A topic's events for the rest of the program, made by [`Hub::follow`]: a [`Stream`] that is `Send`, so it may be
/// read in any task of any runtime.
///
/// It gets every event once and in order; if events were deleted before it read them, it gets a [gap](TopicEvent::Gap).
/// It reads from the log, so no publisher waits for a slow reader. It never ends; drop it to stop. While the log cannot
/// be read, it waits.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::StreamExt;
/// use sse_actix::{Hub, TopicEvent};
///
/// let hub = Hub::new()?;
/// let mut prices = hub.follow("prices");
/// let reader = tokio::spawn(async move {
///     match prices.next().await {
///         Some(TopicEvent::Published(event)) => event.value::<f64>().as_deref().copied(),
///         _ => None,
///     }
/// });
///
/// hub.topic("prices").publish(&101.5).await?;
/// assert_eq!(reader.await?, Some(101.5));
/// # Ok(()) }
/// ```
#[must_use = "a topic is read by polling the stream"]
pub struct TopicEvents {
    // Holds the topic's options, which the log needs.
    topic: Arc<TopicState>,
    hub: Hub,
    growth: Arc<Growth>,
    #[expect(dead_code, reason = "held for its drop")]
    watch: Watch,
    state: FollowState,
    epoch: Epoch,
    entries: vec::IntoIter<Arc<Entry>>,
}

enum FollowState {
    Read(Completion<Result<Batch, LogError>>, Start),
    /// The log could not be read.
    Pause(Pin<Box<Sleep>>, Start),
    /// It has read everything, or cannot read, and continues from here when its task is woken.
    Wait(Start),
}

/// An item of [`TopicEvents`]. See [`TopicEvents`]'s example.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TopicEvent {
    /// An event.
    Published(PublishedEvent),
    /// Events that this stream has missed: retention has deleted them, the topic was deleted, or the log does not know
    /// the position from which the stream reads.
    Gap {
        /// Their number; `None` if it is unknown.
        missed: Option<u64>,
    },
}

/// An event of a topic.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::SystemTime;
/// use futures_util::StreamExt;
/// use sse_actix::{Event, Hub, TopicEvent};
///
/// let hub = Hub::new()?;
/// let id = hub.raw("prices").publish(Event::data("101.5").event("tick")).await?;
///
/// let mut prices = hub.follow("prices").from_oldest();
/// assert_eq!(prices.name().as_str(), "prices");
/// let Some(TopicEvent::Published(event)) = prices.next().await else { panic!() };
/// assert_eq!((event.id(), event.key()), (id, None));
/// assert_eq!((event.name(), event.data().as_str()), (Some("tick"), "101.5"));
/// assert_eq!(event.value::<f64>().as_deref(), Some(&101.5));
/// assert!(event.published_at() <= SystemTime::now());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PublishedEvent {
    epoch: Epoch,
    entry: Arc<Entry>,
}

/// Remembers that the topic has grown, and wakes the task that waits for it.
#[derive(Default)]
struct Growth {
    has_grown: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Growth {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_grown.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl TopicEvents {
    pub(super) fn new(hub: &Hub, name: &TopicName, start: Start) -> Self {
        let (topic, log) = (hub.0.topic_state(name), &hub.0.log);
        let growth = Arc::new(Growth::default());
        log.prepare(name, &topic.options.retention);
        // First register, then read, so that no event in between is missed.
        let watch = log.watch(name, Waker::from(Arc::clone(&growth)), clock::wall());
        Self {
            state: read(hub, name, start),
            topic,
            hub: hub.clone(),
            growth,
            watch,
            epoch: Epoch::new(name, 0),
            entries: Vec::new().into_iter(),
        }
    }

    /// Its topic. See [`PublishedEvent`]'s example.
    pub fn name(&self) -> &TopicName {
        &self.topic.name
    }

    /// Begins after the event with this id, which [`Topic::publish`](crate::Topic::publish) or [`PublishedEvent::id`]
    /// has returned, instead of with the events from now on.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::StreamExt;
    /// use sse_actix::{Hub, TopicEvent};
    ///
    /// let hub = Hub::new()?;
    /// let first = hub.topic("news").publish("one").await?;
    /// hub.topic("news").publish("two").await?;
    ///
    /// let mut news = hub.follow("news").after(&first)?;
    /// let Some(TopicEvent::Published(event)) = news.next().await else { panic!() };
    /// assert_eq!(event.data(), "\"two\"");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ForeignId`] if the id is not one of this topic.
    pub fn after(mut self, id: &EventId) -> Result<Self, ForeignId> {
        let position = Positions::parse(id.as_str()).of(&self.topic.name);
        let position = position.ok_or_else(|| ForeignId::new(id, [&self.topic.name]))?;
        self.state = read(&self.hub, &self.topic.name, Start::After(position));
        Ok(self)
    }

    /// Begins with the oldest kept event, instead of with the events from now on. See [`PublishedEvent`]'s example.
    pub fn from_oldest(mut self) -> Self {
        self.state = read(&self.hub, &self.topic.name, Start::Oldest);
        self
    }
}

fn read(hub: &Hub, name: &TopicName, start: Start) -> FollowState {
    let read = hub.0.log.read(name, start, Limit::DEFAULT, clock::wall());
    FollowState::Read(read, start)
}

/// Waits before it reads again.
fn pause(growth: &Arc<Growth>, start: Start) -> FollowState {
    if Handle::try_current().is_ok() {
        return FollowState::Pause(Box::pin(sleep(READ_RETRY_PAUSE)), start);
    }
    // It is polled outside of tokio, so there is no timer.
    let growth = Arc::clone(growth);
    let waits = thread::Builder::new().spawn(move || {
        thread::sleep(READ_RETRY_PAUSE);
        growth.wake();
    });
    drop(waits);
    FollowState::Wait(start)
}

impl Stream for TopicEvents {
    type Item = TopicEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TopicEvent>> {
        let this = self.get_mut();
        loop {
            if let Some(entry) = this.entries.next() {
                let epoch = this.epoch;
                return Poll::Ready(Some(TopicEvent::Published(PublishedEvent { epoch, entry })));
            }
            match &mut this.state {
                FollowState::Read(read, start) => match ready!(Pin::new(read).poll(cx)) {
                    Ok(batch) => {
                        this.state = if batch.more {
                            self::read(&this.hub, &this.topic.name, Start::After(batch.end))
                        } else {
                            FollowState::Wait(Start::After(batch.end))
                        };
                        this.epoch = batch.end.epoch;
                        this.entries = batch.entries.into_iter();
                        if let Some(GapSize(missed)) = GapSize::of(batch.resume) {
                            this.topic.count_gap();
                            return Poll::Ready(Some(TopicEvent::Gap { missed }));
                        }
                    }
                    Err(error) => {
                        this.topic.warn_read_error(&error);
                        this.state = pause(&this.growth, *start);
                    }
                },
                FollowState::Pause(pause, start) => {
                    ready!(pause.as_mut().poll(cx));
                    this.state = self::read(&this.hub, &this.topic.name, *start);
                }
                FollowState::Wait(start) => {
                    this.growth.task.register(cx.waker());
                    if !this.growth.has_grown.swap(false, Ordering::AcqRel) {
                        return Poll::Pending;
                    }
                    this.state = self::read(&this.hub, &this.topic.name, *start);
                }
            }
        }
    }
}

impl PublishedEvent {
    /// The event's id. With it, [`TopicEvents::after`] or a browser resumes after this event.
    pub fn id(&self) -> EventId {
        let position = Position {
            epoch: self.epoch,
            sequence: self.entry.sequence(),
        };
        // Never `None`: one position always fits into an id.
        Positions::id([position])
            .to_event_id()
            .unwrap_or(EventId::from_static(""))
    }

    /// Its name; `None` for `message`.
    pub fn name(&self) -> Option<&str> {
        self.entry.name()
    }

    /// Its data, as a browser joins it.
    pub fn data(&self) -> String {
        self.entry.data()
    }

    /// Its data as a `T`; `None` if it is not JSON of a `T`. Decoded once for all callers that need the same type.
    pub fn value<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.entry.value()
    }

    /// The event as a value of this enum.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`] if it does not match any variant of the enum.
    pub fn event<T: SseEvents>(&self) -> Result<T, DecodeEventError> {
        T::decode(self.entry.name().unwrap_or("message"), &self.entry.data())
    }

    /// The key of which it is the newest event, in a topic that keeps the [latest](crate::TopicOptions::latest).
    pub fn key(&self) -> Option<&str> {
        self.entry.key()
    }

    /// The time at which the log has stored it, to the millisecond.
    pub fn published_at(&self) -> SystemTime {
        self.entry.at()
    }
}

impl fmt::Debug for PublishedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedEvent")
            .field("id", &self.id().as_str())
            .field("name", &self.name())
            .field("data", &self.data())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TopicEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicEvents").field(self.name()).finish()
    }
}
