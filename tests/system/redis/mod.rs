//! Many nodes, and a Redis that dies, freezes and forgets.

mod absence;
mod address;
mod calls;
mod loss;
mod storm;

use std::time::Duration;

use sse_actix::{Hub, HubBuilder};
use sse_actix_redis::{RedisLog, RedisLogBuilder};
use sse_tests::redis::Redis;

/// A log that notices soon.
fn builder(redis: &Redis) -> RedisLogBuilder {
    RedisLog::builder(&redis.url()).response_timeout(Duration::from_millis(500))
}

async fn log(redis: &Redis) -> RedisLog {
    builder(redis).connect().await.unwrap()
}

/// A node.
async fn node(redis: &Redis) -> Hub {
    node_with(redis, |hub| hub).await
}

async fn node_with(redis: &Redis, set: impl FnOnce(HubBuilder) -> HubBuilder) -> Hub {
    set(Hub::builder().log(log(redis).await)).build().unwrap()
}
