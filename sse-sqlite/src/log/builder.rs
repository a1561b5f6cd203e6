use std::{path::Path, time::Duration};

use super::SqliteLog;
use crate::{
    error::OpenError,
    settings::{Settings, Synchronous},
};

/// Settings of a [`SqliteLog`].
///
/// ```
/// use std::time::Duration;
/// use sse_actix_sqlite::{SqliteLog, Synchronous};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("events.db");
/// let log = SqliteLog::builder(&path)
///     .open_wait(Duration::from_secs(10))
///     .synchronous(Synchronous::Normal)
///     .max_pending(1_000)
///     .max_pending_bytes(16 << 20)
///     .publish_wait(Duration::from_secs(2))
///     .max_waiting(500)
///     .topic_memory(1 << 20)
///     .max_memory(64 << 20)
///     .max_key_bytes(16 << 20)
///     .topic_ttl(Duration::from_secs(30 * 24 * 3_600))
///     .max_file_bytes(10 << 30)
///     .reserve_bytes(1 << 20)
///     .open()?;
/// assert_eq!(folder.path().join("events.db-reserve").metadata()?.len(), 1 << 20);
/// # log.close();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it opens the file"]
#[derive(Debug, Clone)]
pub struct SqliteLogBuilder {
    settings: Settings,
}

impl SqliteLogBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            settings: Settings::new(path.to_owned()),
        }
    }

    /// How long [`open`](Self::open) waits for another process that has the file. Default: 60 s, which is longer than a
    /// server takes for its last requests at a shutdown (30 s).
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn open_wait(mut self, limit: Duration) -> Self {
        self.settings.open_wait = limit;
        self
    }

    /// When events are synced to disk. Default: [`Synchronous::Full`], before each acknowledgement.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.settings.synchronous = synchronous;
        self
    }

    /// How many events may wait to be written. Default: 10,000. Above that, `publish` waits for
    /// [`publish_wait`](Self::publish_wait), and is then refused.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn max_pending(mut self, events: usize) -> Self {
        self.settings.pending.events = events.max(1);
        self
    }

    /// How many bytes of memory the waiting events may take. Default: 64 MiB. A single event may wait even if it is
    /// larger.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.settings.pending.bytes = bytes;
        self
    }

    /// How long publishing waits for room in the queue before it is refused. Default: not at all.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn publish_wait(mut self, limit: Duration) -> Self {
        self.settings.pending.wait = limit;
        self
    }

    /// How many events may wait for room in the queue, with [`publish_wait`](Self::publish_wait). Default: 10,000. More
    /// events are refused at once. The bytes of these events are limited by
    /// [`max_pending_bytes`](Self::max_pending_bytes), too, but are counted separately from those in the queue.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn max_waiting(mut self, events: usize) -> Self {
        self.settings.pending.waiting = events;
        self
    }

    /// How many bytes of a topic's newest events are kept in memory while it is read. Default: 4 MiB. Older events are
    /// read from the file. A topic that keeps the newest event of each key is kept in memory completely.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn topic_memory(mut self, bytes: usize) -> Self {
        self.settings.memory.topic = bytes;
        self
    }

    /// How many bytes of events are kept in memory for all topics that are read. Default: 256 MiB. Above that, the
    /// largest topics keep less in memory.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.settings.memory.all = bytes;
        self
    }

    /// The approximate limit of memory for the idempotency keys of all topics, in bytes. Default: 64 MiB. Above that,
    /// the oldest keys of the topics with the most keys are forgotten before their time.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.settings.memory.keys = bytes;
        self
    }

    /// How long the log remembers a topic that is neither published to nor read, so that a client that comes back gets
    /// no gap event without a reason. Default: 7 days. At least as long as the topic's events are kept. After that,
    /// nothing is left of the topic. For a topic to which nobody has published, the time may be a sixteenth shorter.
    /// Such a topic takes no space in the file.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn topic_ttl(mut self, ttl: Duration) -> Self {
        self.settings.topic_ttl = ttl;
        self
    }

    /// How many bytes of the file may be in use. Default: no limit. Above it, publishing is refused until retention has
    /// made room. The write-ahead log is not included: 64 MiB, and more only while an older reader holds it.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_file_bytes = bytes;
        self
    }

    /// How many bytes of disk are held in reserve, in a separate file. Default: 8 MiB. Deleting needs disk space, too:
    /// when the disk is full, the reserve is released, so that retention can continue. Without a reserve (0) a full
    /// disk stays full until an operator makes room.
    ///
    /// See [`SqliteLogBuilder`]'s example.
    pub fn reserve_bytes(mut self, bytes: u64) -> Self {
        self.settings.reserve_bytes = bytes;
        self
    }

    /// Opens the file, or creates it. If another process has the file, this thread waits for up to
    /// [`open_wait`](Self::open_wait). See [`SqliteLogBuilder`]'s example.
    ///
    /// # Errors
    ///
    /// [`OpenError`], if the file cannot be opened, is in use, damaged, or not a log. The file is then unchanged.
    pub fn open(self) -> Result<SqliteLog, OpenError> {
        SqliteLog::start(self.settings)
    }
}
