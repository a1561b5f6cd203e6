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
//! The way of an event: a script appends it to the topic's stream, together with the identity of the stream's
//! life and the id of the entry before it. Each node has one connection that waits for what is new in all the
//! topics it has readers of. An entry that does not follow the one that the node knew is the sign that
//! something is gone, and its readers are told. What a node has heard, and what it has asked for once, it keeps
//! in memory as long as the topic's [`Retention`](sse_actix_core::Retention) says, so that clients that come
//! back cost Redis next to nothing.
//!
//! Redis 6.2 or later, or Valkey; one primary, with or without replicas. Redis Cluster and Redis Sentinel are
//! not supported yet, and refused.

mod builder;
mod driver;
mod entry;
mod follow;
mod link;
mod log;
mod nodes;
mod scripts;
mod topic;

pub use self::{
    builder::{ConnectError, RedisLogBuilder},
    log::RedisLog,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
