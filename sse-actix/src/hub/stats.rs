//! The counts that [`Hub::stats`](crate::Hub::stats) returns, and the reasons for which a hub ends a stream:
//! [`Eviction`].

use std::time::Duration;

use sse_actix_core::{LogHealth, LogStats, TopicName};

use crate::lifecycle::control::EndCause;

/// The current counts of a hub, returned by [`Hub::stats`](crate::Hub::stats).
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::test::TestRequest;
/// use sse_actix::{Hub, test::respond};
///
/// let hub = Hub::new()?;
/// let mut stream = respond(hub.subscribe("news"), TestRequest::get());
/// hub.topic("news").publish("hello").await?;
/// stream.next().await;
///
/// let stats = hub.stats();
/// assert!(stats.log.reachable);
/// assert_eq!((stats.streams, stats.evictions.stalled, stats.turned_away.streams), (1, 0, 0));
/// let news = stats.topic("news").unwrap();
/// assert_eq!((news.subscribers, news.published, news.gaps), (1, 1, 0));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// The health of the log.
    pub log: LogHealth,
    /// Streams that read. With a log in memory, a stream that is counted here receives everything that is published
    /// from then on. With any log, the same is true for a stream in [presence](crate::Presence).
    pub streams: usize,
    /// How many of these streams have their connections [handed over](crate::Server::direct_fan_out) to the hub. The
    /// others are on HTTP/2, are plain, belong to a function under `#[sse_stream]`, or are on a server that hands no
    /// connections over.
    pub handed_over: usize,
    /// Requests that were refused, by limit.
    pub turned_away: TurnedAway,
    /// Streams that the hub has ended, by reason.
    pub evictions: Evictions,
    /// Events of the topics below that filters of a [`TopicOf`](crate::TopicOf) have hidden because they could not
    /// decode them. Each event is counted once.
    pub undecodable: u64,
    /// Each topic that is or was used on this node.
    pub topics: Vec<TopicStats>,
    /// Topics that the log cannot read, completely or in part. With a log in memory there are none.
    pub faults: Vec<TopicFault>,
}

/// The reason why a topic, or a part of it, cannot be read.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = sse_actix::Hub::new()?;
/// let faults = hub.stats().faults.iter().map(|fault| format!("{}: {}", fault.topic, fault.cause)).collect::<Vec<_>>();
/// assert_eq!(faults, [""; 0]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicFault {
    /// The topic.
    pub topic: TopicName,
    /// The reason, in the log's words.
    pub cause: String,
}

impl HubStats {
    /// The counts of one topic.
    pub fn topic(&self, name: &str) -> Option<&TopicStats> {
        self.topics.iter().find(|topic| topic.name.as_str() == name)
    }
}

/// The counts of one topic. See [`HubStats`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// Its name.
    pub name: TopicName,
    /// Streams that read it.
    pub subscribers: usize,
    /// Events published on this node. An event that is published again with the same [key](crate::Topic::once) is
    /// counted once.
    pub published: u64,
    /// How often an event was published again on this node, with a key that the log already had.
    pub repeated: u64,
    /// How far back its window of [idempotency keys](crate::Topic::once) reaches: for the window's age, unless another
    /// bound makes it shorter.
    pub once_reach: Duration,
    /// Events handed to streams on this node; up to a second old.
    pub delivered: u64,
    /// The log's statistics of the topic, with the oldest kept event; `None` if nothing was ever kept.
    pub log: Option<LogStats>,
    /// How many events the slowest subscriber is behind; up to a second old.
    pub lag: u64,
    /// Gap events sent to clients.
    pub gaps: u64,
    /// Its streams that the hub has ended, by reason.
    pub evictions: Evictions,
}

/// Streams that the hub has ended, by reason. A stream that reads several topics counts for each.
/// See [`HubStats`]'s example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evictions {
    /// Events that they had not read yet were gone, and the topic has [`OnGap::End`](crate::OnGap::End); or the stream
    /// is [plain](crate::Subscription::plain) and had any gap, also an unknown id or a deleted topic.
    pub overtaken: u64,
    /// Their clients did not read for longer than [`stall_timeout`](crate::HubBuilder::stall_timeout).
    pub stalled: u64,
    /// They have reached their [`max_age`](crate::HubBuilder::max_age).
    pub aged: u64,
    /// Their credential has expired: [`valid_until`](crate::Subscription::valid_until).
    pub expired: u64,
    /// Ended by [`revoke`](crate::Hub::revoke). Counted for the hub only, not for topics.
    pub revoked: u64,
    /// A panic in a user's log or waker has ended the hub's worker on their thread.
    pub failed: u64,
}

/// Requests beyond a limit. See [`HubStats`]'s example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnedAway {
    /// [`max_streams`](crate::HubBuilder::max_streams).
    pub streams: u64,
    /// [`max_streams_per_tag`](crate::HubBuilder::max_streams_per_tag).
    pub per_tag: u64,
    /// [`max_streams_per_address`](crate::HubBuilder::max_streams_per_address).
    pub per_address: u64,
    /// `HubBuilder::max_connects_per_minute` (feature `rate-limit`).
    pub per_minute: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Eviction {
    /// Unread events are not in the log any more. For a plain stream: any gap, also an unknown id or a deleted topic.
    Overtaken,
    /// Its client has not read for the hub's stall time-out.
    Stalled,
    /// It has reached its maximum age.
    Aged,
    /// Its session has expired.
    Expired,
    /// One of its tags was revoked.
    Revoked,
    /// A panic has ended the worker on its thread.
    Failed,
}

impl Eviction {
    pub(super) const COUNT: usize = 6;

    #[cfg(feature = "metrics")]
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Overtaken,
        Self::Stalled,
        Self::Aged,
        Self::Expired,
        Self::Revoked,
        Self::Failed,
    ];

    /// The cause that is logged for the stream.
    pub(super) fn cause(self) -> EndCause {
        match self {
            Self::Overtaken => EndCause::Overtaken,
            Self::Stalled => EndCause::Stalled,
            Self::Aged => EndCause::Aged,
            Self::Expired => EndCause::Expired,
            Self::Revoked => EndCause::Revoked,
            Self::Failed => EndCause::WorkerFailed,
        }
    }
}
