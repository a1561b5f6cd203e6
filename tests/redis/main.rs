//! Many nodes, and a Redis that dies, freezes and forgets.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

mod absence;
mod address;
mod calls;
mod chaos;
mod loss;
mod nodes;
mod once;
mod other_languages;
mod storm;

use std::time::Duration;

use sse_actix::{Hub, HubBuilder};
use sse_actix_redis::{RedisLog, RedisLogBuilder};
use sse_tests::{patience::until, redis::Redis};

/// A log that notices soon.
fn builder(redis: &Redis) -> RedisLogBuilder {
    let log = RedisLog::builder(&redis.url()).response_timeout(Duration::from_millis(500));
    log.check_interval(Duration::from_millis(100))
}

async fn log(redis: &Redis) -> RedisLog {
    builder(redis).connect().await.unwrap()
}

/// A node.
async fn node(redis: &Redis) -> Hub {
    node_with(redis, |hub| hub).await
}

/// Waits until the log knows where the topic `n` is, and new readers are there.
async fn followed(hub: &Hub) {
    until("it to be followed", async || {
        hub.stats().topic("n").is_some_and(|topic| topic.log.is_some())
    })
    .await;
}

async fn node_with(redis: &Redis, set: impl FnOnce(HubBuilder) -> HubBuilder) -> Hub {
    set(Hub::builder().log(log(redis).await)).build().unwrap()
}
