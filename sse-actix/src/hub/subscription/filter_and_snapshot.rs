//! What of a topic's events is shown, by their values, and what comes before them.

use std::rc::Rc;

use actix_web::Error;
use serde::de::DeserializeOwned;
use sse_actix_core::{Event, EventId, TopicValue};

use super::{Subscription, selection::Snapshot};

impl Subscription {
    /// Only the events whose value `shows` says yes to; it sees the value, not the text. What is no JSON of a
    /// `T` is not shown. Applies to what is live, replayed, and in a [`snapshot`](Self::snapshot), and to the
    /// topics so far; several filters must all say yes.
    ///
    /// A client is not shown the events that are hidden from it, but its position moves past them: with the next
    /// keep-alive it is told so ([`positions`](Self::positions)). If it comes back when retention has taken events
    /// after the position that it knows, it is told of a gap of unknown size, even if none of them was for it.
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

    /// A new client, and one that has missed something, first gets the state that `take` returns, and then
    /// every event after `at`, the id that `take` is given. Instead of [`history`](Self::history).
    ///
    /// The state may already contain events that come after `at`, since it is taken later: these repeat, so
    /// what pages do with an event should be the same when done twice. It is never older than `at`.
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
    /// As [`filter`](Subscription::filter) of a topic without a type. An event that is none of the enum's, such as a new one that
    /// another node publishes during a deploy, is not shown. It is counted
    /// ([`HubStats::undecodable`](crate::HubStats::undecodable)), and the log tells of it at most once a minute.
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
        // One with a type is of one topic.
        let topic = self
            .selections
            .first()
            .map(|selection| self.hub.0.topic(&selection.topic));
        self.filter_entries(move |entry| {
            entry.is_event(&shows, |error| {
                if let Some(topic) = &topic {
                    topic.count_undecodable(error);
                }
            })
        })
    }

    /// As [`snapshot`](Subscription::snapshot) of a topic without a type, with events of the same enum: a `Vec` of them, or
    /// an `Option`.
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
