//! The idempotency keys of forgotten topics: a key is remembered until its time is over, even if its topic is
//! forgotten.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::SystemTime,
};

use super::{MemoryLog, Topic, keys::RememberedKeys};
use crate::{OnceWindow, TopicName};

#[derive(Debug, Default)]
pub(super) struct KeysOfForgotten {
    by_topic: HashMap<TopicName, (Box<RememberedKeys>, OnceWindow)>,
    /// The append time of the newest key that was forgotten before its time, and its window. The key may belong to any
    /// topic.
    cut: Option<(SystemTime, OnceWindow)>,
}

impl KeysOfForgotten {
    pub(super) fn insert(&mut self, topic: TopicName, keys: Box<RememberedKeys>, window: OnceWindow) {
        self.by_topic.insert(topic, (keys, window));
    }

    /// The keys of a topic that exists again, and by how many bytes the total grows.
    pub(super) fn take(&mut self, topic: &TopicName) -> Option<(Box<RememberedKeys>, usize)> {
        if let Some((keys, _)) = self.by_topic.remove(topic) {
            return Some((keys, 0));
        }
        let (at, _) = self.cut?;
        let keys = Box::new(RememberedKeys::cut_at(at));
        let bytes = keys.bytes();
        Some((keys, bytes))
    }

    /// Forgets the keys of a topic that is deleted, and says how many bytes that freed.
    pub(super) fn delete(&mut self, topic: &TopicName) -> usize {
        let deleted = self.by_topic.remove(topic);
        deleted.map_or(0, |(keys, _)| keys.bytes())
    }

    /// Forgets what is outside its window, and says how many bytes that freed.
    pub(super) fn forget_old(&mut self, now: SystemTime) -> usize {
        let mut freed = 0;
        self.by_topic.retain(|_, (keys, window)| {
            let before = keys.bytes();
            keys.forget_old(*window, now);
            let is_over = keys.is_over(*window, now);
            freed += before - if is_over { 0 } else { keys.bytes() };
            !is_over
        });
        self.cut = self
            .cut
            .filter(|(at, window)| now.duration_since(*at).unwrap_or_default() <= window.age());
        freed
    }

    /// Forgets keys until at least `bytes` bytes are freed. The topics whose last publish is longest ago come first.
    /// Returns the number of bytes that this freed.
    pub(super) fn push_out(&mut self, bytes: usize) -> usize {
        let mut by_age: Vec<_> = self
            .by_topic
            .iter()
            .map(|(topic, (keys, _))| (keys.newest(), topic.clone()))
            .collect();
        by_age.sort_unstable();
        let mut freed = 0;
        for (newest, topic) in by_age {
            if freed >= bytes {
                break;
            }
            if let Some((keys, window)) = self.by_topic.remove(&topic) {
                freed += keys.bytes();
                let at = newest.max(self.cut.map(|(at, _)| at));
                self.cut = at.map(|at| (at, window)).or(self.cut);
            }
        }
        freed
    }
}

impl MemoryLog {
    /// Runs `forget` on the keys of forgotten topics, and subtracts the bytes that it returns from the total.
    pub(super) fn change_keys_of_forgotten(&self, forget: impl FnOnce(&mut KeysOfForgotten) -> usize) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let freed = forget(&mut topics.keys_of_forgotten);
        self.key_bytes.fetch_sub(freed, Ordering::Relaxed);
    }

    /// Deletes the keys of a topic that was forgotten, or returns the topic, if it is known. Both under one lock: a topic that was
    /// forgotten in between would leave its keys behind. While the caller holds the topic, it is not forgotten.
    pub(super) fn topic_to_delete(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let freed = topics.keys_of_forgotten.delete(name);
        self.key_bytes.fetch_sub(freed, Ordering::Relaxed);
        topics.get(name).cloned()
    }
}
