//! A node: a hub on a log in Redis, and its streams.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    HttpRequest,
    error::ErrorBadRequest,
    web::{self, Data, Path},
};
use futures_util::future::join_all;
use serde::Deserialize;
use sse_actix::{
    Event, EventId, Hub, HubBuilder, KeepAlive, POSITION_EVENT, PublishError, Subscription, TopicName,
    test::{Serving, TestStream, connect},
};
use sse_actix_redis::{RedisLog, RedisLogBuilder};
use sse_tests::{
    hub::{POSITION, Reader, serve_hub},
    patience::within,
};
use tokio::time::sleep;

pub(crate) struct Node {
    pub(crate) hub: Hub,
    serving: Serving,
}

#[derive(Deserialize)]
struct Query {
    tag: Option<String>,
    /// From the first event that is kept.
    #[serde(default)]
    history: bool,
}

async fn stream(
    request: HttpRequest,
    hub: Data<Hub>,
    topic: Path<String>,
    query: web::Query<Query>,
) -> actix_web::Result<Subscription> {
    if let Some(tag) = &query.tag {
        hub.admit(&request, tag.as_str());
    }
    let topic = TopicName::try_from(topic.into_inner()).map_err(ErrorBadRequest)?;
    let subscription = hub.subscribe(topic).keep_alive(KeepAlive::OFF);
    Ok(if query.history {
        subscription.history(usize::MAX)
    } else {
        subscription
    })
}

impl Node {
    /// One that reaches Redis at this address.
    pub(crate) async fn at(url: &str) -> Self {
        Self::with(url, |log| log, |hub| hub).await
    }

    /// One with further settings.
    pub(crate) async fn with(
        url: &str,
        log: impl FnOnce(RedisLogBuilder) -> RedisLogBuilder,
        hub: impl FnOnce(HubBuilder) -> HubBuilder,
    ) -> Self {
        let builder = RedisLog::builder(url).response_timeout(Duration::from_secs(1));
        let log = log(builder).connect().await.unwrap();
        Self::of(hub(Hub::builder().log(log)).build().unwrap())
    }

    /// One with this hub.
    pub(crate) fn of(hub: Hub) -> Self {
        let serving = serve_hub(&hub, |app| _ = app.route("/{topic}", web::get().to(stream)));
        Self { hub, serving }
    }

    /// A new client of a topic, or of `topic?tag=a`, as soon as it has a position: what is published then, it gets.
    pub(crate) async fn reader(&self, path: &str) -> Reader {
        let mut reader = self.unplaced_reader(path).await;
        let next = reader.next_with_positions().await;
        assert!(next.starts_with(POSITION), "{next:?}");
        reader
    }

    /// A new client that may not have a position yet.
    pub(crate) async fn unplaced_reader(&self, path: &str) -> Reader {
        Reader::new(self.serving.addr(), &format!("/{path}")).await
    }

    /// As [`reader`](Self::reader), for a client that may wait for long.
    pub(crate) async fn stream(&self, topic: &str) -> TestStream {
        let url = self.serving.url(&format!("/{topic}"));
        let mut stream = connect(&url, "").await.positions(true);
        let first = stream.next().await.unwrap();
        assert_eq!(first.event, POSITION_EVENT.as_str());
        stream.positions(false)
    }

    /// One that comes back.
    pub(crate) async fn back(&self, path: &str, id: impl AsRef<str>) -> Reader {
        Reader::back(self.serving.addr(), &format!("/{path}"), id).await
    }

    /// Where it serves.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.serving.addr()
    }

    /// Publishes a number.
    pub(crate) async fn publish(&self, topic: &str, data: impl ToString) -> EventId {
        self.try_publish(topic, data).await.unwrap()
    }

    /// Publishes what may be refused.
    pub(crate) async fn try_publish(
        &self,
        topic: &str,
        data: impl ToString,
    ) -> Result<EventId, PublishError> {
        let topic = self.hub.raw(TopicName::try_from(topic).unwrap());
        topic.publish(Event::data(data.to_string())).await
    }

    /// Publishes until it is taken.
    pub(crate) async fn insist(&self, topic: &str, data: impl ToString) -> EventId {
        within("an event to be taken", async {
            loop {
                if let Ok(id) = self.try_publish(topic, data.to_string()).await {
                    return id;
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    /// Publishes many, in order, as fast as it goes.
    pub(crate) async fn flood(&self, topic: &str, events: impl IntoIterator<Item = String>) -> Vec<EventId> {
        let topic = self.hub.raw(TopicName::try_from(topic).unwrap());
        let events: Vec<_> = events.into_iter().collect();
        let mut ids = Vec::new();
        for some in events.chunks(500) {
            let published = some.iter().map(|data| topic.publish(Event::data(data.as_str())));
            ids.extend(join_all(published).await.into_iter().map(Result::unwrap));
        }
        ids
    }
}
