//! Filters by the values of events, and snapshots.

use std::rc::Rc;

use actix_web::Error;
use serde::de::DeserializeOwned;
use sse_actix_core::{Event, EventId, TopicValue};

use super::{Subscription, selection::Snapshot};

impl Subscription {
    /// Sends only the events for whose value `shows` returns true; `shows` gets the value, not the text. An event that
    /// is not JSON of a `T` is hidden. The filter applies to live events, to replayed events, and to events of a
    /// [`snapshot`](Self::snapshot), in the topics that the subscription has so far. If there are several filters, all
    /// must return true.
    ///
    /// A client's position advances past events that are hidden from it: the next keep-alive carries the new position
    /// ([`positions`](Self::positions)). If the client comes back after retention has deleted events after its
    /// position, it gets a gap event of unknown size, even if all deleted events were hidden from it.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_web::test::TestRequest;
    /// use sse_actix::{Hub, test::respond};
    ///
    /// let hub = Hub::new()?;
    /// let high = hub.subscribe("prices").filter(|price: &f64| *price > 100.0);
    /// let mut stream = respond(high, TestRequest::get());
    /// for price in [99.5, 100.5] {
    ///     hub.topic("prices").publish(&price).await?;
    /// }
    /// assert_eq!(stream.next().await.unwrap().data, "100.5");
    /// # Ok(()) }
    /// ```
    pub fn filter<T>(self, shows: impl Fn(&T) -> bool + 'static) -> Self
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.filter_entries(move |entry| entry.value::<T>().is_some_and(|value| shows(&value)))
    }

    /// A new client, and a client with a gap, first gets the state that `take` returns, and then every event after
    /// `at`, the id that is passed to `take`. Replaces [`history`](Self::history).
    ///
    /// The state is taken later than `at`, so it may already contain some of the events after `at`, which the client
    /// gets again. So write the page so that an event that arrives twice has the same effect as once. The state is
    /// never older than `at`.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_web::test::TestRequest;
    /// use sse_actix::{Event, Hub, test::respond};
    /// # async fn prices_in_the_database() -> Result<Vec<f64>, actix_web::Error> { Ok(vec![101.5]) }
    ///
    /// let hub = Hub::new()?;
    /// let prices = hub.subscribe("prices").snapshot(async |_at| {
    ///     let prices = prices_in_the_database().await?;
    ///     Ok::<_, actix_web::Error>(Event::json(&prices)?.event("snapshot"))
    /// });
    /// let mut stream = respond(prices, TestRequest::get());
    /// assert_eq!(stream.next().await.unwrap().data, "[101.5]");
    /// # Ok(()) }
    /// ```
    pub fn snapshot<F, R>(self, take: F) -> Self
    where
        F: AsyncFn(EventId) -> R + 'static,
        R: Snapshot,
    {
        let take = Rc::new(take);
        self.snapshot_events(move |at| {
            let take = Rc::clone(&take);
            Box::pin(async move { take(at).await.into_events() })
        })
    }
}

impl<T: TopicValue> Subscription<T> {
    /// Like [`filter`](Subscription::filter) for a topic without a type. An event that does not fit the enum, such as a
    /// new event from another node during a deploy, is hidden. It is counted
    /// ([`HubStats::undecodable`](crate::HubStats::undecodable)), and a warning is logged at most once a minute.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use serde::{Deserialize, Serialize};
    /// # use sse_actix::{Hub, SseEvents, TopicOf};
    /// # #[derive(Serialize, Deserialize, SseEvents)] enum Market { Price(f64), Closed }
    /// const MARKET: TopicOf<Market> = TopicOf::from_static("market");
    /// let hub = Hub::new()?;
    /// let dear = hub.subscribe(MARKET).filter(|event| matches!(event, Market::Price(price) if *price > 100.0));
    /// # Ok(()) }
    /// ```
    pub fn filter(self, shows: impl Fn(&T) -> bool + 'static) -> Self {
        // A subscription with a type has one topic.
        let topic = self
            .selections
            .first()
            .map(|selection| self.hub.0.topic_state(&selection.topic));
        self.filter_entries(move |entry| {
            entry.is_event(&shows, |error| {
                if let Some(topic) = &topic {
                    topic.count_undecodable(error);
                }
            })
        })
    }

    /// Like [`snapshot`](Subscription::snapshot) for a topic without a type. `take` returns a `Result`
    /// with events of the topic's enum, such as a `Vec` or an `Option` of them.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use serde::{Deserialize, Serialize};
    /// # use sse_actix::{Hub, SseEvents, TopicOf};
    /// # #[derive(Serialize, Deserialize, SseEvents)] enum Market { Price(f64), Closed }
    /// # async fn prices() -> Result<Vec<f64>, actix_web::Error> { Ok(vec![]) }
    /// const MARKET: TopicOf<Market> = TopicOf::from_static("market");
    /// let hub = Hub::new()?;
    /// let market = hub.subscribe(MARKET).snapshot(async |_at| {
    ///     let prices = prices().await?;
    ///     Ok::<_, actix_web::Error>(prices.into_iter().map(Market::Price))
    /// });
    /// # Ok(()) }
    /// ```
    pub fn snapshot<F, R, E>(self, take: F) -> Self
    where
        F: AsyncFn(EventId) -> Result<R, E> + 'static,
        R: IntoIterator<Item = T>,
        E: Into<Error>,
    {
        let take = Rc::new(take);
        self.snapshot_events(move |at| {
            let take = Rc::clone(&take);
            Box::pin(async move {
                let events = take(at).await.map_err(Into::into)?;
                let events = events.into_iter().map(|event| Event::of(&event));
                Ok(events.collect::<Result<_, _>>()?)
            })
        })
    }
}
