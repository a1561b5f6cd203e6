//! Exports what hubs have counted to a recorder of metrics.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use ::metrics::{counter, gauge};

use super::{
    admission::limits::LimitExceeded,
    shared::{HubShared, TopicState},
    stats::Eviction,
    topic_metrics::{EVICTIONS, TURNED_AWAY, patterns},
};

static HUBS: Mutex<Vec<Weak<HubShared>>> = Mutex::new(Vec::new());

/// How often the logs of all hubs were interrupted, also of hubs that are gone.
static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

/// Exports this hub's metrics from now on.
pub(super) fn include(hub: &Arc<HubShared>) {
    static REPORTS: Once = Once::new();
    hubs().push(Arc::downgrade(hub));
    REPORTS.call_once(|| crate::metrics::on_report(report));
}

fn report() {
    let hubs: Vec<_> = {
        let mut hubs = hubs();
        hubs.retain(|hub| hub.strong_count() > 0);
        hubs.iter().filter_map(Weak::upgrade).collect()
    };
    let (mut is_ready, mut pending, mut streams) = (true, 0, 0);
    let mut lags: BTreeMap<&str, u64> = BTreeMap::new();
    let topics: Vec<Arc<TopicState>> = hubs.iter().flat_map(|hub| hub.topics()).collect();
    for hub in &hubs {
        let health = hub.log.health();
        let before = hub
            .reported_interruptions
            .fetch_max(health.interruptions, Ordering::Relaxed);
        INTERRUPTIONS.fetch_add(health.interruptions.saturating_sub(before), Ordering::Relaxed);
        is_ready &= health.reachable;
        pending += health.pending;
        streams += hub.limits.reading_streams();
    }
    for topic in &topics {
        let lag = lags.entry(&topic.metrics.pattern).or_default();
        *lag = topic.lag().max(*lag);
    }
    set("sse_hub_streams", streams as u64);
    set("sse_hub_log_ready", u64::from(is_ready));
    set("sse_hub_log_pending_appends", pending as u64);
    counter!("sse_hub_log_interruptions_total").absolute(INTERRUPTIONS.load(Ordering::Relaxed));
    for (reason, streams) in Eviction::ALL.into_iter().zip(&EVICTIONS) {
        counter!("sse_hub_evictions_total", "reason" => reason.cause().as_str())
            .absolute(streams.load(Ordering::Relaxed));
    }
    for (limit, requests) in LimitExceeded::ALL.into_iter().zip(&TURNED_AWAY) {
        counter!("sse_hub_turned_away_total", "limit" => limit.as_str())
            .absolute(requests.load(Ordering::Relaxed));
    }
    for metrics in patterns().values() {
        let topic = || metrics.pattern.clone();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        counter!("sse_hub_published_events_total", "topic" => topic()).absolute(read(&metrics.published));
        counter!("sse_hub_repeated_publishes_total", "topic" => topic()).absolute(read(&metrics.repeated));
        counter!("sse_hub_gaps_total", "topic" => topic()).absolute(read(&metrics.gaps));
        counter!("sse_hub_undecodable_events_total", "topic" => topic()).absolute(read(&metrics.undecodable));
        for (outcome, events) in [("refused", &metrics.refused), ("unknown", &metrics.unknown)] {
            counter!("sse_hub_publish_failures_total", "topic" => topic(), "outcome" => outcome)
                .absolute(read(events));
        }
        let lag = lags.get(metrics.pattern.as_str()).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "no reader is so far behind")]
        gauge!("sse_hub_lag_events", "topic" => topic()).set(lag as f64);
    }
}

fn set(name: &'static str, value: u64) {
    #[expect(clippy::cast_precision_loss, reason = "no process has so many")]
    gauge!(name).set(value as f64);
}

fn hubs() -> MutexGuard<'static, Vec<Weak<HubShared>>> {
    // No code that could panic runs under this lock.
    HUBS.lock().unwrap_or_else(PoisonError::into_inner)
}
