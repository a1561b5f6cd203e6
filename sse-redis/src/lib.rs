//! The log of [sse-actix](https://docs.rs/sse-actix) on
//! [Redis Streams](https://redis.io/docs/latest/develop/data-types/streams/), for programs that run on many nodes: any
//! node publishes, the subscribers on all nodes receive the event, and a client that comes back to another node
//! continues exactly where it was.
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
//! The path of an event: a script appends it to the topic's stream and publishes a notice on the channel of the same
//! name, with the id of the entry before it. Each node subscribes to the topics that have readers on it. If a notice
//! directly follows the newest entry that the node knows, the node takes the events in; if not, it reads the stream. A
//! node keeps events that it has received or read in memory according to the topic's
//! [`Retention`](sse_actix_core::Retention), so that clients that come back cost Redis almost nothing. A heartbeat that
//! the node publishes and receives proves that events arrive.
//!
//! | folder | holds |
//! |---|---|
//! | `connect` | the address of Redis, the check of the server, and the connections of a session |
//! | `follow` | sessions: heartbeat, subscriptions, notices |
//! | `catch_up` | reading entries whose notices did not arrive, on separate connections |
//! | `topic` | a node's knowledge of one topic |
//! | `entry` | the format of an entry of a stream |
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
mod followed_primaries;
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
