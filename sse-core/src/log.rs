//! The log of a topic: what was published, in one order, for as long as it is kept.

mod cluster;
mod completion;
mod decoded;
mod entry;
mod epoch;
mod error;
mod gap;
mod idempotency_key;
mod memory;
mod once;
mod position;
mod position_event;
mod record;
mod resume;
mod retention;
mod ring;
mod watch;

use std::{
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    task::Waker,
    time::{Duration, SystemTime},
};

pub use self::{
    cluster::{ClusterChannel, ClusterMessage},
    completion::Completion,
    entry::Entry,
    epoch::Epoch,
    error::{AppendError, DeleteError, LogError},
    gap::{GAP_EVENT, gap_frame},
    idempotency_key::{IdempotencyKey, IdempotencyKeyError},
    memory::{MemoryLog, MemoryLogBuilder},
    once::{Appended, OnceStats, OnceWindow},
    position::{Position, Positions, PositionsId, PositionsLine},
    position_event::{POSITION_EVENT, position_frame},
    record::{NotARecord, OwnId, Record, RecordError},
    resume::{KeptRange, Resume},
    retention::{Keep, Retention},
    ring::Ring,
    watch::{Watch, Watchers},
};
use crate::TopicName;

/// Stores the events of topics: in memory ([`MemoryLog`]), in a file, or on a server.
///
/// # What a log promises
///
/// - **One order.** [`append`](Self::append) gives every record of a topic a sequence that is greater than
///   all before it, whatever thread it is called from. Every reader reads in that order. Sequences begin at 1
///   or later; they need not be without holes ([`KeptRange::contiguous`]).
/// - **Read after write.** Once an append has completed, every read that begins later finds the entry, unless
///   retention has deleted it.
/// - **No silent gap.** A read that cannot return everything after its start says so, in [`Batch::resume`], and never
///   returns an incomplete result as if it were complete.
/// - **Watchers are woken.** After an append is visible to readers, every waker that is registered for the topic is
///   woken, each time the topic grows, as long as its [`Watch`] lives. It may be woken for nothing. So code that
///   registers first and then reads misses nothing. The log need not wake a waker before the first read of the topic
///   after its registration.
/// - **No waiting for readers.** An append waits for no reader, and holds no lock while it wakes.
/// - **Failure.** A read that fails has changed nothing and may be repeated. An append that fails has either
///   not happened ([`AppendError::Refused`]) or may have ([`AppendError::OutcomeUnknown`]), and is never
///   repeated by the log.
/// - **Once for each key.** If several records of a topic have the same [`IdempotencyKey`] within the topic's
///   [`OnceWindow`](Retention::once_window), only the first is appended. This also holds if the records differ, and if
///   they are appended at the same time, on any threads or nodes. The others complete with the first one's position and
///   [`Appended::repeated`]. A log remembers a key even if retention has deleted its event. A key is remembered if and
///   only if its record was appended: both happen atomically. A log that remembers no keys refuses each record that has
///   one.
/// - **Deleted is gone.** Once [`delete`](Self::delete) has completed, no read returns what was appended before it, and
///   the idempotency keys from before are forgotten. Later events have another [`Epoch`], so the answer to each earlier
///   position is [`Resume::Unknown`]. The log wakes the watchers, so that readers notice the deletion. A topic to which
///   nothing was appended does not change. A log that cannot delete says so: [`DeleteError::Unsupported`].
///
/// Appends and reads may complete at once or later: see [`Completion`]. The caller passes the time in, as `now`.
///
/// [`MemoryLog`]'s example appends and reads. [`Ring`] and [`Watchers`] do most of what an implementation needs.
pub trait Log: fmt::Debug + Send + Sync + 'static {
    /// Appends a record to a topic, unless its [`IdempotencyKey`] was appended before, and returns the record's
    /// position.
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>>;

    /// Reads from a topic.
    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>>;

    /// Deletes a topic, with all that belongs to it. Its watchers and readers stay registered. Default:
    /// [`DeleteError::Unsupported`], because a log that only claimed to delete would keep data that somebody wants to
    /// be gone.
    fn delete(&self, topic: &TopicName, now: SystemTime) -> Completion<Result<(), DeleteError>> {
        let _ = (topic, now);
        Completion::ready(Err(DeleteError::Unsupported))
    }

    /// Registers a waker that is woken after each append to the topic.
    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch;

    /// Statistics of a topic, as far as this process knows them without a request; `None` if it knows nothing.
    fn stats(&self, topic: &TopicName) -> Option<LogStats>;

    /// Passes a topic's retention to the log, before this process first watches or reads the topic. A log on several
    /// nodes needs this on nodes that only read; a log in memory learns it from appends.
    fn prepare(&self, topic: &TopicName, retention: &Retention) {
        let _ = (topic, retention);
    }

    /// How many events a reader at this position is behind the newest one, as far as this process knows it without a
    /// request. The default counts sequences, so a log whose sequences have holes has to implement it.
    fn behind(&self, topic: &TopicName, position: Position) -> u64 {
        self.stats(topic)
            .filter(|stats| stats.epoch == position.epoch)
            .map_or(0, |stats| stats.head.saturating_sub(position.sequence))
    }

    /// The reason why a topic, or a part of it, cannot be read; `None` if there is no fault, as far as this process
    /// knows without a request.
    fn fault(&self, topic: &TopicName) -> Option<String> {
        let _ = topic;
        None
    }

    /// Whether the log can be reached, and counts since its start.
    fn health(&self) -> LogHealth {
        LogHealth::default()
    }

    /// The channel between the hubs on this log; `None` if there is only one hub.
    fn cluster(&self) -> Option<Arc<dyn ClusterChannel>> {
        None
    }

    /// Deletes what is too old. Hubs call it every few seconds.
    fn maintain(&self, now: SystemTime) {
        let _ = now;
    }
}

/// Where a read starts.
///
/// ```
/// use std::time::SystemTime;
/// use sse_actix_core::{Event, Limit, Log, MemoryLog, Record, Retention, Start, TopicName};
///
/// let (log, topic, now) = (MemoryLog::new(), TopicName::from_static("a"), SystemTime::UNIX_EPOCH);
/// for text in ["1", "2", "3"] {
///     let record = Record::event(&Event::data(text), None)?;
///     log.append(&topic, record, &Retention::new(), now).into_ready().unwrap()?;
/// }
/// let read = |start| log.read(&topic, start, Limit::DEFAULT, now).into_ready().unwrap().unwrap();
/// let data = |start| read(start).entries.iter().map(|entry| entry.data()).collect::<Vec<_>>();
/// assert_eq!(data(Start::Oldest), ["1", "2", "3"]);
/// assert_eq!(data(Start::Last(2)), ["2", "3"]);
/// assert_eq!(data(Start::After(read(Start::Last(1)).start)), ["3"]);
/// assert!(data(Start::Head).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After the newest entry.
    Head,
    /// With the last `n` entries, or with all if there are fewer.
    Last(usize),
    /// With the oldest entry kept.
    Oldest,
    /// After a position. It is not trusted: it may come from a client.
    After(Position),
    /// With the oldest entry kept, because the client's id holds no position.
    Unknown,
}

/// The most that one read returns.
///
/// ```
/// use std::num::NonZeroUsize;
/// use sse_actix_core::Limit;
///
/// let one = Limit { events: NonZeroUsize::MIN, ..Limit::DEFAULT };
/// assert_eq!((one.events.get(), one.bytes), (1, 64 * 1024));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Entries.
    pub events: NonZeroUsize,
    /// Bytes of frames; one entry is returned even if it is larger.
    pub bytes: usize,
}

impl Limit {
    /// A thousand entries or 64 KiB, whichever is reached first.
    pub const DEFAULT: Self = Self {
        events: NonZeroUsize::new(1_000).unwrap(),
        bytes: 64 * 1024,
    };
}

/// The result of a read.
///
/// See [`MemoryLog`]'s example.
#[derive(Debug, Clone)]
pub struct Batch {
    /// How this read relates to what the reader had: it continues, there is a gap, or the position is unknown.
    pub resume: Resume,
    /// The reader's position before these entries.
    pub start: Position,
    /// The entries, in order.
    pub entries: Vec<Arc<Entry>>,
    /// The reader's position after these entries.
    pub end: Position,
    /// True if there was more than the limit.
    pub more: bool,
}

impl Batch {
    /// Adds entries up to a limit, and at least one.
    fn fill<'a>(&mut self, entries: impl Iterator<Item = &'a Arc<Entry>>, limit: Limit) {
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.frame().len();
            let full = self.entries.len() >= limit.events.get() || bytes > limit.bytes;
            if full && !self.entries.is_empty() {
                self.more = true;
                return;
            }
            self.end.sequence = entry.sequence();
            self.entries.push(Arc::clone(entry));
        }
    }
}

/// Statistics of one topic.
///
/// See [`Ring`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStats {
    /// The current epoch.
    pub epoch: Epoch,
    /// The newest entry's sequence; 0 if there was none.
    pub head: u64,
    /// The oldest kept entry's sequence, if one is kept.
    pub oldest: Option<u64>,
    /// Entries kept.
    pub events: usize,
    /// Their approximate memory, in bytes.
    pub bytes: usize,
    /// Entries that retention has deleted.
    pub deleted: u64,
    /// Idempotency keys that are remembered.
    pub once: OnceStats,
}

/// Whether a log can be reached. By default it always can, as with a log in memory.
///
/// ```
/// use sse_actix_core::LogHealth;
///
/// let health = LogHealth::new(false, 1, 20);
/// assert_eq!((health.reachable, health.interruptions, health.pending), (false, 1, 20));
/// assert!(LogHealth::default().reachable);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogHealth {
    /// True if events that other nodes append arrive here now. If not, streams stay open and wait.
    pub reachable: bool,
    /// True if the log accepts events now. It may refuse all events while reading continues, for example because its
    /// memory is full.
    pub accepting: bool,
    /// How often the connection to the log was lost.
    pub interruptions: u64,
    /// Appends in progress.
    pub pending: usize,
    /// The file of the log; `None` if it has no file.
    pub file: Option<LogFile>,
}

/// The file of a log that keeps events on disk.
///
/// ```
/// use sse_actix_core::{LogFile, LogHealth};
///
/// let mut file = LogFile::new();
/// file.bytes = 4_096;
/// let health = LogHealth::new(true, 0, 0).in_file(file);
/// assert_eq!(health.file.map(|file| file.bytes), Some(4_096));
/// assert_eq!(LogHealth::default().file, None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFile {
    /// Its size in bytes.
    pub bytes: u64,
    /// The size in bytes of the write-ahead log beside it.
    pub wal_bytes: u64,
    /// Bytes of events that wait to be written.
    pub pending_bytes: usize,
    /// How often waiting events were written and synced to disk together.
    pub commits: u64,
    /// How long such a commit takes, averaged over about the last 16.
    pub commit_time: Duration,
    /// The longest commit since the file was opened.
    pub longest_commit: Duration,
    /// How often events were read from the file, because they were not in memory.
    pub reads: u64,
}

impl LogFile {
    /// All values are zero. See [`LogFile`]'s example.
    pub const fn new() -> Self {
        Self {
            bytes: 0,
            wal_bytes: 0,
            pending_bytes: 0,
            commits: 0,
            commit_time: Duration::ZERO,
            longest_commit: Duration::ZERO,
            reads: 0,
        }
    }
}

impl LogHealth {
    /// The health of a log with this number of interruptions and of appends in progress.
    pub const fn new(reachable: bool, interruptions: u64, pending: usize) -> Self {
        Self {
            reachable,
            accepting: true,
            interruptions,
            pending,
            file: None,
        }
    }

    /// Sets whether the log accepts events. Default: yes.
    ///
    /// ```
    /// use sse_actix_core::LogHealth;
    ///
    /// let full = LogHealth::new(true, 0, 0).accepting(false);
    /// assert!(full.reachable && !full.accepting && LogHealth::default().accepting);
    /// ```
    #[must_use]
    pub const fn accepting(mut self, accepting: bool) -> Self {
        self.accepting = accepting;
        self
    }

    /// Sets the file of the log. See [`LogFile`]'s example.
    #[must_use]
    pub const fn in_file(mut self, file: LogFile) -> Self {
        self.file = Some(file);
        self
    }
}

impl Default for LogHealth {
    fn default() -> Self {
        Self::new(true, 0, 0)
    }
}
