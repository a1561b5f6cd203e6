use std::{path::PathBuf, time::Duration};

/// When events are synced to disk, with the names of SQLite's `synchronous`.
///
/// With each of them, a crash or kill of the process loses nothing, because the system has the written data. They
/// differ in what a power cut or a crash of the system can lose.
/// See [`SqliteLogBuilder`](crate::SqliteLogBuilder)'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Synchronous {
    /// Before each acknowledgement. A power cut loses nothing that was acknowledged. The default.
    #[default]
    Full,
    /// Now and then. A power cut can lose the newest acknowledged events. The file stays sound. Three to four times as
    /// fast if each publisher waits for the one before.
    Normal,
    /// Never. A power cut can lose any event, or damage the file so that it cannot be opened.
    Off,
}

impl Synchronous {
    /// The value of the pragma, which is also stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Off => "OFF",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) open_wait: Duration,
    pub(crate) synchronous: Synchronous,
    pub(crate) pending: Pending,
    pub(crate) memory: Memory,
    pub(crate) topic_ttl: Duration,
    pub(crate) max_file_bytes: u64,
    pub(crate) reserve_bytes: u64,
}

/// Limits of the events that wait to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// How long an event waits for room in the queue.
    pub(crate) wait: Duration,
    /// How many events may wait for room in the queue.
    pub(crate) waiting: usize,
}

/// How many bytes are kept in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Bytes of the entries of one topic.
    pub(crate) topic: usize,
    /// Bytes of the entries of all topics.
    pub(crate) all: usize,
    /// Bytes of idempotency keys.
    pub(crate) keys: usize,
}

impl Settings {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            open_wait: Duration::from_secs(60),
            synchronous: Synchronous::Full,
            pending: Pending {
                events: 10_000,
                bytes: 64 * 1024 * 1024,
                wait: Duration::ZERO,
                waiting: 10_000,
            },
            memory: Memory {
                topic: 4 * 1024 * 1024,
                all: 256 * 1024 * 1024,
                keys: 64 * 1024 * 1024,
            },
            topic_ttl: Duration::from_secs(7 * 24 * 3_600),
            max_file_bytes: u64::MAX,
            reserve_bytes: 8 * 1024 * 1024,
        }
    }
}
