//! The log of [sse-actix](https://docs.rs/sse-actix) on
//! [Redis Streams](https://redis.io/docs/latest/develop/data-types/streams/), for programs that run on many
//! nodes: any of them publishes, every node's readers receive it, and a client that comes back to another node
//! goes on exactly where it was.
//!
//! ```no_run
//! use sse_actix::Hub;
//! use sse_actix_redis::RedisLog;
//!
//! # async fn main_() -> Result<(), Box<dyn std::error::Error>> {
//! let log = RedisLog::connect("redis://127.0.0.1/").await?;
//! let hub = Hub::builder().log(log).build()?;
//! # Ok(()) }
//! ```
//!
//! The way of an event: a script appends it to the topic's stream and announces it on the channel of the same name, with the
//! entry that it follows. Each node is subscribed to the topics that it has readers of. A notice that follows what the node knows
//! is taken in; after one that does not, the node reads the stream. What a node has heard, and what it has read once, it keeps
//! in memory as long as the topic's [`Retention`](sse_actix_core::Retention) says, so that clients that come
//! back cost Redis next to nothing. A heartbeat that the node publishes and hears proves that events arrive.
//!
//! | folder | holds |
//! |---|---|
//! | `connect` | where Redis is, which server answers, and the connections of a session |
//! | `follow` | sessions: heartbeat, subscriptions, notices |
//! | `catch_up` | reading what no notice has brought, on connections of its own |
//! | `topic` | what a node knows of one topic |
//! | `entry` | what an entry of a stream holds |
//! | `append` | publishing, many events in one call |
//! | `nodes` | revocations and presence |
//!
//! Redis 6.2 or later, or Valkey: one primary, with or without replicas and Sentinels, or a Redis Cluster from 7.0 on.

mod append;
mod catch_up;
mod connect;
mod delete;
mod driver;
mod entry;
mod error;
mod fault;
mod follow;
mod followed;
mod keys;
mod log;
mod nodes;
mod settings;
mod shared;
mod topic;
mod value;

pub use self::{
    append::APPEND_SCRIPT,
    error::ConnectError,
    log::{RedisLog, RedisLogBuilder},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
