//! The topics that a log in memory knows, and the choice of topics to forget.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use super::{Topic, keys_of_forgotten::KeysOfForgotten};
use crate::TopicName;

/// How many topics are looked at for each new topic when there are too many. Looking at all would stop all publishers.
const LOOKS: usize = 16;

/// All topics. Each name is in one of the queues, once.
#[derive(Debug, Default)]
pub(super) struct TopicTable {
    by_name: HashMap<TopicName, Arc<Topic>>,
    /// Topics that were made by a reader, until they are looked at. Perhaps nothing will ever be published to them.
    unpublished: VecDeque<TopicName>,
    /// All other topics. The next one to look at is at the front.
    others: VecDeque<TopicName>,
    pub(super) keys_of_forgotten: KeysOfForgotten,
}

/// The result of making room for a new topic.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// The bytes of the forgotten topics' entries.
    pub(super) bytes: usize,
    pub(super) looked_at: usize,
}

impl TopicTable {
    pub(super) fn get(&self, name: &TopicName) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// Adds a topic that is not known yet. `publishes` is true if the caller is about to publish to it.
    pub(super) fn insert(&mut self, name: &TopicName, topic: Arc<Topic>, publishes: bool) {
        self.by_name.insert(name.clone(), topic);
        let queue = if publishes {
            &mut self.others
        } else {
            &mut self.unpublished
        };
        queue.push_back(name.clone());
    }

    /// Makes room for one more topic, if there are `most`: looks at some topics, and forgets one without readers. This
    /// is an empty topic, or else the one that has been silent for longest. More than one topic is forgotten only if
    /// their number had grown above `most`, because topics had readers.
    pub(super) fn make_room(&mut self, most: usize) -> Forgotten {
        let mut forgotten = Forgotten::default();
        let excess = (self.len() + 1).saturating_sub(most);
        let looks = if excess == 0 { 0 } else { LOOKS.min(self.len()) };
        let mut candidates = Vec::new();
        let mut empty = 0;
        while forgotten.looked_at < looks
            && empty < excess
            && let Some(name) = self.next_name(forgotten.looked_at)
        {
            forgotten.looked_at += 1;
            match self.get(&name).and_then(Topic::forgettable) {
                Some(rank) => {
                    empty += usize::from(!rank.has_events);
                    candidates.push((rank, name));
                }
                None => self.others.push_back(name),
            }
        }
        candidates.sort_unstable_by_key(|(rank, _)| *rank);
        for (nth, (_, name)) in candidates.into_iter().enumerate() {
            if nth >= excess {
                self.others.push_back(name);
            } else if let Some(topic) = self.by_name.remove(&name) {
                let mut data = topic.data();
                forgotten.bytes += data.ring.bytes();
                if let Some(keys) = data.keys.take() {
                    let window = data.retention.once_window();
                    self.keys_of_forgotten.insert(name, keys, window);
                }
            }
        }
        forgotten
    }

    /// Takes from both queues in turn, because all topics of one may be in use.
    fn next_name(&mut self, turn: usize) -> Option<TopicName> {
        let (first, second) = if turn.is_multiple_of(2) {
            (&mut self.unpublished, &mut self.others)
        } else {
            (&mut self.others, &mut self.unpublished)
        };
        first.pop_front().or_else(|| second.pop_front())
    }
}

/// The order of forgetting: the smallest rank is forgotten first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    has_events: bool,
    last_used: SystemTime,
}

impl Topic {
    /// Its rank; `None` while it is in use.
    fn forgettable(self: &Arc<Self>) -> Option<Rank> {
        // Code that holds the topic is about to append to it or to watch it, and would then use a topic that is not in
        // the table any more.
        if Arc::strong_count(self) > 1 || !self.watchers.is_empty() {
            return None;
        }
        let data = self.data();
        Some(Rank {
            has_events: !data.ring.is_empty(),
            last_used: data.last_used,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{ops::Range, task::Waker, time::Duration};

    use super::*;
    use crate::{Epoch, Event, Record, Watch};

    fn name(nth: usize) -> TopicName {
        TopicName::try_from(format!("topic {nth}")).unwrap()
    }

    fn at(secs: usize) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs as u64)
    }

    /// A topic to which nothing, or one event was published.
    fn add(table: &mut TopicTable, nth: usize, publishes: bool) -> Arc<Topic> {
        let name = name(nth);
        let topic = Arc::new(Topic::new(Epoch::new(&name, 0), at(nth)));
        if publishes {
            let record = Record::event(&Event::data("x"), None).unwrap();
            topic.data().ring.append(record, at(nth));
        }
        table.insert(&name, Arc::clone(&topic), publishes);
        topic
    }

    /// Adds topics to a table that holds at most `most`. Returns the highest number of topics that were looked at for
    /// one new topic.
    fn fill(table: &mut TopicTable, most: usize, range: Range<usize>, publishes: bool) -> usize {
        let looked_at = range.map(|nth| {
            let looked_at = table.make_room(most).looked_at;
            add(table, nth, publishes);
            looked_at
        });
        looked_at.max().unwrap_or(0)
    }

    fn watch(topic: &Topic) -> Watch {
        topic.watchers.add(Waker::noop().clone())
    }

    #[test]
    fn however_many_topics_there_are_few_are_looked_at_for_a_new_one() {
        const MANY: usize = 100_000;
        for (publishes, are_read) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut table = TopicTable::default();
            fill(&mut table, MANY, 0..MANY, publishes);
            let watches: Vec<_> = table
                .iter()
                .filter(|_| are_read)
                .map(|topic| watch(topic))
                .collect();
            let looked_at = fill(&mut table, MANY, MANY..MANY + 300, true);
            assert!((1..=LOOKS).contains(&looked_at), "{looked_at}");
            assert_eq!(table.len() == MANY, !are_read);
            drop(watches);
            // The excess topics are forgotten when the next ones are added.
            let looked_at = fill(&mut table, MANY, MANY + 300..MANY + 330, true);
            assert!((1..=LOOKS).contains(&looked_at), "{looked_at}");
            assert_eq!(table.len(), MANY);
        }
    }

    #[test]
    fn where_all_have_readers_there_are_hardly_more_and_no_topic_with_readers_goes() {
        const MOST: usize = 1_000;
        let mut table = TopicTable::default();
        let watches: Vec<_> = (0..MOST)
            .map(|nth| watch(&add(&mut table, nth, nth % 2 == 0)))
            .collect();
        for nth in MOST..20 * MOST {
            fill(&mut table, MOST, nth..nth + 1, nth % 3 == 0);
            assert!(table.len() <= MOST + MOST / 15 + 1, "{}", table.len());
        }
        assert!((0..MOST).all(|nth| table.get(&name(nth)).is_some()));
        let queued = table.unpublished.len() + table.others.len();
        assert_eq!(queued, table.len(), "each is in one queue, once");
        drop(watches);
    }

    #[test]
    fn one_of_which_nothing_is_kept_goes_first_and_of_the_others_one_that_was_silent_for_long() {
        let mut table = TopicTable::default();
        for nth in 0..40 {
            drop(add(&mut table, nth, nth != 30));
        }
        // It is being used, so it stays.
        let used = table.get(&name(0)).cloned();
        // It was used later than the others.
        table.get(&name(1)).unwrap().data().last_used = at(1_000);
        // Sixteen are looked at each time, so the next is the stalest of the next sixteen.
        for gone in [30, 2, 16, 3] {
            assert!(table.get(&name(gone)).is_some());
            let forgotten = table.make_room(table.len());
            assert_eq!(forgotten.bytes > 0, gone != 30);
            assert!(table.get(&name(gone)).is_none(), "{gone}");
        }
        assert!(table.get(&name(0)).is_some() && table.get(&name(1)).is_some());
        drop(used);
        assert_eq!(table.len(), 36);
    }
}
