//! A topic in this process's memory: its watchers, and, while it is read, its newest entries.

mod live;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use sse_actix_core::{
    Batch, Entry, Epoch, Limit, LogError, LogStats, Position, Retention, Start, TopicName, Watchers,
};
use tokio::sync::oneshot;

pub(crate) use self::live::{Live, Loaded, Older};
use crate::topic_row::{TopicRow, TopicRowState};

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) watchers: Watchers,
    /// Only the writer locks this, and never while it waits for a reader.
    row: Mutex<Option<TopicRow>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// From the hub or a publisher; `None` until one has set it.
    retention: Option<Retention>,
    live: Option<Live>,
    /// The entries that were appended while the topic is being loaded; `None` while it is not being loaded.
    loading: Option<Tail>,
    /// Reads that need the file.
    waiting: Vec<WaitingRead>,
    /// True while a thread reads the file for them.
    is_busy: bool,
    /// The statistics, as the writer knows them.
    stats: Option<LogStats>,
    touched: Instant,
}

/// The entries that are appended while a topic is loaded.
#[derive(Debug, Default)]
struct Tail {
    epoch: Option<Epoch>,
    entries: Vec<Arc<Entry>>,
}

/// A read that waits for the file.
#[derive(Debug)]
pub(crate) struct WaitingRead {
    pub(crate) start: Start,
    pub(crate) limit: Limit,
    pub(crate) now: SystemTime,
    pub(crate) reply: oneshot::Sender<Result<ReadAnswer, LogError>>,
}

/// The answer to a read, once the file was read.
#[derive(Debug)]
pub(crate) enum ReadAnswer {
    /// The requested entries are in memory now.
    InMemory,
    /// The requested entries, from the file.
    Batch(Batch),
}

/// Entries of one commit to one topic.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// The topic's state in the file now.
    pub(crate) row: TopicRowState,
    pub(crate) now: SystemTime,
}

impl Topic {
    pub(crate) fn new(name: &TopicName) -> Self {
        Self {
            name: name.clone(),
            watchers: Watchers::default(),
            row: Mutex::new(None),
            state: Mutex::new(State {
                retention: None,
                live: None,
                loading: None,
                waiting: Vec::new(),
                is_busy: false,
                stats: None,
                touched: Instant::now(),
            }),
        }
    }

    /// The writer's state of the topic. Only the writer calls this.
    pub(crate) fn row(&self) -> MutexGuard<'_, Option<TopicRow>> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that could panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the topic's retention.
    pub(crate) fn keep(&self, retention: &Retention) {
        let mut state = self.state();
        state.touched = Instant::now();
        if state.retention.as_ref() != Some(retention) {
            // If only a part of a topic is in memory, it is not known which keys were replaced. Then the topic is
            // loaded again.
            state.live = mem::take(&mut state.live).and_then(|live| live.keep(retention));
            state.retention = Some(retention.clone());
        }
    }

    /// Its retention, if it was set.
    pub(crate) fn retention(&self) -> Option<Retention> {
        self.state().retention.clone()
    }

    /// Reads what is in memory; `None` if that is not enough.
    pub(crate) fn read(&self, start: Start, limit: Limit, now: SystemTime) -> Option<Batch> {
        let mut state = self.state();
        state.touched = Instant::now();
        state.live.as_mut()?.read(start, limit, now)
    }

    /// Lets a read wait for the file; `true` if the topic has to be given to a thread that reads it.
    pub(crate) fn wait(&self, read: WaitingRead) -> bool {
        let mut state = self.state();
        state.waiting.push(read);
        !mem::replace(&mut state.is_busy, true)
    }

    /// Takes the waiting reads, for the thread that reads the file for them. The thread continues until there are none.
    pub(crate) fn take_waiting(&self) -> Vec<WaitingRead> {
        let mut state = self.state();
        state.is_busy = !state.waiting.is_empty();
        mem::take(&mut state.waiting)
    }

    /// Fails the waiting reads, because the log was closed.
    pub(crate) fn refuse_waiting(&self) {
        let mut state = self.state();
        state.is_busy = false;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }

    /// Notes that a thread is about to read the topic's newest entries from the file. Entries that are appended from
    /// now on are kept until [`install`](Self::install).
    pub(crate) fn begin_loading(&self) {
        self.state().loading = Some(Tail::default());
    }

    /// Takes over what was read from the file; `loaded` is `None` if it could not be read.
    pub(crate) fn install(&self, loaded: Option<Loaded>, now: SystemTime) {
        let mut state = self.state();
        let (Some(tail), Some(loaded)) = (state.loading.take(), loaded) else {
            return;
        };
        if tail.epoch.is_some_and(|epoch| epoch != loaded.kept_range.epoch) {
            // The topic has begun another epoch since, so it is loaded again.
            return;
        }
        let retention = state.retention.get_or_insert_with(|| loaded.retention.clone());
        let mut live = Live::new(loaded, retention);
        for entry in tail.entries {
            live.push(entry);
        }
        live.trim(now);
        state.live = Some(live);
    }

    /// Calls `change` with the entries in memory.
    pub(crate) fn with_live<T>(&self, change: impl FnOnce(&mut Live) -> T) -> Option<T> {
        self.state().live.as_mut().map(change)
    }

    /// Shows entries to readers, because the writer has committed them.
    pub(crate) fn committed(&self, committed: Committed) {
        let Committed { entries, row, now } = committed;
        let epoch = row.stats.epoch;
        let mut state = self.state();
        state.stats = Some(row.stats);
        if let Some(tail) = &mut state.loading {
            tail.epoch = Some(epoch);
            tail.entries.extend(entries.iter().map(Arc::clone));
        }
        // If the topic has another epoch in the file than readers know, they load it again.
        state.live = mem::take(&mut state.live).filter(|live| live.epoch() == epoch);
        if let Some(live) = &mut state.live {
            live.set_number(row.number);
            for entry in entries {
                live.push(entry);
            }
            live.deleted_in_file(row.last_deleted);
            live.trim(now);
        }
    }

    /// Forgets the entries in memory, because they may be wrong: readers read the file again.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.live = None;
        state.stats = None;
        state.loading = None;
    }

    /// Notes that the topic is not in the file. It is an empty topic of this epoch, and gets its row with its first
    /// event.
    pub(crate) fn install_absent(&self, (epoch, was_deleted): (Epoch, bool), memory: usize) {
        let mut state = self.state();
        // Otherwise it was forgotten or created since, so it is loaded again.
        if state.loading.take().is_some_and(|tail| tail.epoch.is_none()) {
            let retention = state.retention.get_or_insert_default().clone();
            let loaded = Loaded {
                was_deleted,
                ..Loaded::empty(epoch, retention.clone(), memory)
            };
            state.live = Some(Live::new(loaded, &retention));
        }
    }

    /// The epoch that readers know, if the topic was not deleted.
    pub(crate) fn undeleted_epoch(&self) -> Option<Epoch> {
        let state = self.state();
        let undeleted = state.live.as_ref().filter(|live| !live.was_deleted());
        undeleted.map(Live::epoch)
    }

    /// The epoch that readers know of a topic that is not in the file.
    pub(crate) fn absent_epoch(&self) -> Option<Epoch> {
        let state = self.state();
        let absent = state.live.as_ref().filter(|live| !live.is_in_file());
        absent.map(Live::epoch)
    }

    pub(crate) fn stats(&self) -> Option<LogStats> {
        let state = self.state();
        match &state.live {
            Some(live) => Some(live.stats(state.stats.as_ref())),
            None => state.stats,
        }
    }

    pub(crate) fn behind(&self, position: Position) -> u64 {
        let state = self.state();
        if let Some(live) = &state.live {
            let is_known = live.epoch() == position.epoch;
            return if is_known {
                live.behind(position.sequence)
            } else {
                0
            };
        }
        let known = state.stats.filter(|known| known.epoch == position.epoch);
        known.map_or(0, |known| known.head.saturating_sub(position.sequence))
    }

    /// Forgets old entries, and returns the bytes of the remaining ones.
    pub(crate) fn maintain(&self, now: SystemTime) -> usize {
        let mut state = self.state();
        let Some(live) = &mut state.live else { return 0 };
        live.trim(now);
        live.bytes()
    }

    /// True if it was not used for `linger`. Code that holds it is about to use it.
    pub(crate) fn is_idle(self: &Arc<Self>, linger: Duration) -> bool {
        let state = self.state();
        Arc::strong_count(self) == 1
            && self.watchers.is_empty()
            && !state.is_busy
            && state.touched.elapsed() >= linger
    }

    /// True if readers have waited for it or watched it lately.
    pub(crate) fn is_read(&self) -> bool {
        !self.watchers.is_empty() || self.state().live.is_some()
    }
}
