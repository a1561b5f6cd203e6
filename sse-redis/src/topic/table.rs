use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use sse_actix_core::TopicName;

use super::Topic;
use crate::keys::Keys;

/// The topics that a node reads.
#[derive(Debug)]
pub(crate) struct Topics {
    keys: Arc<Keys>,
    by_name: RwLock<HashMap<TopicName, Arc<Topic>>>,
}

impl Topics {
    pub(crate) fn new(keys: Arc<Keys>) -> Self {
        Self {
            keys,
            by_name: RwLock::default(),
        }
    }

    /// A topic, if it is known here.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<Topic>> {
        let topics = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).cloned()
    }

    /// A topic, made known if it is not.
    pub(crate) fn topic(&self, name: &TopicName) -> Arc<Topic> {
        self.known(name.as_str()).unwrap_or_else(|| {
            let mut topics = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            let topic = topics
                .entry(name.clone())
                .or_insert_with(|| Arc::new(Topic::new(name, self.keys.stream(name), self.keys.group(name))));
            Arc::clone(topic)
        })
    }

    /// The topic whose channel this is.
    pub(crate) fn of_channel(&self, channel: &str) -> Option<Arc<Topic>> {
        self.known(self.keys.topic_of(channel)?)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let topics = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().cloned().collect()
    }

    /// Forgets events that are too old.
    pub(crate) fn trim(&self, now: SystemTime) {
        for topic in self.all() {
            topic.trim(now);
        }
    }

    /// Forgets topics that have had no reader for `linger`, and returns them.
    pub(crate) fn forget_idle(&self, linger: Duration) -> Vec<Arc<Topic>> {
        let mut topics = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let idle: Vec<_> = topics
            .iter()
            .filter(|(_, topic)| topic.is_idle(linger))
            .map(|(name, _)| name.clone())
            .collect();
        idle.iter().filter_map(|name| topics.remove(name)).collect()
    }
}
