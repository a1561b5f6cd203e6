//! How much a log in memory may take.

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

    /// Bytes of memory that the entries of all topics may take, about. Default: 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How many topics it knows at most. Default: 100,000.
    ///
    /// At the bound, each new topic makes it forget one that has no readers: one of which nothing is kept, or else the
    /// one that has been silent for longest of the 16 that it looks at. Each time it looks at others, so that it comes
    /// round to all. What was kept of a forgotten topic is gone, and clients that come back to it are told of a gap.
    ///
    /// A topic that has readers is not forgotten, whatever the bound. If all 16 have readers, none is forgotten for the
    /// moment, so where nearly all topics have readers there may be a fifteenth more than the bound says.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.topics = topics;
        self
    }

    /// Bytes of memory that the idempotency keys of all topics may take, about. Default: 64 MiB, which is more than 300,000
    /// keys of 40 bytes.
    ///
    /// Above it, the topics with the most keys forget their oldest ones, before the time of their
    /// [window](crate::OnceWindow): [`OnceStats::cut_at`](crate::OnceStats::cut_at) says since when keys are complete.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.key_bytes = bytes;
        self
    }

    /// The log.
    pub fn build(self) -> MemoryLog {
        MemoryLog::with_bounds(self)
    }
}
