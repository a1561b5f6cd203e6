//! What a run is like: all of it follows from the seed.

use std::time::Duration;

use fastrand::Rng;
use sse_actix::{Hub, HubBuilder, TopicName, TopicOptions};

/// How a topic is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything fits.
    Long,
    /// Readers are overtaken.
    Short,
    /// The newest of each key.
    Latest,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) topics: Vec<Kind>,
    pub(crate) clients: usize,
    pub(crate) threads: u64,
    pub(crate) steps: u64,
    /// Of 256 calls of the log, so many complete at once.
    pub(crate) immediate: u8,
    /// Of 256 steps of the log, so many fail.
    pub(crate) failures: u8,
    /// Whether the log's sequences have no holes.
    pub(crate) is_dense: bool,
    /// Of 65,536 steps, with so many the log is lost, or goes on in another epoch.
    pub(crate) crashes: u16,
    pub(crate) stall_timeout: Duration,
    pub(crate) max_streams: Option<usize>,
}

pub(crate) fn name(topic: usize) -> TopicName {
    TopicName::try_from(format!("t{topic}")).unwrap()
}

impl Plan {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let kinds = [Kind::Long, Kind::Short, Kind::Latest];
        let clients = rng.usize(2..12);
        Self {
            topics: (0..rng.usize(1..4)).map(|_| kinds[rng.usize(..3)]).collect(),
            clients,
            threads: rng.u64(2..4),
            steps: rng.u64(500..4_000),
            immediate: [0, 128, 255][rng.usize(..3)],
            failures: [0, 0, 4, 40][rng.usize(..4)],
            is_dense: rng.u8(..3) > 0,
            crashes: [0, 0, 100, 600][rng.usize(..4)],
            stall_timeout: Duration::from_secs([2, 30][rng.usize(..2)]),
            max_streams: (rng.u8(..4) == 0).then(|| rng.usize(1..=clients)),
        }
    }

    fn options(kind: Kind, topic: usize) -> TopicOptions {
        let options = match kind {
            Kind::Long => TopicOptions::log().max_events(1_000_000).max_bytes(1 << 30),
            Kind::Short => TopicOptions::log().max_events(5),
            Kind::Latest => TopicOptions::latest(),
        };
        // Each topic tells its own gaps.
        options.gap_event(sse_actix::EventName::try_from(format!("gap{topic}")).unwrap())
    }

    pub(crate) fn hub(&self) -> HubBuilder {
        let mut hub = Hub::builder().stall_timeout(self.stall_timeout);
        if let Some(streams) = self.max_streams {
            hub = hub
                .max_streams(streams)
                .overload_retry(Duration::from_secs(1)..=Duration::from_secs(3));
        }
        for (topic, kind) in self.topics.iter().enumerate() {
            hub = hub.topic(name(topic), Self::options(*kind, topic));
        }
        hub
    }
}
