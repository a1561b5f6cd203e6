//! The counts that [`Hub::stats`](crate::Hub::stats) returns, and the reasons for which a hub ends a stream: [`Eviction`].

use std::time::Duration;

use sse_actix_core::{LogHealth, LogStats, TopicName};

use crate::lifecycle::control::EndCause;

/// What a hub does at present, as [`Hub::stats`](crate::Hub::stats) returns it.
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
    /// Whether the log can be reached.
    pub log: LogHealth,
    /// Streams that read. With a log in memory, what is published once a stream is counted here reaches it; with any
    /// log, that holds for [presence](crate::Presence).
    pub streams: usize,
    /// How many of them have their connections [handed over](crate::Server::direct_fan_out) to the hub. The others are on
    /// HTTP/2, plain, made for a function under `#[sse_stream]`, or on a server that hands nothing over.
    pub handed_over: usize,
    /// Requests that were turned away, by limit.
    pub turned_away: TurnedAway,
    /// Streams that the hub has ended, by reason.
    pub evictions: Evictions,
    /// Events that filters of a [`TopicOf`](crate::TopicOf) have hidden because they are none of its type's, each counted once: of the
    /// topics below.
    pub undecodable: u64,
    /// Each topic that is or was used on this node.
    pub topics: Vec<TopicStats>,
    /// Topics that the log cannot read, or of which it could not read something. With a log in memory there are none.
    pub faults: Vec<TopicFault>,
}

/// Why a topic cannot be read, or what of it could not be read the last time.
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
    /// Which topic.
    pub topic: TopicName,
    /// Why, in the log's words.
    pub cause: String,
}

impl HubStats {
    /// The figures of one topic.
    pub fn topic(&self, name: &str) -> Option<&TopicStats> {
        self.topics.iter().find(|topic| topic.name.as_str() == name)
    }
}

/// One topic's figures. See [`HubStats`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// Its name.
    pub name: TopicName,
    /// Streams that read it.
    pub subscribers: usize,
    /// Events published here. One that is published again with the same [key](crate::Topic::once) is counted once.
    pub published: u64,
    /// How often an event was published again here, with a key that the log had.
    pub repeated: u64,
    /// How far back its window of [idempotency keys](crate::Topic::once) reaches: as far as its time, unless another bound
    /// cuts it.
    pub once_reach: Duration,
    /// Events handed to streams here; up to a second old.
    pub delivered: u64,
    /// What the log keeps of it, the oldest kept event among it; `None` if nothing was ever kept.
    pub log: Option<LogStats>,
    /// By how many events the slowest reader is behind; up to a second old.
    pub lag: u64,
    /// Gaps that readers were told of.
    pub gaps: u64,
    /// Its streams that the hub has ended, by reason.
    pub evictions: Evictions,
}

/// Why streams were ended by the hub. A stream that reads several topics counts for each. See [`HubStats`]'s example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evictions {
    /// Overtaken by retention, where [`OnGap::End`](crate::OnGap::End) says so.
    pub overtaken: u64,
    /// Did not read for longer than [`stall_timeout`](crate::HubBuilder::stall_timeout).
    pub stalled: u64,
    /// As old as [`max_age`](crate::HubBuilder::max_age) allows.
    pub aged: u64,
    /// Their credential has expired: [`valid_until`](crate::Subscription::valid_until).
    pub expired: u64,
    /// Ended by [`revoke`](crate::Hub::revoke); counted for the hub alone.
    pub revoked: u64,
    /// A panic ended the hub's worker on their thread: in a log, or in a waker, that is not the library's.
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
    Overtaken,
    Stalled,
    Aged,
    Expired,
    Revoked,
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

    /// As the stream's log names it.
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
