//! What a hub was built with.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sse_actix_core::TopicName;

use super::topic_options::TopicOptions;

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) topics: HashMap<TopicName, Arc<TopicOptions>>,
    pub(super) prefixes: Vec<(String, Arc<TopicOptions>)>,
    pub(super) default: Arc<TopicOptions>,
    pub(super) max_age: Option<Duration>,
    pub(super) stall_timeout: Duration,
    #[cfg(feature = "metrics")]
    pub(super) patterns: super::topic_metrics::TopicPatterns,
}

impl Settings {
    /// How a topic is kept and told.
    pub(super) fn options_for(&self, name: &TopicName) -> &Arc<TopicOptions> {
        let by_prefix = || {
            self.prefixes
                .iter()
                .find(|(prefix, _)| name.as_str().starts_with(prefix.as_str()))
                .map(|(_, options)| options)
        };
        self.topics.get(name).or_else(by_prefix).unwrap_or(&self.default)
    }
}
