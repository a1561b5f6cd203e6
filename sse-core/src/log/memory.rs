mod table;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    time::SystemTime,
};

use self::table::TopicTable;
use super::{
    AppendError, Batch, Completion, Epoch, Keep, Limit, Log, LogError, LogStats, Position, Record, Retention,
    Ring, Start, Watch, Watchers, entry::Entry,
};
use crate::TopicName;

/// A log in this process's memory: it ends with the process, and completes everything at once.
///
/// Bounded three times: each topic by its [`Retention`]; all together by
/// [`max_bytes`](MemoryLogBuilder::max_bytes), above which the largest topics drop their oldest events; and by
/// [`max_topics`](MemoryLogBuilder::max_topics), above which topics without readers are forgotten.
///
/// ```
/// use std::time::SystemTime;
/// use sse_actix_core::{Event, Limit, Log, MemoryLog, Record, Resume, Retention, Start, TopicName};
///
/// let log = MemoryLog::new();
/// let topic = TopicName::from_static("prices");
/// let (retention, now) = (Retention::new(), SystemTime::UNIX_EPOCH);
/// let record = |text| Record::event(&Event::data(text), None).unwrap();
///
/// let first = log.append(&topic, record("a"), &retention, now).into_ready().unwrap()?;
/// log.append(&topic, record("b"), &retention, now).into_ready().unwrap()?;
///
/// let batch = log.read(&topic, Start::After(first), Limit::DEFAULT, now).into_ready().unwrap().unwrap();
/// assert_eq!(batch.resume, Resume::From);
/// assert_eq!(batch.entries[0].frame(), &format!("id: {}-2\ndata: b\n\n", first.epoch));
/// # Ok::<(), sse_actix_core::AppendError>(())
/// ```
#[derive(Debug)]
pub struct MemoryLog {
    topics: RwLock<TopicTable>,
    bytes: AtomicUsize,
    max_bytes: usize,
    max_topics: usize,
    lives: AtomicU64,
    random: RandomState,
}

#[derive(Debug)]
struct Topic {
    kept: Mutex<Kept>,
    watchers: Watchers,
}

#[derive(Debug)]
struct Kept {
    ring: Ring,
    retention: Retention,
    touched: SystemTime,
}

/// Bounds of a [`MemoryLog`].
///
/// ```
/// use std::time::SystemTime;
/// use sse_actix_core::{Event, Log, MemoryLog, Record, Retention, TopicName};
///
/// let log = MemoryLog::builder().max_bytes(64 * 1024 * 1024).max_topics(1_000).build();
/// let (topic, record) = (TopicName::from_static("a"), Record::event(&Event::data("x"), None)?);
/// log.append(&topic, record, &Retention::new(), SystemTime::UNIX_EPOCH).into_ready().unwrap()?;
/// assert_eq!(log.topics(), 1);
/// assert!(log.bytes() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryLogBuilder {
    max_bytes: usize,
    max_topics: usize,
}

impl MemoryLog {
    /// A log with the default bounds.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// To set other bounds.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn builder() -> MemoryLogBuilder {
        MemoryLogBuilder {
            max_bytes: 256 * 1024 * 1024,
            max_topics: 100_000,
        }
    }

    /// Bytes of memory that the entries of all topics take, about.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many topics it knows.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn topics(&self) -> usize {
        self.read_topics(TopicTable::len)
    }

    /// The topic, made if it is new. `publishes` says that something is about to be appended to it.
    fn topic(&self, name: &TopicName, publishes: bool, now: SystemTime) -> Arc<Topic> {
        if let Some(topic) = self.read_topics(|topics| topics.get(name).cloned()) {
            return topic;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Arc::clone(topic);
        }
        let forgotten = topics.make_room(self.max_topics);
        self.bytes.fetch_sub(forgotten.bytes, Ordering::Relaxed);
        // Two lives of one topic differ by when they began, and two logs by their random state.
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let epoch = Epoch::new(name, self.random.hash_one((name, life)));
        let topic = Arc::new(Topic::new(epoch, now));
        topics.insert(name, Arc::clone(&topic), publishes);
        topic
    }

    fn read_topics<T>(&self, read: impl FnOnce(&TopicTable) -> T) -> T {
        read(&self.topics.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the oldest entries from the topics that take most, down to seven eighths of the bound.
    fn make_room(&self) {
        let mut topics = self.read_topics(|topics| topics.iter().cloned().collect::<Vec<_>>());
        topics.sort_by_cached_key(|topic| topic.kept().ring.bytes());
        let goal = self.max_bytes / 8 * 7;
        for topic in topics.iter().rev() {
            let half = topic.kept().ring.bytes() / 2;
            self.change(topic, |kept| {
                let mut left = self.bytes().saturating_sub(goal);
                while left > 0 && kept.ring.bytes() > half {
                    match kept.ring.delete_oldest() {
                        Some(freed) => left = left.saturating_sub(freed),
                        None => break,
                    }
                }
            });
            if self.bytes() <= goal {
                return;
            }
        }
    }

    /// Changes what is kept of a topic, and keeps the sum.
    fn change<T>(&self, topic: &Topic, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = topic.kept();
        let before = kept.ring.bytes();
        let changed = change(&mut kept);
        let after = kept.ring.bytes();
        // Within the lock, so that no sum goes below zero.
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        changed
    }
}

impl Log for MemoryLog {
    fn append(
        &self,
        name: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Position, AppendError>> {
        let bytes = Entry::weight_of(&record);
        let limit = retention.bytes().min(self.max_bytes / 2);
        if bytes > limit {
            return Completion::ready(Err(AppendError::TooLarge { bytes, limit }));
        }
        if retention.keeps() == Keep::LatestPerKey && record.key_str().is_none() {
            return Completion::ready(Err(AppendError::NoKey));
        }
        let topic = self.topic(name, true, now);
        let position = self.change(&topic, |kept| {
            if kept.retention != *retention {
                kept.ring.keep(retention.keeps());
                kept.retention = retention.clone();
            }
            kept.touched = now;
            let entry = kept.ring.append(record, now);
            kept.ring.trim(retention, now);
            Position {
                epoch: kept.ring.span().epoch,
                sequence: entry.sequence(),
            }
        });
        if self.bytes() > self.max_bytes {
            self.make_room();
        }
        topic.watchers.wake();
        Completion::ready(Ok(position))
    }

    fn read(
        &self,
        name: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let topic = self.topic(name, false, now);
        let batch = self.change(&topic, |kept| {
            kept.ring.trim(&kept.retention, now);
            kept.ring.read(start, limit)
        });
        Completion::ready(Ok(batch))
    }

    fn watch(&self, name: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.topic(name, false, now).watchers.add(waker)
    }

    fn stats(&self, name: &TopicName) -> Option<LogStats> {
        let topic = self.read_topics(|topics| topics.get(name).cloned())?;
        let stats = topic.kept().ring.stats();
        Some(stats)
    }

    fn behind(&self, name: &TopicName, position: Position) -> u64 {
        let Some(topic) = self.read_topics(|topics| topics.get(name).cloned()) else {
            return 0;
        };
        let kept = topic.kept();
        if kept.ring.span().epoch == position.epoch {
            kept.ring.behind(position.sequence)
        } else {
            0
        }
    }

    fn maintain(&self, now: SystemTime) {
        for topic in self.read_topics(|topics| topics.iter().cloned().collect::<Vec<_>>()) {
            self.change(&topic, |kept| kept.ring.trim(&kept.retention, now));
        }
    }
}

impl Topic {
    fn new(epoch: Epoch, now: SystemTime) -> Self {
        Self {
            kept: Mutex::new(Kept {
                ring: Ring::new(epoch, Keep::Every, 0, true),
                retention: Retention::new(),
                touched: now,
            }),
            watchers: Watchers::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that could panic runs under this lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryLogBuilder {
    /// Bytes of memory that the entries of all topics may take, about. Default: 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
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
        self.max_topics = topics;
        self
    }

    /// The log.
    pub fn build(self) -> MemoryLog {
        MemoryLog {
            topics: RwLock::default(),
            bytes: AtomicUsize::new(0),
            max_bytes: self.max_bytes,
            max_topics: self.max_topics,
            lives: AtomicU64::new(0),
            random: RandomState::new(),
        }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}
