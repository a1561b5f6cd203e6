//! The idempotency keys of a topic's records.

use std::{
    collections::{HashMap, VecDeque},
    time::SystemTime,
};

use crate::{IdempotencyKey, OnceStats, OnceWindow, Position};

/// The remembered keys of one topic.
#[derive(Debug, Default)]
pub(super) struct RememberedKeys {
    positions: HashMap<IdempotencyKey, Position>,
    /// In the order in which they were appended, with the time.
    by_age: VecDeque<(IdempotencyKey, SystemTime)>,
    bytes: usize,
    cut_at: Option<SystemTime>,
}

/// Approximate memory for one key, without its text. It covers the key's place in the map (up to half of the map's
/// places are free), its place in the queue, and the reference counts of its text.
const PER_KEY: usize = 160;
/// Approximate memory for the keys of one topic, even if there are few.
const PER_TOPIC: usize = 512;

impl RememberedKeys {
    /// An empty set that remembers up to when keys were forgotten too early.
    pub(super) fn cut_at(at: SystemTime) -> Self {
        Self {
            cut_at: Some(at),
            ..Self::default()
        }
    }

    /// The position of the record with this key, if the key is within the window.
    pub(super) fn find(
        &mut self,
        key: &IdempotencyKey,
        window: OnceWindow,
        now: SystemTime,
    ) -> Option<Position> {
        self.forget_old(window, now);
        self.positions.get(key).copied()
    }

    /// Remembers a key that is not remembered yet.
    pub(super) fn insert(
        &mut self,
        key: IdempotencyKey,
        position: Position,
        window: OnceWindow,
        now: SystemTime,
    ) {
        self.bytes += weight(&key);
        self.positions.insert(key.clone(), position);
        self.by_age.push_back((key, now));
        self.forget_old(window, now);
    }

    /// Forgets what is outside the window.
    pub(super) fn forget_old(&mut self, window: OnceWindow, now: SystemTime) {
        // A time in the future is from before the clock was set back. Such a key would stay until the clock reaches
        // that time again.
        let later = self.by_age.iter_mut().rev().take_while(|(_, at)| *at > now);
        later.for_each(|(_, at)| *at = now);
        self.cut_at = self.cut_at.map(|at| at.min(now));
        while self
            .by_age
            .front()
            .is_some_and(|(_, at)| is_outside(window, *at, now))
        {
            self.forget_oldest();
        }
        while self.by_age.len() > window.keys() {
            self.push_out_oldest();
        }
    }

    /// True if the state is the same as if no key had ever been used.
    pub(super) fn is_over(&self, window: OnceWindow, now: SystemTime) -> bool {
        self.by_age.is_empty() && self.cut_at.is_none_or(|at| is_outside(window, at, now))
    }

    /// Forgets the oldest keys before their time, until at least `bytes` bytes are freed.
    pub(super) fn push_out(&mut self, bytes: usize) {
        let goal = self.bytes.saturating_sub(bytes);
        while self.bytes > goal {
            self.push_out_oldest();
        }
    }

    fn push_out_oldest(&mut self) {
        self.cut_at = self.forget_oldest().or(self.cut_at);
    }

    fn forget_oldest(&mut self) -> Option<SystemTime> {
        let (key, at) = self.by_age.pop_front()?;
        self.bytes -= weight(&key);
        self.positions.remove(&key);
        Some(at)
    }

    /// The time at which the newest key was appended.
    pub(super) fn newest(&self) -> Option<SystemTime> {
        self.by_age.back().map(|(_, at)| *at).max(self.cut_at)
    }

    pub(super) fn bytes(&self) -> usize {
        PER_TOPIC + self.bytes
    }

    pub(super) fn stats(&self) -> OnceStats {
        OnceStats {
            keys: self.by_age.len(),
            bytes: self.bytes(),
            cut_at: self.cut_at,
        }
    }
}

fn is_outside(window: OnceWindow, at: SystemTime, now: SystemTime) -> bool {
    now.duration_since(at).unwrap_or_default() > window.age()
}

fn weight(key: &IdempotencyKey) -> usize {
    PER_KEY + key.as_str().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, TopicName};

    #[test]
    fn no_more_is_pushed_out_than_was_asked_for() {
        let position = Position {
            epoch: Epoch::new(&TopicName::from_static("a"), 1),
            sequence: 1,
        };
        let (window, now) = (OnceWindow::new(), SystemTime::UNIX_EPOCH);
        let mut keys = RememberedKeys::default();
        for text in ["a", "b", "c"] {
            keys.insert(IdempotencyKey::try_from(text).unwrap(), position, window, now);
        }
        let one = (keys.bytes() - PER_TOPIC) / 3;
        keys.push_out(0);
        assert_eq!(keys.stats().keys, 3);
        keys.push_out(one);
        assert_eq!(keys.stats().keys, 2);
        keys.push_out(one + 1);
        assert_eq!(keys.stats().keys, 0);
    }
}
