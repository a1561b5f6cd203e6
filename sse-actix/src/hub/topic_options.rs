//! Options of a topic: retention, event names and gap behaviour.

use std::time::Duration;

use sse_actix_core::{EventName, GAP_EVENT, IntoEventName, Keep, OnceWindow, POSITION_EVENT, Retention};

use super::error::HubError;

/// Retention, event names and gap behaviour of a topic.
///
/// There are three modes: [`log`](Self::log) keeps every event, [`latest`](Self::latest) keeps the newest event of each
/// key, [`transient`](Self::transient) keeps no events for clients that reconnect.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use actix_web::test::TestRequest;
/// use sse_actix::{Hub, OnGap, TopicOptions, test::respond};
///
/// let options = TopicOptions::log()
///     .max_events(500)
///     .max_bytes(1024 * 1024)
///     .max_age(Duration::from_secs(600))
///     .event("tick")
///     .on_gap(OnGap::End)
///     .gap_event("missed")
///     .position_event("at")
///     .positions(false);
/// let hub = Hub::builder()
///     .topic("prices", options)
///     .topic("status", TopicOptions::latest())
///     .topic("cursor", TopicOptions::transient())
///     .build()?;
/// let mut stream = respond(hub.subscribe("prices"), TestRequest::get());
/// hub.topic("prices").publish(&101.5).await?;
/// assert_eq!(stream.next().await.unwrap().event, "tick");
/// # Ok(()) }
/// ```
#[must_use = "options do nothing until a hub is built with them"]
#[derive(Debug, Clone)]
pub struct TopicOptions {
    pub(super) retention: Retention,
    pub(super) replays: bool,
    pub(super) event: Option<EventName>,
    pub(super) on_gap: OnGap,
    pub(super) gap_event: EventName,
    pub(super) positions: bool,
    pub(super) position_event: EventName,
}

/// What happens to a client that misses deleted events. See [`TopicOptions`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGap {
    /// It receives an `sse-gap` event, and then the events that are kept.
    Tell,
    /// If retention deletes unread events while the client is connected, its stream ends. The client reconnects and
    /// gets the gap event then.
    End,
}

impl TopicOptions {
    /// Every event is kept, and a client that comes back receives all events that it has missed. Bounded by count,
    /// bytes and age, see [`Retention`]. This is the default mode.
    pub const fn log() -> Self {
        Self {
            retention: Retention::new(),
            replays: true,
            event: None,
            on_gap: OnGap::Tell,
            gap_event: GAP_EVENT,
            positions: true,
            position_event: POSITION_EVENT,
        }
    }

    /// The newest event of each key is kept: a new, returning or slow client receives these. Publish with
    /// [`Topic::publish_keyed`](crate::Topic::publish_keyed).
    pub const fn latest() -> Self {
        let mut options = Self::log();
        options.retention = options
            .retention
            .keep(Keep::LatestPerKey)
            .max_age(Duration::from_secs(24 * 3_600));
        options
    }

    /// Events are not replayed. A reconnecting client continues with the next event and gets no gap event. Events have
    /// no id. A slow client still gets the events that it has not read, within 1,000 events and a minute.
    pub const fn transient() -> Self {
        let mut options = Self::log();
        options.replays = false;
        options.retention = options
            .retention
            .max_events(1_000)
            .max_age(Duration::from_secs(60));
        options
    }

    /// How many events are kept. Default: 10,000.
    pub const fn max_events(mut self, events: usize) -> Self {
        self.retention = self.retention.max_events(events);
        self
    }

    /// How many bytes of memory they may take. Default: 4 MiB.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.retention = self.retention.max_bytes(bytes);
        self
    }

    /// How old they may become. Default: an hour; with [`latest`](Self::latest), a day.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.retention = self.retention.max_age(age);
        self
    }

    /// How long the idempotency keys of events that are published [once](crate::Topic::once) are remembered, even if
    /// the events are deleted. Default: ten minutes, and 100,000 keys.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_actix::{OnceWindow, TopicOptions};
    ///
    /// let orders = TopicOptions::log().once_within(OnceWindow::new().max_age(Duration::from_secs(3_600)));
    /// # let hub = sse_actix::Hub::builder().topic("orders", orders).build()?;
    /// # assert_eq!(hub.raw("orders").name().as_str(), "orders");
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    pub const fn once_within(mut self, window: OnceWindow) -> Self {
        self.retention = self.retention.once_within(window);
        self
    }

    /// The name of events without a name. Default: none, which means `message`.
    ///
    /// # Panics
    ///
    /// If given a literal that is no event name.
    #[track_caller]
    pub fn event(mut self, name: impl IntoEventName) -> Self {
        self.event = Some(name.into_event_name());
        self
    }

    /// What happens to a client that misses deleted events. Default: [`OnGap::Tell`].
    pub const fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.on_gap = on_gap;
        self
    }

    /// The name of the gap event. Default: `sse-gap`.
    ///
    /// # Panics
    ///
    /// If given a literal that is no event name.
    #[track_caller]
    pub fn gap_event(mut self, name: impl IntoEventName) -> Self {
        self.gap_event = name.into_event_name();
        self
    }

    /// Sets whether clients get position events when no other event gives them their position. Default: true. See
    /// [`Subscription::positions`](crate::Subscription::positions).
    pub const fn positions(mut self, sent: bool) -> Self {
        self.positions = sent;
        self
    }

    /// The name of the position event. Default: `sse-position`.
    ///
    /// # Panics
    ///
    /// If given a literal that is no event name.
    #[track_caller]
    pub fn position_event(mut self, name: impl IntoEventName) -> Self {
        self.position_event = name.into_event_name();
        self
    }

    /// Checks that a topic can keep events, and that browsers can listen to the names.
    pub(super) fn check(&self) -> Result<(), HubError> {
        if self.retention.bytes() == 0 {
            return Err(HubError::NothingKept(
                "with `max_bytes(0)` a topic would accept no event; give it room for its largest event",
            ));
        }
        if self.retention.age().is_zero() {
            return Err(HubError::NothingKept(
                "with a `max_age` of zero a topic would delete each event before it is read; give it a second or more",
            ));
        }
        // Checks the text: a name of the library's own events is not allowed for published events.
        let event = self.event.as_ref().map(EventName::as_str);
        event
            .map_or(Ok(()), |name| EventName::try_from(name).map(drop))
            .and_then(|()| self.gap_event.check_for_browsers())
            .and_then(|()| self.position_event.check_for_browsers())
            .map_err(HubError::EventName)
    }
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self::log()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_browsers_could_not_listen_to_are_refused_when_a_hub_is_built() {
        let error = || EventName::not_for_browsers("error").unwrap();
        for options in [
            TopicOptions::log().event(error()),
            TopicOptions::log().event(GAP_EVENT),
            TopicOptions::log().gap_event(error()),
            TopicOptions::log().position_event(error()),
        ] {
            assert!(
                matches!(options.check(), Err(HubError::EventName(_))),
                "{options:?}"
            );
        }
        let options = TopicOptions::log()
            .event("tick")
            .gap_event("gap")
            .position_event("at");
        assert_eq!(options.check(), Ok(()));
        assert_eq!(TopicOptions::latest().check(), Ok(()));
    }
}
