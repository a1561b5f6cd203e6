//! One topic's entries, from the oldest that retention keeps to the newest: appending, deleting, reading.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
    sync::Arc,
    time::SystemTime,
};

use compact_str::CompactString;

use super::{
    Batch, Epoch, Keep, KeptRange, Limit, LogStats, OnceStats, Position, Record, Retention, Start, entry,
    entry::Entry,
};

/// The kept entries of one topic: each is stored once, for any number of readers.
///
/// Use it to implement a [`Log`](crate::Log). It holds no lock and no waker.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sse_actix_core::{Epoch, Event, Keep, Limit, Record, Resume, Retention, Ring, Start, TopicName};
///
/// let epoch = Epoch::new(&TopicName::from_static("prices"), 1);
/// let mut ring = Ring::new(epoch, Keep::Every, 0, true);
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
/// for text in ["a", "b", "c", "d"] {
///     ring.append(Record::event(&Event::data(text), None)?, now);
/// }
///
/// // Of four entries the newest two are kept.
/// ring.trim(&Retention::new().max_events(2), now);
/// assert_eq!((ring.len(), ring.is_empty(), ring.contains(2)), (2, false, false));
/// let stats = ring.stats();
/// assert_eq!((stats.head, stats.oldest, stats.deleted), (4, Some(3), 2));
/// assert_eq!(stats.bytes, ring.bytes());
///
/// // A reader that has read the first entry has missed one, and gets two. It was three behind.
/// let first = sse_actix_core::Position { epoch, sequence: 1 };
/// let batch = ring.read(Start::After(first), Limit::DEFAULT);
/// assert_eq!((batch.resume, batch.entries.len()), (Resume::Gap { missed: Some(1) }, 2));
/// assert_eq!((ring.behind(1), ring.count_after(1)), (3, 2));
///
/// assert!(ring.delete_oldest().is_some());
/// assert_eq!(ring.kept_range().last_deleted, 3);
/// # Ok::<(), sse_actix_core::RecordError>(())
/// ```
#[derive(Debug)]
pub struct Ring {
    epoch: Epoch,
    entries: Entries,
    head: u64,
    /// The newest sequence that retention has deleted.
    last_deleted: u64,
    deletions: u64,
    bytes: usize,
    contiguous: bool,
    /// The time of the newest entry, which may have been deleted.
    newest_time: SystemTime,
}

#[derive(Debug)]
enum Entries {
    Every(VecDeque<Arc<Entry>>),
    LatestPerKey {
        entries: BTreeMap<u64, Arc<Entry>>,
        by_key: HashMap<CompactString, u64>,
    },
}

impl Ring {
    /// An empty ring.
    ///
    /// `last_deleted` is the sequence after which it begins. `contiguous` is true if the pushed entries have sequences
    /// without holes. If only the newest event of each key is kept, each replaced event makes a hole.
    pub fn new(epoch: Epoch, keep: Keep, last_deleted: u64, contiguous: bool) -> Self {
        Self {
            epoch,
            entries: match keep {
                Keep::Every => Entries::Every(VecDeque::new()),
                Keep::LatestPerKey => Entries::LatestPerKey {
                    entries: BTreeMap::new(),
                    by_key: HashMap::new(),
                },
            },
            head: last_deleted,
            last_deleted,
            deletions: 0,
            bytes: 0,
            contiguous,
            newest_time: SystemTime::UNIX_EPOCH,
        }
    }

    /// Changes which events are kept, also among the present entries.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sse_actix_core::{Epoch, Event, Keep, Record, Ring, TopicName};
    ///
    /// let mut ring = Ring::new(Epoch::new(&TopicName::from_static("prices"), 1), Keep::Every, 0, true);
    /// for price in ["1", "2"] {
    ///     ring.append(Record::event(&Event::data(price), None)?.key("ACME"), SystemTime::UNIX_EPOCH);
    /// }
    /// ring.keep(Keep::LatestPerKey);
    /// assert_eq!((ring.len(), ring.contains(2)), (1, true));
    /// # Ok::<(), sse_actix_core::RecordError>(())
    /// ```
    pub fn keep(&mut self, keep: Keep) {
        let kept = match (&mut self.entries, keep) {
            (Entries::Every(entries), Keep::LatestPerKey) => mem::take(entries),
            (Entries::LatestPerKey { entries, .. }, Keep::Every) => {
                mem::take(entries).into_values().collect()
            }
            _ => return,
        };
        let head = self.head;
        let empty = Self::new(self.epoch, keep, self.last_deleted, self.contiguous);
        let before = mem::replace(self, empty);
        self.deletions = before.deletions;
        self.newest_time = before.newest_time;
        for entry in kept {
            self.push(entry);
        }
        self.head = head;
    }

    /// Appends a record with the next sequence. If the clock was set back, it gets the time of the entry before it. The
    /// entry's frame begins with its id line, `id: <epoch>-<sequence>`.
    pub fn append(&mut self, record: Record, at: SystemTime) -> Arc<Entry> {
        self.lower_later_times(at);
        let position = Position {
            epoch: self.epoch,
            sequence: self.head + 1,
        };
        let entry = Arc::new(Entry::new(position, record, at).not_before(self.newest_time));
        self.push(Arc::clone(&entry));
        entry
    }

    /// Appends an entry that already has a sequence. An entry that is not newer than the newest one is ignored.
    pub fn push(&mut self, entry: Arc<Entry>) {
        if entry.sequence() <= self.head {
            return;
        }
        self.head = entry.sequence();
        self.bytes += entry.weight();
        self.newest_time = self.newest_time.max(entry.at());
        match &mut self.entries {
            Entries::Every(entries) => entries.push_back(entry),
            Entries::LatestPerKey { entries, by_key } => {
                let sequence = entry.sequence();
                let key = entry.key().map(CompactString::from);
                entries.insert(sequence, entry);
                // A replaced entry is not a missed event, so sequences no longer give the number of missed events.
                let replaced = key.and_then(|key| by_key.insert(key, sequence));
                if let Some(replaced) = replaced.and_then(|replaced| entries.remove(&replaced)) {
                    self.bytes -= replaced.weight();
                    self.contiguous = false;
                }
            }
        }
    }

    /// Puts entries before the oldest kept one, for a log that keeps every event. `last_deleted` is the sequence after
    /// which they begin. There must be no hole between them and the kept entries.
    ///
    /// ```
    /// use std::{sync::Arc, time::SystemTime};
    /// use sse_actix_core::{Entry, Epoch, Event, Keep, Position, Record, Ring, TopicName};
    ///
    /// let epoch = Epoch::new(&TopicName::from_static("prices"), 1);
    /// let entry = |sequence| {
    ///     let record = Record::event(&Event::data("x"), None).unwrap();
    ///     Arc::new(Entry::new(Position { epoch, sequence }, record, SystemTime::UNIX_EPOCH))
    /// };
    /// // It knows of nothing up to 20. Then the log behind the network is read further back.
    /// let mut ring = Ring::new(epoch, Keep::Every, 20, false);
    /// ring.push(entry(30));
    /// ring.prepend(vec![entry(11), entry(20)], 10);
    /// assert_eq!((ring.len(), ring.kept_range().last_deleted), (3, 10));
    ///
    /// ring.advance(40);
    /// assert_eq!(ring.kept_range().head, 40);
    /// ```
    pub fn prepend(&mut self, older: Vec<Arc<Entry>>, last_deleted: u64) {
        let Entries::Every(entries) = &mut self.entries else {
            return;
        };
        self.last_deleted = last_deleted;
        for entry in older.into_iter().rev() {
            self.bytes += entry.weight();
            entries.push_front(entry);
        }
    }

    /// Continues in another epoch, with greater sequences. The entries keep their ids.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sse_actix_core::{Epoch, Event, Keep, Record, Ring, TopicName};
    ///
    /// let [one, two] = [1, 2].map(|number| Epoch::new(&TopicName::from_static("prices"), number));
    /// let mut ring = Ring::new(one, Keep::Every, 0, false);
    /// let entry = ring.append(Record::event(&Event::data("1"), None)?, SystemTime::UNIX_EPOCH);
    /// ring.continue_as(two);
    /// assert_eq!((ring.kept_range().epoch, entry.epoch()), (two, Some(one)));
    /// # Ok::<(), sse_actix_core::RecordError>(())
    /// ```
    pub fn continue_as(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// Advances the newest sequence without an entry.
    pub fn advance(&mut self, head: u64) {
        self.head = self.head.max(head);
    }

    /// True if the entry with this sequence is kept.
    pub fn contains(&self, sequence: u64) -> bool {
        match &self.entries {
            Entries::Every(entries) => entries
                .binary_search_by_key(&sequence, |entry| entry.sequence())
                .is_ok(),
            Entries::LatestPerKey { entries, .. } => entries.contains_key(&sequence),
        }
    }

    /// How many events a reader at this sequence still has to read, including deleted events if they can be counted.
    pub fn behind(&self, sequence: u64) -> u64 {
        if self.contiguous {
            self.head.saturating_sub(sequence)
        } else {
            self.count_after(sequence) as u64
        }
    }

    /// How many entries there are after a sequence.
    pub fn count_after(&self, sequence: u64) -> usize {
        match &self.entries {
            Entries::Every(entries) => {
                entries.len() - entries.partition_point(|entry| entry.sequence() <= sequence)
            }
            Entries::LatestPerKey { entries, .. } => entries.range(sequence.saturating_add(1)..).count(),
        }
    }

    /// Deletes what is beyond the bounds, the oldest first.
    pub fn trim(&mut self, retention: &Retention, now: SystemTime) {
        self.lower_later_times(now);
        let oldest_allowed =
            entry::millis(now.checked_sub(retention.age()).unwrap_or(SystemTime::UNIX_EPOCH));
        while self.oldest().is_some_and(|oldest| {
            self.len() > retention.events()
                || self.bytes > retention.bytes()
                || oldest.latest_append_time() < oldest_allowed
        }) {
            self.delete_oldest();
        }
    }

    /// Lowers the append times of the entries to `now`. An entry with a later time is from before the clock was set
    /// back: it, and all later entries, would stay until the clock reaches that time again.
    fn lower_later_times(&self, now: SystemTime) {
        fn lower<'a>(newest_first: impl Iterator<Item = &'a Arc<Entry>>, now: u64) {
            let later = newest_first.take_while(|entry| entry.latest_append_time() > now);
            later.for_each(|entry| entry.lower_append_time(now));
        }
        let now = entry::millis(now);
        match &self.entries {
            Entries::Every(entries) => lower(entries.iter().rev(), now),
            Entries::LatestPerKey { entries, .. } => lower(entries.values().rev(), now),
        }
    }

    /// Deletes the oldest entry, and says how many bytes that freed; `None` if there is none.
    pub fn delete_oldest(&mut self) -> Option<usize> {
        let entry = match &mut self.entries {
            Entries::Every(entries) => entries.pop_front()?,
            Entries::LatestPerKey { entries, by_key } => {
                let (_, entry) = entries.pop_first()?;
                if let Some(key) = entry.key() {
                    by_key.remove(key);
                }
                entry
            }
        };
        self.last_deleted = entry.sequence();
        self.deletions += 1;
        self.bytes -= entry.weight();
        Some(entry.weight())
    }

    /// Reads, in a time that hardly depends on the number of kept entries.
    pub fn read(&self, start: Start, limit: Limit) -> Batch {
        let kept_range = self.kept_range();
        let after = match start {
            Start::Last(events) => self.before_last(events),
            other => kept_range.after(other),
        };
        let position = Position {
            epoch: self.epoch,
            sequence: after,
        };
        let mut batch = Batch {
            // For a start after a position: `Complete` if all later entries are kept, `Gap` if retention has deleted
            // some of them, `Unknown` if the position is of another epoch or above the head.
            resume: kept_range.resume(start),
            start: position,
            entries: Vec::new(),
            end: position,
            more: false,
        };
        match &self.entries {
            Entries::Every(entries) => {
                let from = entries.partition_point(|entry| entry.sequence() <= after);
                batch.fill(entries.range(from..), limit);
            }
            Entries::LatestPerKey { entries, .. } => {
                batch.fill(entries.range(after + 1..).map(|(_, entry)| entry), limit);
            }
        }
        if !batch.more {
            batch.end.sequence = self.head;
        }
        batch
    }

    /// The range of kept sequences.
    pub fn kept_range(&self) -> KeptRange {
        KeptRange {
            epoch: self.epoch,
            last_deleted: self.last_deleted,
            head: self.head,
            contiguous: self.contiguous,
        }
    }

    /// Statistics of the topic, without idempotency keys.
    pub fn stats(&self) -> LogStats {
        LogStats {
            epoch: self.epoch,
            head: self.head,
            oldest: self.oldest().map(|oldest| oldest.sequence()),
            events: self.len(),
            bytes: self.bytes,
            deleted: self.deletions,
            once: OnceStats::default(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Every(entries) => entries.len(),
            Entries::LatestPerKey { entries, .. } => entries.len(),
        }
    }

    /// True if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The approximate memory of the entries, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn oldest(&self) -> Option<&Arc<Entry>> {
        match &self.entries {
            Entries::Every(entries) => entries.front(),
            Entries::LatestPerKey { entries, .. } => entries.first_key_value().map(|(_, entry)| entry),
        }
    }

    fn before_last(&self, events: usize) -> u64 {
        let skipped = self.len().saturating_sub(events);
        if skipped == 0 {
            return self.last_deleted;
        }
        match &self.entries {
            Entries::Every(entries) => entries.get(skipped - 1).map(|entry| entry.sequence()),
            Entries::LatestPerKey { entries, .. } => entries.keys().nth(skipped - 1).copied(),
        }
        .unwrap_or(self.head)
    }
}
