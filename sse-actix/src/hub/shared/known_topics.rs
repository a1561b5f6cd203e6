//! The topics of a hub by name.

use std::{collections::HashMap, hash::Hash};

/// Up to this number of topics, unused topics stay.
const MIN_CLEANUP_SIZE: usize = 10_000;

/// Topics by name. Names may come from users and need not last, so unused topics are removed when there are many.
pub(super) struct KnownTopics<N, T> {
    by_name: HashMap<N, T>,
    /// The number of topics at which it looks for unused ones.
    next_cleanup_at: usize,
}

impl<N: Hash + Eq, T> KnownTopics<N, T> {
    pub(super) fn get(&self, name: &N) -> Option<&T> {
        self.by_name.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.by_name.values()
    }

    /// The topic, added if it is new.
    pub(super) fn get_or_insert(
        &mut self,
        name: N,
        make: impl FnOnce() -> T,
        is_used: impl Fn(&T) -> bool,
    ) -> &T {
        if !self.by_name.contains_key(&name) {
            self.remove_unused(is_used);
        }
        self.by_name.entry(name).or_insert_with(make)
    }

    /// Removes unused topics, and returns how many topics it looked at. It looks at all topics, but only when their
    /// number has doubled since the last time. So it looks at about two topics for each new topic.
    fn remove_unused(&mut self, is_used: impl Fn(&T) -> bool) -> usize {
        let looked_at = self.by_name.len();
        if looked_at < self.next_cleanup_at {
            return 0;
        }
        self.by_name.retain(|_, topic| is_used(topic));
        self.next_cleanup_at = MIN_CLEANUP_SIZE.max(2 * self.by_name.len());
        self.by_name.shrink_to(self.next_cleanup_at);
        looked_at
    }
}

impl<N, T> Default for KnownTopics<N, T> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            next_cleanup_at: MIN_CLEANUP_SIZE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds `topics` topics; one in `used_one_in` of them is used. Returns how many topics were looked at in all.
    fn looks_for(topics: usize, used_one_in: usize) -> usize {
        let mut table = KnownTopics::default();
        let is_used = |is_used: &bool| *is_used;
        let mut looked_at = 0;
        for nth in 0..topics {
            looked_at += table.remove_unused(is_used);
            table.by_name.insert(nth, nth % used_one_in == 0);
            let used = nth / used_one_in + 1;
            assert!(
                table.by_name.len() <= MIN_CLEANUP_SIZE.max(2 * used),
                "{used} are used"
            );
        }
        assert!(
            (0..topics)
                .step_by(used_one_in)
                .all(|nth| table.get(&nth) == Some(&true))
        );
        looked_at
    }

    #[test]
    fn however_many_topics_there_are_few_are_looked_at_for_a_new_one() {
        const TOPICS: usize = 200_000;
        for used_one_in in [1, 2, 3, 10, 1_000_000] {
            let looks = looks_for(TOPICS, used_one_in);
            assert!(looks <= 2 * TOPICS, "{looks}, one in {used_one_in} is used");
        }
    }

    #[test]
    fn where_most_are_used_new_ones_that_are_not_cost_no_more() {
        let mut table = KnownTopics::default();
        let mut looked_at = 0;
        for nth in 0..60_000 {
            looked_at += table.remove_unused(|is_used| *is_used);
            table.by_name.insert(nth, nth < 57_340);
        }
        assert!(looked_at <= 120_000, "{looked_at}");
    }
}
