//! The state that the log's threads and its handles share.

use std::{
    collections::{HashMap, VecDeque},
    fs, mem,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use sse_actix_core::{LogFile, LogHealth, Position, Start, TopicName};

use crate::{
    blocks::Blocks, cause::Cause, clock::Clock, file_lock::with_suffix, in_place::InPlace, queue::Queue,
    rows, settings::Settings, topic::Topic, unpublished::Unpublished,
};

/// How long an unused topic stays in memory.
const LINGER: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) queue: Arc<Queue>,
    pub(crate) to_read: ToRead,
    pub(crate) blocks: Blocks,
    pub(crate) clock: Clock,
    pub(crate) state: LogState,
    pub(crate) unpublished: Unpublished,
    /// The identities of the log's files, to notice that one was removed or replaced; empty until the file is open.
    pub(crate) in_place: OnceLock<InPlace>,
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
}

/// The health of the log.
#[derive(Debug, Default)]
pub(crate) struct LogState {
    /// The reason why nothing can be written now.
    fault: Mutex<Option<Cause>>,
    interruptions: AtomicU64,
    reads: AtomicU64,
    /// It has the sizes that the writer saw last, because asking the file system may take long.
    file: Mutex<LogFile>,
    /// True once the file was released.
    is_closed: Mutex<bool>,
    closed: Condvar,
}

/// The topics for which the file has to be read.
#[derive(Debug, Default)]
pub(crate) struct ToRead {
    topics: Mutex<VecDeque<Arc<Topic>>>,
    work: Condvar,
    is_closing: AtomicBool,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            queue: Queue::new(settings.pending),
            to_read: ToRead::default(),
            blocks: Blocks::new(settings.memory.all / 8),
            clock: Clock::new(),
            state: LogState::default(),
            unpublished: Unpublished::new(settings.topic_ttl),
            in_place: OnceLock::new(),
            topics: RwLock::default(),
            settings,
        }
    }

    /// Serves a topic. If that panics, its reads fail, the next read loads it again, and the thread continues.
    pub(crate) fn catch_panic(&self, topic: &Topic, serve: impl FnOnce()) -> Option<()> {
        let served = panic::catch_unwind(AssertUnwindSafe(serve));
        if served.is_err() {
            self.state.panicked();
            topic.forget();
            topic.refuse_waiting();
        }
        served.ok()
    }

    /// Fails if a file of the log was removed or replaced since it was opened.
    pub(crate) fn check_in_place(&self) -> Result<(), Cause> {
        self.in_place.get().map_or(Ok(()), InPlace::check)
    }

    /// The topic, if it is in use.
    pub(crate) fn known(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).cloned()
    }

    /// The topic, which is in use from now on.
    pub(crate) fn topic(&self, name: &TopicName) -> Arc<Topic> {
        if let Some(topic) = self.known(name) {
            return topic;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Topic::new(name)));
        Arc::clone(topic)
    }

    /// The start of a read, in the topic's present epoch. A position before the topic's first event stays valid,
    /// whatever epoch the topic had then, unless the topic was deleted since.
    pub(crate) fn start(&self, topic: &Topic, start: Start, now: SystemTime) -> Start {
        if let Start::After(Position { epoch, sequence: 0 }) = start
            && let Some(newest) = topic.undeleted_epoch()
            && newest != epoch
            && self.unpublished.knows(&topic.name, epoch, rows::millis(now))
        {
            return Start::After(Position {
                epoch: newest,
                sequence: 0,
            });
        }
        start
    }

    /// Forgets topics that nobody uses, and bounds the memory of all topics.
    pub(crate) fn maintain_memory(&self, now: SystemTime) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|_, topic| !topic.is_idle(LINGER));
        if topics.capacity() > 4 * topics.len() + 64 {
            topics.shrink_to_fit();
        }
        let mut read: Vec<_> = topics.values().filter(|topic| topic.is_read()).cloned().collect();
        drop(topics);
        let mut left: usize = read.iter().map(|topic| topic.maintain(now)).sum();
        let most = self.settings.memory.all;
        if left <= most {
            return;
        }
        read.sort_by_cached_key(|topic| topic.maintain(now));
        for topic in read.iter().rev() {
            let before = topic.maintain(now);
            topic.with_live(|live| live.shrink(before / 2));
            left -= before - topic.maintain(now).min(before);
            if left <= most / 8 * 7 {
                return;
            }
        }
    }

    /// Forgets idempotency keys down to the bound: the oldest keys of the topics with the most keys. For the writer.
    pub(crate) fn bound_keys(&self) {
        let topics = self.all();
        let bytes_of = |topic: &Arc<Topic>| {
            let row = topic.row();
            let keys = row.as_ref().and_then(|row| row.keys.as_ref());
            keys.map_or(0, |keys| keys.bytes())
        };
        let mut by_bytes: Vec<_> = topics.iter().map(|topic| (bytes_of(topic), topic)).collect();
        let mut left: usize = by_bytes.iter().map(|(bytes, _)| bytes).sum();
        by_bytes.sort_unstable_by_key(|(bytes, _)| *bytes);
        while left > self.settings.memory.keys
            && let Some((bytes, topic)) = by_bytes.pop()
        {
            let mut row = topic.row();
            if let Some(keys) = row.as_mut().and_then(|row| row.keys.as_mut()) {
                keys.push_out_half();
                left -= bytes - keys.bytes().min(bytes);
                tracing::warn!(
                    target: "sse_actix", topic = topic.name.as_str(),
                    "idempotency keys are forgotten earlier than the topic's options say: the keys of all topics \
                     together exceed `max_key_bytes`"
                );
            }
        }
    }

    /// All topics that are in use. It is a copy, so no lock is held while the caller looks at them.
    fn all(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().cloned().collect()
    }

    /// Fails all reads that wait for the file, because it was closed.
    pub(crate) fn refuse_waiting(&self) {
        for topic in self.all() {
            topic.refuse_waiting();
        }
    }

    /// The reason why a read failed.
    pub(crate) fn why_unanswered(&self) -> Cause {
        if self.queue.is_closing() {
            Cause::Closed
        } else {
            Cause::Panicked
        }
    }

    pub(crate) fn health(&self) -> LogHealth {
        let pending = self.queue.pending();
        let fault = self.state.fault();
        let is_open = !self.state.is_closed();
        let is_reachable = is_open && fault.as_ref().is_none_or(Cause::is_full);
        let interruptions = self.state.interruptions.load(Ordering::Relaxed);
        let mut file = *self.state.file();
        file.pending_bytes = pending.bytes;
        file.reads = self.state.reads.load(Ordering::Relaxed);
        LogHealth::new(is_reachable, interruptions, pending.events)
            .accepting(is_open && fault.is_none())
            .in_file(file)
    }
}

impl LogState {
    fn file(&self) -> MutexGuard<'_, LogFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how large the file is.
    pub(crate) fn measure(&self, path: &Path) {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let (bytes, wal_bytes) = (size(path), size(&with_suffix(path, "-wal")));
        let mut file = self.file();
        (file.bytes, file.wal_bytes) = (bytes, wal_bytes);
    }

    pub(crate) fn fault(&self) -> Option<Cause> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that nothing can be written, for this reason.
    pub(crate) fn failed(&self, cause: &Cause) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let before = fault.replace(cause.clone());
        drop(fault);
        if before.is_none_or(|before| mem::discriminant(&before) != mem::discriminant(cause)) {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                target: "sse_actix", error = cause.with_source(), "the log cannot be written to"
            );
        }
    }

    /// Notes that a thread of the log has panicked; it continues.
    pub(crate) fn panicked(&self) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the file can be written again.
    pub(crate) fn recovered(&self) {
        let before = mem::take(&mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner));
        if before.is_some() {
            tracing::info!(target: "sse_actix", "the log can be written to again");
        }
    }

    /// Notes the duration of a commit.
    pub(crate) fn committed(&self, took: Duration) {
        let mut commits = self.file();
        commits.commits += 1;
        commits.longest_commit = commits.longest_commit.max(took);
        commits.commit_time = match commits.commits {
            1 => took,
            _ => (commits.commit_time * 15 + took) / 16,
        };
    }

    /// Counts a read of the file.
    pub(crate) fn has_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the file was released.
    pub(crate) fn close(&self) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closed.notify_all();
    }

    /// Waits until the file was released.
    pub(crate) fn wait_until_closed(&self) {
        let mut is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_closed {
            is_closed = self
                .closed
                .wait(is_closed)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl ToRead {
    /// Queues a topic for which the file has to be read.
    pub(crate) fn push(&self, topic: Arc<Topic>) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_closing.load(Ordering::Relaxed) {
            drop(topics);
            return topic.refuse_waiting();
        }
        topics.push_back(topic);
        self.work.notify_one();
    }

    /// Waits for a topic; `None` once the log is closed.
    pub(crate) fn take(&self) -> Option<Arc<Topic>> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.is_closing.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(topic) = topics.pop_front() {
                return Some(topic);
            }
            topics = self.work.wait(topics).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the threads that read. Reads that wait for the file fail.
    pub(crate) fn close(&self) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_closing.store(true, Ordering::Relaxed);
        let unread = mem::take(&mut *topics);
        drop(topics);
        self.work.notify_all();
        for topic in unread {
            topic.refuse_waiting();
        }
    }
}
