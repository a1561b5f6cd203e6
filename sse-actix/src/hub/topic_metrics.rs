//! Counts of hubs for metrics. They live as long as the process.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::metrics::histogram;
use sse_actix_core::{AppendError, TopicName};

use super::stats::Eviction;

/// The counts of the topics of one pattern. They live as long as the process.
pub(super) struct PatternMetrics {
    pub(super) pattern: String,
    pub(super) published: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) undecodable: AtomicU64,
}

/// The pattern of all topics that match no configured pattern.
const OTHER: &str = "other";

static PATTERNS: Mutex<BTreeMap<String, Arc<PatternMetrics>>> = Mutex::new(BTreeMap::new());
pub(super) static EVICTIONS: [AtomicU64; Eviction::COUNT] = [const { AtomicU64::new(0) }; Eviction::COUNT];
pub(super) static TURNED_AWAY: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// The patterns of topics that metrics report separately.
#[derive(Debug, Default)]
pub(super) struct TopicPatterns(Vec<String>);

impl TopicPatterns {
    /// Returns `None` if the text is not a pattern: a topic's name, or the beginning of one and `*`.
    pub(super) fn add(&mut self, pattern: String) -> Option<()> {
        let start = pattern.strip_suffix('*').unwrap_or(&pattern);
        if pattern.is_empty() || start.contains('*') {
            return None;
        }
        self.0.push(pattern);
        // Exact names come first, then the patterns, the longest first.
        self.0
            .sort_by_key(|pattern| (pattern.ends_with('*'), usize::MAX - pattern.len()));
        Some(())
    }

    /// The counts to which a topic belongs.
    pub(super) fn metrics_for(&self, topic: &TopicName) -> Arc<PatternMetrics> {
        let topic = topic.as_str();
        let is_of = |pattern: &&String| match pattern.strip_suffix('*') {
            Some(start) => topic.starts_with(start),
            None => topic == pattern.as_str(),
        };
        let pattern = self.0.iter().find(is_of).map_or(OTHER, String::as_str);
        let mut patterns = patterns();
        let metrics = patterns.entry(pattern.to_owned()).or_insert_with(|| {
            Arc::new(PatternMetrics {
                pattern: pattern.to_owned(),
                published: AtomicU64::new(0),
                repeated: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                unknown: AtomicU64::new(0),
                gaps: AtomicU64::new(0),
                undecodable: AtomicU64::new(0),
            })
        });
        Arc::clone(metrics)
    }
}

impl PatternMetrics {
    pub(super) fn published(&self, took: Option<Duration>) {
        self.published.fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            histogram!("sse_hub_publish_duration_seconds", "topic" => self.pattern.clone()).record(took);
        }
    }

    pub(super) fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn not_published(&self, error: &AppendError) {
        match error {
            AppendError::OutcomeUnknown(_) => &self.unknown,
            _ => &self.refused,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn undecodable(&self) {
        self.undecodable.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn count_evictions(reason: Eviction, streams: u64) {
    if let Some(counter) = EVICTIONS.get(reason as usize) {
        counter.fetch_add(streams, Ordering::Relaxed);
    }
}

/// Counts a request beyond a limit, by the limit's number.
pub(super) fn turned_away(limit: usize) {
    if let Some(counter) = TURNED_AWAY.get(limit) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn patterns() -> MutexGuard<'static, BTreeMap<String, Arc<PatternMetrics>>> {
    // No code that could panic runs under this lock.
    PATTERNS.lock().unwrap_or_else(PoisonError::into_inner)
}
