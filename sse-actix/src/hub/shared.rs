//! The state of a hub that all its workers share.

mod known_topics;

use std::{
    any::Any,
    collections::HashMap,
    error::Error,
    ops::Deref,
    sync::{
        Arc, LazyLock, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, SystemTime},
};

use sse_actix_core::{
    AppendError, ClusterMessage, DecodeEventError, Log, LogError, OnceStats, TopicName, Watch, Watchers,
};

use self::known_topics::KnownTopics;
#[cfg(feature = "metrics")]
use super::topic_metrics::PatternMetrics;
use super::{
    admission::{limits::Limits, revocation::TagIndex},
    presence::TopicPresence,
    settings::Settings,
    stats::{Eviction, Evictions, HubStats, TopicFault, TopicStats},
    topic_of::{EventsType, TopicTypeError},
    topic_options::TopicOptions,
};
use crate::{clock, stream::span::panic_message, tracing_limit::TracingLimit};

pub(super) struct HubShared {
    /// Identifies this hub among those of a thread.
    pub(super) id: u64,
    pub(super) log: Arc<dyn Log>,
    pub(super) settings: Settings,
    pub(super) limits: Arc<Limits>,
    pub(super) tags: TagIndex,
    pub(super) evictions: EvictionCounts,
    topics: RwLock<KnownTopics<TopicName, Arc<TopicState>>>,
    /// How many interruptions of the log were counted so far.
    #[cfg(feature = "metrics")]
    pub(super) reported_interruptions: AtomicU64,
    /// True after the last [`HubHandle`] was dropped.
    is_closed: AtomicBool,
    /// The workers, which look at `is_closed` when they are woken.
    workers: Watchers,
}

/// Every [`Hub`](super::Hub) holds this. Workers hold only the [`HubShared`], so that this is dropped with the last
/// hub: then workers without readers end, and free the log.
pub(super) struct HubHandle(pub(super) Arc<HubShared>);

impl Deref for HubHandle {
    type Target = HubShared;

    fn deref(&self) -> &HubShared {
        &self.0
    }
}

impl Drop for HubHandle {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        self.0.workers.wake();
    }
}

/// This node's state of one topic.
pub(super) struct TopicState {
    pub(super) name: TopicName,
    pub(super) options: Arc<TopicOptions>,
    pub(super) subscribers: AtomicUsize,
    pub(super) counts: EventCounts,
    /// How far the slowest reader of each worker was behind when the worker last looked.
    pub(super) lags: RwLock<HashMap<u64, u64>>,
    pub(super) evictions: EvictionCounts,
    pub(super) present: Arc<TopicPresence>,
    #[cfg(feature = "metrics")]
    pub(super) metrics: Arc<PatternMetrics>,
    /// The type of its events, once the topic was used with a type.
    events_type: OnceLock<EventsType>,
    warnings: Warnings,
}

/// Limits how often warnings about a topic are logged.
#[derive(Debug)]
struct Warnings {
    /// Each reader that cannot read reports an error twice a second.
    read_errors: TracingLimit,
    undecodable: TracingLimit,
    /// Each publish with a key may find that keys were forgotten before their time.
    cut_windows: TracingLimit,
}

/// Counts of a topic's events on this node.
#[derive(Debug, Default)]
pub(super) struct EventCounts {
    published: AtomicU64,
    repeated: AtomicU64,
    pub(super) delivered: AtomicU64,
    gaps: AtomicU64,
    undecodable: AtomicU64,
}

/// Streams that were ended, by reason.
#[derive(Debug, Default)]
pub(super) struct EvictionCounts([AtomicU64; Eviction::COUNT]);

impl HubShared {
    pub(super) fn new(log: Arc<dyn Log>, settings: Settings, limits: Limits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            log,
            settings,
            limits: Arc::new(limits),
            tags: TagIndex::default(),
            evictions: EvictionCounts::default(),
            topics: RwLock::default(),
            #[cfg(feature = "metrics")]
            reported_interruptions: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            workers: Watchers::default(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Wakes a worker when the last hub is dropped, until the returned watch is dropped.
    pub(super) fn watch_closing(&self, worker: Waker) -> Watch {
        self.workers.add(worker)
    }

    pub(super) fn topic_state(&self, name: &TopicName) -> Arc<TopicState> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Arc::clone(topic);
        }
        drop(topics);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(self.new_topic(name));
        Arc::clone(topics.get_or_insert(name.clone(), make, TopicState::is_used))
    }

    fn new_topic(&self, name: &TopicName) -> TopicState {
        TopicState {
            name: name.clone(),
            options: Arc::clone(self.settings.options_for(name)),
            subscribers: AtomicUsize::new(0),
            counts: EventCounts::default(),
            lags: RwLock::default(),
            evictions: EvictionCounts::default(),
            present: Arc::new(TopicPresence::new(name, self.log.cluster())),
            #[cfg(feature = "metrics")]
            metrics: self.settings.patterns.metrics_for(name),
            events_type: OnceLock::new(),
            warnings: Warnings {
                read_errors: TracingLimit::new(),
                undecodable: TracingLimit::once_in(Duration::from_secs(60)),
                cut_windows: TracingLimit::new(),
            },
        }
    }

    /// A topic, if it is known here.
    pub(super) fn known(&self, name: &TopicName) -> Option<Arc<TopicState>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).cloned()
    }

    /// Handles a message of another node.
    pub(super) fn receive(&self, message: ClusterMessage) {
        match message {
            ClusterMessage::Revoked { tag, within } => {
                let streams = self.tags.revoke_older(&tag, within);
                self.count_evictions(Eviction::Revoked, streams as u64);
            }
            ClusterMessage::RevokedUnknown => {
                let streams = self.tags.reauthenticate_all();
                self.count_evictions(Eviction::Revoked, streams as u64);
                tracing::warn!(
                    target: "sse_actix", streams,
                    "Redis has lost revocations of other nodes; all streams with a tag end, so that their clients authenticate again"
                );
            }
            ClusterMessage::Presence(topic) => {
                if let Some(topic) = self.known(&topic) {
                    topic.present.changed();
                }
            }
        }
    }

    pub(super) fn topics(&self) -> Vec<Arc<TopicState>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.iter().cloned().collect()
    }

    /// Logs that a function of the topic log has panicked. Streams continue.
    pub(super) fn report_log_panic(function: &'static str, panic: &(dyn Any + Send)) {
        static LIMIT: LazyLock<TracingLimit> = LazyLock::new(TracingLimit::new);
        if let Some(left_out) = LIMIT.take() {
            let error = panic_message(panic);
            tracing::error!(target: "sse_actix", function, error, left_out, "a hub's log panicked");
        }
    }

    /// Counts streams that the hub has ended.
    pub(super) fn count_evictions(&self, reason: Eviction, streams: u64) {
        self.evictions.count_evictions(reason, streams);
        #[cfg(feature = "metrics")]
        super::topic_metrics::count_evictions(reason, streams);
    }

    pub(super) fn stats(&self) -> HubStats {
        let topics = self.topics();
        HubStats {
            log: self.log.health(),
            streams: self.limits.reading_streams(),
            handed_over: self.limits.handed_over(),
            turned_away: self.limits.turned_away(),
            evictions: self.evictions.evictions(),
            undecodable: topics
                .iter()
                .map(|topic| topic.counts.undecodable.load(Ordering::Relaxed))
                .sum(),
            faults: topics.iter().filter_map(|topic| topic.fault(self)).collect(),
            topics: topics.iter().map(|topic| topic.stats(self)).collect(),
        }
    }
}

impl TopicState {
    fn fault(&self, state: &HubShared) -> Option<TopicFault> {
        Some(TopicFault {
            topic: self.name.clone(),
            cause: state.log.fault(&self.name)?,
        })
    }

    fn is_used(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || Arc::strong_count(&self.present) > 1
    }

    /// Counts an event that the log has stored, and the time that this took.
    pub(super) fn count_published(&self, took: Option<Duration>) {
        self.counts.published.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.metrics.published(took);
        #[cfg(not(feature = "metrics"))]
        let _ = took;
    }

    /// Counts an event that the log had already stored.
    pub(super) fn count_repeated(&self) {
        self.counts.repeated.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.metrics.repeated();
    }

    pub(super) fn count_not_published(&self, error: &AppendError) {
        #[cfg(feature = "metrics")]
        self.metrics.not_published(error);
        #[cfg(not(feature = "metrics"))]
        let _ = (self, error);
    }

    /// Stores the type of its events at the first use; later, compares the type.
    pub(super) fn check_type(&self, events: Option<EventsType>) -> Result<(), TopicTypeError> {
        match events {
            Some(events) => events.check(&self.name, *self.events_type.get_or_init(|| events)),
            None => Ok(()),
        }
    }

    /// Counts an event that does not fit the topic's type.
    pub(super) fn count_undecodable(&self, error: &DecodeEventError) {
        self.counts.undecodable.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.metrics.undecodable();
        if let Some(left_out) = self.warnings.undecodable.take() {
            tracing::warn!(
                target: "sse_actix", topic = self.name.as_str(), %error, left_out,
                "an event does not fit its topic's type, so filters hide it; perhaps another node runs a newer version"
            );
        }
    }

    pub(super) fn count_gap(&self) {
        self.counts.gaps.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.metrics.gap();
    }

    /// How many events the slowest reader was behind when the workers last looked.
    pub(super) fn lag(&self) -> u64 {
        let lags = self.lags.read().unwrap_or_else(PoisonError::into_inner);
        lags.values().copied().max().unwrap_or(0)
    }

    pub(super) fn warn_read_error(&self, error: &LogError) {
        let Some(left_out) = self.warnings.read_errors.take() else {
            return;
        };
        let cause = error.source().map(ToString::to_string);
        tracing::warn!(
            target: "sse_actix", topic = self.name.as_str(), %error, cause, left_out,
            "a topic cannot be read; its streams stay open"
        );
    }

    /// Logs a warning if the log remembers this topic's keys for a shorter time than its options say.
    pub(super) fn warn_keys_forgotten_early(&self, log: &dyn Log, now: SystemTime) {
        let window = self.options.retention.once_window();
        let Some(stats) = log.stats(&self.name) else {
            return;
        };
        let reach = stats.once.reach(window, now);
        if reach >= window.age() {
            return;
        }
        if let Some(left_out) = self.warnings.cut_windows.take() {
            tracing::warn!(
                target: "sse_actix", topic = self.name.as_str(), ?reach, age = ?window.age(), keys = stats.once.keys, left_out,
                "idempotency keys are forgotten earlier than the topic's options say; a publisher that retries later publishes twice. \
                 Raise `max_keys` of the topic's window, or the log's bound, or publish less with keys"
            );
        }
    }

    fn stats(&self, state: &HubShared) -> TopicStats {
        let log = state.log.stats(&self.name);
        let once = log.map_or(OnceStats::default(), |log| log.once);
        TopicStats {
            name: self.name.clone(),
            subscribers: self.subscribers.load(Ordering::Relaxed),
            published: self.counts.published.load(Ordering::Relaxed),
            repeated: self.counts.repeated.load(Ordering::Relaxed),
            delivered: self.counts.delivered.load(Ordering::Relaxed),
            log,
            once_reach: once.reach(self.options.retention.once_window(), clock::wall()),
            lag: self.lag(),
            gaps: self.counts.gaps.load(Ordering::Relaxed),
            evictions: self.evictions.evictions(),
        }
    }
}

impl EvictionCounts {
    pub(super) fn count_evictions(&self, reason: Eviction, streams: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(streams, Ordering::Relaxed);
        }
    }

    pub(super) fn evictions(&self) -> Evictions {
        let count = |reason: Eviction| {
            self.0
                .get(reason as usize)
                .map_or(0, |counter| counter.load(Ordering::Relaxed))
        };
        Evictions {
            overtaken: count(Eviction::Overtaken),
            stalled: count(Eviction::Stalled),
            aged: count(Eviction::Aged),
            expired: count(Eviction::Expired),
            revoked: count(Eviction::Revoked),
            failed: count(Eviction::Failed),
        }
    }
}
