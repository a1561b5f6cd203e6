//! A worker's cache of a topic's newest entries.

use std::{collections::VecDeque, sync::Arc};

use crate::{Entry, Keep, Position};

/// A worker's own view of the newest entries of one topic: what its readers read without any lock.
///
/// It holds entries for the time of a fan-out only. A reader whose position is older than the window's start has
/// fallen behind, and reads the log.
///
/// ```
/// use std::{sync::Arc, time::SystemTime};
/// use sse_actix_core::{WindowRead, Entry, Epoch, Event, Keep, Position, Record, TopicName, Window};
///
/// let epoch = Epoch::new(&TopicName::from_static("prices"), 1);
/// let at = |sequence| Position { epoch, sequence };
/// let entry = |sequence| {
///     let record = Record::event(&Event::data("x"), None).unwrap();
///     Arc::new(Entry::new(at(sequence), record, SystemTime::UNIX_EPOCH))
/// };
///
/// // The first reader is at the log's head.
/// let mut window = Window::new(Keep::Every);
/// window.start_at(at(7));
/// assert!(window.is_empty() && matches!(window.next_after(at(7)), WindowRead::UpToDate));
///
/// // The topic has grown by two. Another reader is further back than the window.
/// window.extend([entry(8), entry(9)], 9);
/// assert!(matches!(window.next_after(at(7)), WindowRead::Next(next) if next.sequence() == 8));
/// assert!(matches!(window.next_after(at(3)), WindowRead::NotCovered));
/// assert_eq!(window.after(at(8)).unwrap().count(), 1);
/// assert_eq!((window.len(), window.head()), (2, Some(at(9))));
///
/// // Everyone has been woken. Then the last reader goes.
/// window.clear();
/// assert!(matches!(window.next_after(at(8)), WindowRead::NotCovered));
/// window.close();
/// assert_eq!(window.head(), None);
/// ```
#[derive(Debug)]
pub struct Window {
    keep: Keep,
    entries: VecDeque<Arc<Entry>>,
    /// A reader there gets all that is in `entries`.
    start: Option<Position>,
    head: u64,
}

/// What a window has for a reader. See [`Window`]'s example.
#[derive(Debug)]
pub enum WindowRead<'a> {
    /// It does not reach back that far, or is of another life of the log: read from the log.
    NotCovered,
    /// Nothing, as yet.
    UpToDate,
    /// These, one after another.
    Next(&'a Arc<Entry>),
}

impl Window {
    /// How many entries it holds at most: a reader further behind reads from the log, where it gets more at
    /// once.
    pub const MAX: usize = 256;

    /// An empty window, before anyone reads.
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            entries: VecDeque::new(),
            start: None,
            head: 0,
        }
    }

    /// Where the next entries are to be read from; `None` while there are no readers.
    pub fn head(&self) -> Option<Position> {
        let start = self.start?;
        Some(Position {
            epoch: start.epoch,
            sequence: self.head,
        })
    }

    /// Begins at `position`, with nothing. A window is of no use before its worker has called this: when the first reader has
    /// reached the log's head, and when a read did not continue the window.
    pub fn start_at(&mut self, position: Position) {
        self.entries.clear();
        self.start = Some(position);
        self.head = position.sequence;
    }

    /// Ends: the last reader has gone.
    pub fn close(&mut self) {
        *self = Self::new(self.keep);
    }

    /// Adds entries that follow its head, up to `end`.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Arc<Entry>>, end: u64) {
        for entry in entries {
            if self.keep == Keep::LatestPerKey
                && let Some(key) = entry.key()
            {
                self.entries.retain(|earlier| earlier.key() != Some(key));
            }
            self.entries.push_back(entry);
            if self.entries.len() > Self::MAX
                && let Some(entry) = self.entries.pop_front()
                && let Some(start) = &mut self.start
            {
                start.sequence = entry.sequence();
            }
        }
        self.head = end;
    }

    /// Forgets the entries: everyone who was to have them has been woken.
    pub fn clear(&mut self) {
        self.entries.clear();
        if let Some(start) = &mut self.start {
            start.sequence = self.head;
        }
    }

    /// What there is for a reader at `position`.
    pub fn next_after(&self, position: Position) -> WindowRead<'_> {
        let Some(start) = self.start else {
            return WindowRead::NotCovered;
        };
        if position.epoch != start.epoch {
            return WindowRead::NotCovered;
        }
        if position.sequence >= self.head {
            return WindowRead::UpToDate;
        }
        if position.sequence < start.sequence {
            return WindowRead::NotCovered;
        }
        let next = self
            .entries
            .partition_point(|entry| entry.sequence() <= position.sequence);
        self.entries
            .get(next)
            .map_or(WindowRead::UpToDate, WindowRead::Next)
    }

    /// All that there is for a reader at `position`; `None` if it has to read from the log.
    pub fn after(&self, position: Position) -> Option<impl Iterator<Item = &Arc<Entry>> + Clone> {
        let start = self.start?;
        let reaches = position.epoch == start.epoch && position.sequence >= start.sequence;
        let is_new = move |entry: &&Arc<Entry>| entry.sequence() > position.sequence;
        reaches.then(|| self.entries.iter().filter(is_new))
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
