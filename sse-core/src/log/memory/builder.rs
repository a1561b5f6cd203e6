//! The bounds of a log in memory.

use super::MemoryLog;

/// Bounds of a [`MemoryLog`].
///
/// ```
/// use std::time::SystemTime;
/// use sse_actix_core::{Event, Log, MemoryLog, Record, Retention, TopicName};
///
/// let log = MemoryLog::builder().max_bytes(64 * 1024 * 1024).max_topics(1_000).max_key_bytes(1024 * 1024).build();
/// let (topic, record) = (TopicName::from_static("a"), Record::event(&Event::data("x"), None)?);
/// log.append(&topic, record, &Retention::new(), SystemTime::UNIX_EPOCH).into_ready().unwrap()?;
/// assert_eq!(log.topics(), 1);
/// assert!(log.bytes() > 0 && log.key_bytes() == 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryLogBuilder {
    pub(super) bytes: usize,
    pub(super) topics: usize,
    pub(super) key_bytes: usize,
}

impl MemoryLogBuilder {
    pub(super) fn new() -> Self {
        Self {
            bytes: 256 * 1024 * 1024,
            topics: 100_000,
            key_bytes: 64 * 1024 * 1024,
        }
    }

    /// The approximate limit of memory for the entries of all topics, in bytes. Default: 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The most topics that it knows. Default: 100,000.
    ///
    /// At the bound, each new topic makes the log forget a topic without readers. It looks at 16 topics: it forgets an
    /// empty one, or else the one that has been silent for longest. Each time it looks at other topics, until it has
    /// looked at all. The events of a forgotten topic are gone, and clients that come back to it get a gap event.
    ///
    /// A topic with readers is never forgotten. If all 16 have readers, none is forgotten at that moment, so if nearly
    /// all topics have readers, there may be 1/15 more topics than the bound.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.topics = topics;
        self
    }

    /// The approximate limit of memory for the idempotency keys of all topics, in bytes. Default: 64 MiB, which is more
    /// than 300,000 keys of 40 bytes.
    ///
    /// Above it, the topics with the most keys forget their oldest keys, before the end of their
    /// [window](crate::OnceWindow). All keys since [`OnceStats::cut_at`](crate::OnceStats::cut_at) are remembered.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.key_bytes = bytes;
        self
    }

    /// The log.
    pub fn build(self) -> MemoryLog {
        MemoryLog::with_bounds(self)
    }
}
