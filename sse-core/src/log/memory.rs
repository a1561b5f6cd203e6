//! The log in memory: a [`Ring`] for each topic, and the bounds that all topics share.

mod builder;
mod keys;
mod keys_of_forgotten;
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

pub use self::builder::MemoryLogBuilder;
use self::{keys::RememberedKeys, table::TopicTable};
use super::{
    AppendError, Appended, Batch, Completion, DeleteError, Epoch, Keep, Limit, Log, LogError, LogStats,
    OnceStats, Position, Record, Retention, Ring, Start, Watch, Watchers, entry::Entry,
};
use crate::TopicName;

/// A log in this process's memory: it ends with the process, and completes everything at once.
///
/// It has four bounds:
///
/// - each topic has its [`Retention`];
/// - all topics together have [`max_bytes`](MemoryLogBuilder::max_bytes), above which the largest topics delete their
///   oldest events;
/// - the number of topics has [`max_topics`](MemoryLogBuilder::max_topics), above which topics without readers are
///   forgotten;
/// - the idempotency keys of all topics have [`max_key_bytes`](MemoryLogBuilder::max_key_bytes).
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
/// let first = log.append(&topic, record("a"), &retention, now).into_ready().unwrap()?.position;
/// log.append(&topic, record("b"), &retention, now).into_ready().unwrap()?;
///
/// let batch = log.read(&topic, Start::After(first), Limit::DEFAULT, now).into_ready().unwrap().unwrap();
/// assert_eq!(batch.resume, Resume::Complete);
/// assert_eq!(batch.entries[0].frame(), &format!("id: {}-2\ndata: b\n\n", first.epoch));
/// # Ok::<(), sse_actix_core::AppendError>(())
/// ```
#[derive(Debug)]
pub struct MemoryLog {
    topics: RwLock<TopicTable>,
    bytes: AtomicUsize,
    key_bytes: AtomicUsize,
    bounds: MemoryLogBuilder,
    next_epoch_number: AtomicU64,
    random: RandomState,
}

#[derive(Debug)]
struct Topic {
    data: Mutex<TopicData>,
    watchers: Watchers,
}

#[derive(Debug)]
struct TopicData {
    ring: Ring,
    retention: Retention,
    last_used: SystemTime,
    /// Made at the first record with a key, so that topics without keys pay nothing for it.
    keys: Option<Box<RememberedKeys>>,
}

impl MemoryLog {
    /// A log with the default bounds.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Builds a log with other bounds.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn builder() -> MemoryLogBuilder {
        MemoryLogBuilder::new()
    }

    fn with_bounds(bounds: MemoryLogBuilder) -> Self {
        Self {
            topics: RwLock::default(),
            bytes: AtomicUsize::new(0),
            key_bytes: AtomicUsize::new(0),
            bounds,
            next_epoch_number: AtomicU64::new(0),
            random: RandomState::new(),
        }
    }

    /// The approximate memory of all topics' entries, in bytes.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The approximate memory of all topics' idempotency keys, in bytes.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn key_bytes(&self) -> usize {
        self.key_bytes.load(Ordering::Relaxed)
    }

    /// The number of topics that it knows.
    ///
    /// See [`MemoryLogBuilder`]'s example.
    pub fn topics(&self) -> usize {
        self.read_topics(TopicTable::len)
    }

    /// The topic; it is made if it is new. `publishes` is true if the caller is about to append to it.
    fn topic(&self, name: &TopicName, publishes: bool, now: SystemTime) -> Arc<Topic> {
        if let Some(topic) = self.read_topics(|topics| topics.get(name).cloned()) {
            return topic;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Arc::clone(topic);
        }
        let forgotten = topics.make_room(self.bounds.topics);
        self.bytes.fetch_sub(forgotten.bytes, Ordering::Relaxed);
        let topic = Arc::new(Topic::new(self.next_epoch(name), now));
        if let Some((keys, bytes)) = topics.keys_of_forgotten.take(name) {
            self.key_bytes.fetch_add(bytes, Ordering::Relaxed);
            topic.data().keys = Some(keys);
        }
        topics.insert(name, Arc::clone(&topic), publishes);
        topic
    }

    /// The epoch of a topic that begins. Two epochs of one log differ in their number. Two logs differ in their random
    /// state.
    fn next_epoch(&self, name: &TopicName) -> Epoch {
        let epoch_number = self.next_epoch_number.fetch_add(1, Ordering::Relaxed);
        Epoch::new(name, self.random.hash_one((name, epoch_number)))
    }

    fn read_topics<T>(&self, read: impl FnOnce(&TopicTable) -> T) -> T {
        read(&self.topics.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Deletes the oldest entries of the largest topics, until 7/8 of the bound is used.
    fn make_room(&self) {
        let mut topics = self.read_topics(|topics| topics.iter().cloned().collect::<Vec<_>>());
        topics.sort_by_cached_key(|topic| topic.data().ring.bytes());
        let goal = self.bounds.bytes / 8 * 7;
        for topic in topics.iter().rev() {
            let half = topic.data().ring.bytes() / 2;
            self.update(topic, |data| {
                let mut left = self.bytes().saturating_sub(goal);
                while left > 0 && data.ring.bytes() > half {
                    match data.ring.delete_oldest() {
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

    /// Forgets keys until 7/8 of the bound is used: first keys of forgotten topics, then the oldest keys of the topics
    /// with the most keys.
    fn make_room_for_keys(&self) {
        let goal = self.bounds.key_bytes / 8 * 7;
        self.change_keys_of_forgotten(|keys| keys.push_out(self.key_bytes().saturating_sub(goal)));
        let mut topics = self.read_topics(|topics| topics.iter().cloned().collect::<Vec<_>>());
        topics.sort_by_cached_key(|topic| topic.data().key_bytes());
        for topic in topics.iter().rev() {
            let excess = self.key_bytes().saturating_sub(goal);
            if excess == 0 {
                return;
            }
            self.update(topic, |data| {
                if let Some(keys) = &mut data.keys {
                    keys.push_out(excess.min(keys.bytes().div_ceil(2)));
                }
            });
        }
    }

    /// Changes a topic's data under its lock, and updates the totals.
    fn update<T>(&self, topic: &Topic, change: impl FnOnce(&mut TopicData) -> T) -> T {
        let mut data = topic.data();
        let (before, keys_before) = (data.ring.bytes(), data.key_bytes());
        let changed = change(&mut data);
        let (after, keys_after) = (data.ring.bytes(), data.key_bytes());
        // Within the lock, so that no sum goes below zero.
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        if keys_after != keys_before {
            self.key_bytes.fetch_add(keys_after, Ordering::Relaxed);
            self.key_bytes.fetch_sub(keys_before, Ordering::Relaxed);
        }
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
    ) -> Completion<Result<Appended, AppendError>> {
        let bytes = Entry::weight_of(&record);
        let limit = retention.bytes().min(self.bounds.bytes / 2);
        if bytes > limit {
            return Completion::ready(Err(AppendError::TooLarge { bytes, limit }));
        }
        if retention.keeps() == Keep::LatestPerKey && record.key_str().is_none() {
            return Completion::ready(Err(AppendError::NoKey));
        }
        let topic = self.topic(name, true, now);
        let appended = self.update(&topic, |data| data.append(record, retention, now));
        if !appended.repeated {
            if self.key_bytes() > self.bounds.key_bytes {
                self.make_room_for_keys();
            }
            if self.bytes() > self.bounds.bytes {
                self.make_room();
            }
            // Among the wakers are the `TopicWaker`s of a hub's workers (wake_queue.rs).
            topic.watchers.wake();
        }
        Completion::ready(Ok(appended))
    }

    fn read(
        &self,
        name: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let topic = self.topic(name, false, now);
        let batch = self.update(&topic, |data| {
            data.ring.trim(&data.retention, now);
            data.ring.read(start, limit)
        });
        Completion::ready(Ok(batch))
    }

    fn delete(&self, name: &TopicName, _: SystemTime) -> Completion<Result<(), DeleteError>> {
        if let Some(topic) = self.topic_to_delete(name) {
            let epoch = self.next_epoch(name);
            if self.update(&topic, |data| data.delete(epoch)) {
                topic.watchers.wake();
            }
        }
        Completion::ready(Ok(()))
    }

    fn watch(&self, name: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.topic(name, false, now).watchers.add(waker)
    }

    fn stats(&self, name: &TopicName) -> Option<LogStats> {
        let topic = self.read_topics(|topics| topics.get(name).cloned())?;
        let data = topic.data();
        Some(LogStats {
            once: data
                .keys
                .as_ref()
                .map_or(OnceStats::default(), |keys| keys.stats()),
            ..data.ring.stats()
        })
    }

    fn behind(&self, name: &TopicName, position: Position) -> u64 {
        let Some(topic) = self.read_topics(|topics| topics.get(name).cloned()) else {
            return 0;
        };
        let data = topic.data();
        if data.ring.kept_range().epoch == position.epoch {
            data.ring.behind(position.sequence)
        } else {
            0
        }
    }

    fn maintain(&self, now: SystemTime) {
        for topic in self.read_topics(|topics| topics.iter().cloned().collect::<Vec<_>>()) {
            self.update(&topic, |data| {
                data.ring.trim(&data.retention, now);
                data.forget_old_keys(now);
            });
        }
        if self.key_bytes() > 0 {
            self.change_keys_of_forgotten(|keys| keys.forget_old(now));
        }
    }
}

impl Topic {
    fn new(epoch: Epoch, now: SystemTime) -> Self {
        Self {
            data: Mutex::new(TopicData {
                ring: Ring::new(epoch, Keep::Every, 0, true),
                retention: Retention::new(),
                last_used: now,
                keys: None,
            }),
            watchers: Watchers::default(),
        }
    }

    fn data(&self) -> MutexGuard<'_, TopicData> {
        // No code that could panic runs under this lock.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TopicData {
    fn key_bytes(&self) -> usize {
        self.keys.as_ref().map_or(0, |keys| keys.bytes())
    }

    fn forget_old_keys(&mut self, now: SystemTime) {
        let window = self.retention.once_window();
        if let Some(keys) = &mut self.keys {
            keys.forget_old(window, now);
        }
        self.keys = self.keys.take().filter(|keys| !keys.is_over(window, now));
    }

    /// Deletes everything. If there were events, begins another epoch. Returns whether there were events.
    fn delete(&mut self, epoch: Epoch) -> bool {
        self.keys = None;
        let had_events = self.ring.kept_range().head > 0;
        if had_events {
            self.ring = Ring::new(epoch, self.retention.keeps(), 0, true);
        }
        had_events
    }

    /// Appends a record, unless its idempotency key is remembered.
    fn append(&mut self, record: Record, retention: &Retention, now: SystemTime) -> Appended {
        if self.retention != *retention {
            self.ring.keep(retention.keeps());
            self.retention = retention.clone();
        }
        self.last_used = now;
        let window = retention.once_window();
        let key = record.idempotency_key().cloned();
        if let (Some(key), Some(keys)) = (&key, &mut self.keys)
            && let Some(position) = keys.find(key, window, now)
        {
            return Appended {
                position,
                repeated: true,
            };
        }
        let entry = self.ring.append(record, now);
        self.ring.trim(retention, now);
        let position = Position {
            epoch: self.ring.kept_range().epoch,
            sequence: entry.sequence(),
        };
        if let Some(key) = key {
            let keys = self.keys.get_or_insert_default();
            keys.insert(key, position, window, now);
        }
        Appended {
            position,
            repeated: false,
        }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}
