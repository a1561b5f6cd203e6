//! A topic that is read: its newest entries, and the range of the entries before them.

use std::{sync::Arc, time::SystemTime};

use sse_actix_core::{Batch, Entry, Epoch, Keep, KeptRange, Limit, LogStats, Resume, Retention, Ring, Start};

/// The state that was first read from the file.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `None` while it is not in the file.
    pub(crate) number: Option<i64>,
    pub(crate) kept_range: KeptRange,
    /// Its retention when it was last published to.
    pub(crate) retention: Retention,
    /// The newest entries, as many as memory holds; all, in a topic that keeps the latest of each key.
    pub(crate) entries: Vec<Entry>,
    /// The sequence after which they begin.
    pub(crate) begin: u64,
    /// The clock had been set back: it showed this time when this sequence was appended. The age of all entries up to
    /// it counts from then.
    pub(crate) set_back: (SystemTime, u64),
    /// How many bytes of entries memory holds.
    pub(crate) memory: usize,
    /// True if as many entries were read as memory holds. If false, only the topic's range of sequences was read.
    pub(crate) has_recent_entries: bool,
    /// Whether it was deleted, and has a new epoch.
    pub(crate) was_deleted: bool,
}

impl Loaded {
    /// A topic that is not in the file yet.
    pub(super) fn empty(epoch: Epoch, retention: Retention, memory: usize) -> Self {
        let kept_range = KeptRange {
            epoch,
            last_deleted: 0,
            head: 0,
            contiguous: true,
        };
        Self {
            number: None,
            kept_range,
            retention,
            entries: Vec::new(),
            begin: 0,
            set_back: (SystemTime::UNIX_EPOCH, 0),
            memory,
            has_recent_entries: true,
            was_deleted: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Live {
    /// The topic's number in the file; `None` while the topic is not there.
    number: Option<i64>,
    ring: Ring,
    retention: Retention,
    /// How many bytes of entries the ring may hold.
    memory: usize,
    /// The newest sequence that retention has deleted from the file; `None` if the ring reaches back to it.
    last_deleted_in_file: Option<u64>,
    is_contiguous: bool,
    has_recent_entries: bool,
    was_deleted: bool,
}

/// Where to read what the ring does not hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Older {
    pub(crate) number: i64,
    /// The range of sequences that the file has.
    pub(crate) kept_range: KeptRange,
    /// Where the ring begins: everything after this is in memory.
    pub(crate) begin: u64,
    /// Events before this time are too old.
    pub(crate) cutoff: SystemTime,
}

impl Live {
    pub(super) fn new(loaded: Loaded, retention: &Retention) -> Self {
        let Loaded {
            kept_range, begin, ..
        } = loaded;
        let mut ring = Ring::new(kept_range.epoch, retention.keeps(), begin, kept_range.contiguous);
        let (set_back_to, set_back_head) = loaded.set_back;
        let mut entries = loaded.entries.into_iter().peekable();
        while let Some(entry) = entries.next_if(|entry| entry.sequence() <= set_back_head) {
            ring.push(Arc::new(entry));
        }
        // The age of these entries counts from that time.
        if !ring.is_empty() {
            ring.trim(retention, set_back_to);
        }
        for entry in entries {
            ring.push(Arc::new(entry));
        }
        ring.advance(kept_range.head);
        Self {
            number: loaded.number,
            ring,
            retention: retention.clone(),
            memory: loaded.memory,
            last_deleted_in_file: (begin > kept_range.last_deleted).then_some(kept_range.last_deleted),
            is_contiguous: kept_range.contiguous,
            has_recent_entries: loaded.has_recent_entries,
            was_deleted: loaded.was_deleted,
        }
    }

    /// Changes the topic's retention; `None` if it has to be loaded again for that.
    pub(super) fn keep(mut self, retention: &Retention) -> Option<Self> {
        if self.last_deleted_in_file.is_some() && self.retention.keeps() != retention.keeps() {
            return None;
        }
        self.ring.keep(retention.keeps());
        self.retention = retention.clone();
        Some(self)
    }

    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.ring.push(entry);
    }

    /// Sets the topic's number in the file, because the topic is there now.
    pub(super) fn set_number(&mut self, number: i64) {
        self.number = Some(number);
    }

    /// True if the topic was in the file when it was loaded, or was created there since.
    pub(super) fn is_in_file(&self) -> bool {
        self.number.is_some()
    }

    /// Whether the topic was deleted, and has a new epoch.
    pub(super) fn was_deleted(&self) -> bool {
        self.was_deleted
    }

    /// Notes that retention has deleted the events up to this sequence from the file.
    pub(crate) fn deleted_in_file(&mut self, deleted: u64) {
        if let Some(last_deleted_in_file) = &mut self.last_deleted_in_file {
            *last_deleted_in_file = deleted.max(*last_deleted_in_file);
            if *last_deleted_in_file >= self.ring.kept_range().last_deleted {
                self.last_deleted_in_file = None;
            }
        }
    }

    /// Deletes entries beyond the topic's bounds, and beyond its memory.
    pub(super) fn trim(&mut self, now: SystemTime) {
        let before = self.ring.kept_range().last_deleted;
        self.ring.trim(&self.retention, now);
        if self.ring.kept_range().last_deleted > before {
            // Retention deletes the oldest events first, so it has deleted everything before these, too.
            self.last_deleted_in_file = None;
        }
        if self.retention.keeps() == Keep::Every {
            self.shrink(self.memory);
        }
    }

    /// Keeps at most `bytes` bytes in memory.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        while self.retention.keeps() == Keep::Every && self.ring.bytes() > bytes && self.ring.len() > 1 {
            self.last_deleted_in_file
                .get_or_insert(self.ring.kept_range().last_deleted);
            self.ring.delete_oldest();
        }
    }

    /// Reads what is in memory; `None` if that is not enough.
    pub(super) fn read(&mut self, start: Start, limit: Limit, now: SystemTime) -> Option<Batch> {
        self.trim(now);
        self.holds(start).then(|| self.ring.read(start, limit))
    }

    /// True if the requested entries are in memory.
    pub(crate) fn holds(&self, start: Start) -> bool {
        let begin = self.ring.kept_range().last_deleted;
        match start {
            _ if self.last_deleted_in_file.is_none() => true,
            Start::Head => true,
            Start::Last(events) => events <= self.ring.len(),
            Start::After(position) => {
                self.kept_range().resume(start) == Resume::Complete && position.sequence >= begin
            }
            Start::Oldest | Start::Unknown => false,
        }
    }

    /// True if all entries that fit into its memory were read from the file.
    pub(crate) fn has_recent_entries(&self) -> bool {
        self.has_recent_entries
    }

    /// Where to read what is older than the ring; `None` if it holds everything.
    pub(crate) fn older(&self, now: SystemTime) -> Option<Older> {
        let cutoff = now.checked_sub(self.retention.age());
        self.last_deleted_in_file
            .zip(self.number)
            .map(|(_, number)| Older {
                number,
                kept_range: self.kept_range(),
                begin: self.ring.kept_range().last_deleted,
                cutoff: cutoff.unwrap_or(SystemTime::UNIX_EPOCH),
            })
    }

    /// How many events from before the ring a read of the last events still needs.
    pub(crate) fn missing(&self, start: Start) -> usize {
        match start {
            Start::Last(events) => events.saturating_sub(self.ring.len()),
            _ => 0,
        }
    }

    /// The range of kept sequences.
    fn kept_range(&self) -> KeptRange {
        let kept_range = self.ring.kept_range();
        KeptRange {
            last_deleted: self.last_deleted_in_file.unwrap_or(kept_range.last_deleted),
            ..kept_range
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.ring.kept_range().epoch
    }

    pub(super) fn behind(&self, sequence: u64) -> u64 {
        if self.is_contiguous && self.last_deleted_in_file.is_some() {
            self.ring.kept_range().head.saturating_sub(sequence)
        } else {
            self.ring.behind(sequence)
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.ring.bytes()
    }

    /// The statistics; those of events that are only in the file come from the writer.
    pub(super) fn stats(&self, in_file: Option<&LogStats>) -> LogStats {
        let kept = self.ring.stats();
        let deleted = match self.retention.keeps() {
            Keep::Every => self.kept_range().last_deleted,
            Keep::LatestPerKey => kept.deleted,
        };
        let once = in_file.map_or(kept.once, |stats| stats.once);
        match in_file {
            Some(stats) if self.last_deleted_in_file.is_some() && stats.epoch == kept.epoch => LogStats {
                head: kept.head,
                ..*stats
            },
            _ => LogStats {
                deleted,
                once,
                ..kept
            },
        }
    }
}
