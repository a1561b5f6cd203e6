//! What all workers share.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use sse_actix_core::{Heard, Log, TopicName};

use super::{
    admission::{limits::Limits, revocation::TagIndex},
    presence::TopicPresence,
    settings::Settings,
    stats::{Eviction, Evictions, HubStats, TopicStats},
    topic_options::TopicOptions,
};

pub(super) struct HubShared {
    /// Tells this hub from others on a thread.
    pub(super) id: u64,
    pub(super) log: Arc<dyn Log>,
    pub(super) settings: Settings,
    pub(super) limits: Arc<Limits>,
    pub(super) tags: TagIndex,
    pub(super) counters: Counters,
    topics: RwLock<HashMap<TopicName, Arc<TopicState>>>,
}

/// One topic, as far as this node knows it.
pub(super) struct TopicState {
    pub(super) name: TopicName,
    pub(super) options: Arc<TopicOptions>,
    pub(super) subscribers: AtomicUsize,
    pub(super) published: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) gaps: AtomicU64,
    /// How far the slowest reader of each worker is behind, as of its last look.
    pub(super) lags: RwLock<HashMap<u64, u64>>,
    pub(super) counters: Counters,
    pub(super) present: Arc<TopicPresence>,
}

/// Streams that were ended, by reason.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; Eviction::COUNT]);

/// Above this number of topics, those that are not in use are removed.
const MANY: usize = 10_000;

impl HubShared {
    pub(super) fn new(log: Arc<dyn Log>, settings: Settings, limits: Limits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            log,
            settings,
            limits: Arc::new(limits),
            tags: TagIndex::default(),
            counters: Counters::default(),
            topics: RwLock::default(),
        }
    }

    pub(super) fn topic(&self, name: &TopicName) -> Arc<TopicState> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Arc::clone(topic);
        }
        drop(topics);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if topics.len() >= MANY && topics.len() == topics.capacity() {
            // Before the map grows. Names may come from users, and need not last.
            topics.retain(|_, topic| Arc::strong_count(topic) > 1 || Arc::strong_count(&topic.present) > 1);
        }
        let topic = topics.entry(name.clone()).or_insert_with(|| {
            Arc::new(TopicState {
                name: name.clone(),
                options: Arc::clone(self.settings.options_for(name)),
                subscribers: AtomicUsize::new(0),
                published: AtomicU64::new(0),
                delivered: AtomicU64::new(0),
                gaps: AtomicU64::new(0),
                lags: RwLock::default(),
                counters: Counters::default(),
                present: Arc::new(TopicPresence::new(name, self.log.signals())),
            })
        });
        Arc::clone(topic)
    }

    /// A topic, if it is known here.
    pub(super) fn known(&self, name: &TopicName) -> Option<Arc<TopicState>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).cloned()
    }

    /// Does what another node tells.
    pub(super) fn hear(&self, heard: Heard) {
        match heard {
            Heard::Revoked { tag, within } => {
                let streams = self.tags.revoke_older(&tag, within);
                self.counters.evicted_revoked(streams);
            }
            Heard::RevokedUnknown => {
                let streams = self.tags.doubt_all();
                self.counters.evicted_revoked(streams);
                tracing::warn!(
                    target: "sse_actix", streams,
                    "what other nodes have revoked is not known; all streams with a tag end, to be allowed anew"
                );
            }
            Heard::Presence(topic) => {
                if let Some(topic) = self.known(&topic) {
                    topic.present.changed();
                }
            }
        }
    }

    pub(super) fn stats(&self) -> HubStats {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let topics: Vec<_> = topics.values().cloned().collect();
        HubStats {
            log: self.log.health(),
            streams: self.limits.streams(),
            handed_over: self.limits.handed_over(),
            turned_away: self.limits.turned_away(),
            evictions: self.counters.evictions(),
            topics: topics.iter().map(|topic| topic.stats(self)).collect(),
        }
    }
}

impl TopicState {
    fn stats(&self, state: &HubShared) -> TopicStats {
        let lags = self.lags.read().unwrap_or_else(PoisonError::into_inner);
        TopicStats {
            name: self.name.clone(),
            subscribers: self.subscribers.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            log: state.log.stats(&self.name),
            lag: lags.values().copied().max().unwrap_or(0),
            gaps: self.gaps.load(Ordering::Relaxed),
            evictions: self.counters.evictions(),
        }
    }
}

impl Counters {
    pub(super) fn evicted(&self, reason: Eviction, streams: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(streams, Ordering::Relaxed);
        }
    }

    pub(super) fn evicted_revoked(&self, streams: usize) {
        self.evicted(Eviction::Revoked, streams as u64);
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
        }
    }
}
