//! Metrics for monitoring, on the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`).
//!
//! Install any recorder of that facade, before or after hubs and servers are made. A thread of this crate, which starts
//! with the first stream or hub, reports all values to the recorder once a second. A handler that shows them calls
//! [`report`] first, so that they are up to date. Counters count from the start of the process, whenever the recorder
//! was installed.
//!
//! | name | kind | labels | means |
//! |---|---|---|---|
//! | `sse_streams_open` | gauge | | streams that are open, of hubs and of functions |
//! | `sse_streams_opened_total` | counter | | streams whose response head was sent |
//! | `sse_streams_ended_total` | counter | `reason`: `finished`, `failed`, `panicked`, `drained`, `ended`, `aborted`, `left` | streams that have ended, as [`StreamCounts`](crate::StreamCounts) names the reasons |
//! | `sse_panics_total` | counter | | panics in streams, before and after they opened, and in hubs' workers |
//! | `sse_sent_events_total` | counter | | events handed to connections |
//! | `sse_sent_bytes_total` | counter | | bytes handed to connections, keep-alives included |
//! | `sse_hub_streams` | gauge | | streams that read topics |
//! | `sse_hub_published_events_total` | counter | `topic` | events that a log has stored |
//! | `sse_hub_repeated_publishes_total` | counter | `topic` | publishes with an idempotency key that the log already had, so that it stored nothing |
//! | `sse_hub_publish_duration_seconds` | histogram | `topic` | how long the log took for each publish |
//! | `sse_hub_publish_failures_total` | counter | `topic`, `outcome`: `refused`, `unknown` | events that a log has refused, or whose outcome is unknown |
//! | `sse_hub_gaps_total` | counter | `topic` | gap events sent to clients |
//! | `sse_hub_undecodable_events_total` | counter | `topic` | events that a filter of a [`TopicOf`](crate::TopicOf) has hidden because it could not decode them |
//! | `sse_hub_lag_events` | gauge | `topic` | how many events the slowest subscriber is behind |
//! | `sse_hub_evictions_total` | counter | `reason`: `overtaken`, `stalled`, `aged`, `expired`, `revoked`, `failed` | streams that hubs have ended, as [`Evictions`](crate::Evictions) names the reasons |
//! | `sse_hub_turned_away_total` | counter | `limit`: `streams`, `per_tag`, `per_address`, `per_minute` | requests beyond a limit |
//! | `sse_hub_log_ready` | gauge | | 1 while the logs of all hubs can be reached, else 0 |
//! | `sse_hub_log_pending_appends` | gauge | | appends in progress |
//! | `sse_hub_log_interruptions_total` | counter | | how often a log could no longer be reached |
//!
//! `topic` is a pattern of [`HubBuilder::metrics_topics`](crate::HubBuilder::metrics_topics); all other topics are
//! `other`. So no client can choose the value of a label, and the number of values is bounded. A lag is up to a second
//! old, because workers look once a second.
//!
//! ```
//! use actix_web::test::TestRequest;
//! use metrics_exporter_prometheus::PrometheusBuilder;
//! use sse_actix::{Hub, test};
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::builder().metrics_topics("prices").build()?;
//! let reader = test::respond(hub.subscribe("prices"), TestRequest::get());
//! hub.topic("prices").publish(&101.5).await?;
//!
//! let prometheus = PrometheusBuilder::new().install_recorder()?;
//! sse_actix::metrics::report();
//! let page = prometheus.render();
//! assert!(page.contains("sse_streams_open 1\n"));
//! assert!(page.contains("sse_hub_published_events_total{topic=\"prices\"} 1\n"));
//! # drop(reader);
//! # Ok(()) }
//! ```

use std::{
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

/// The interval of the reports.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reports some values to the recorder.
type Reporter = fn();

static REPORTERS: Mutex<Vec<Reporter>> = Mutex::new(Vec::new());

/// Reports all current values to the installed recorder. Without a recorder it does nothing.
///
/// Counters are reported as totals, so it does not matter how often this is called, or from which thread.
///
/// ```
/// // Before a page of figures is rendered.
/// sse_actix::metrics::report();
/// ```
pub fn report() {
    describe();
    let reporters = reporters().clone();
    for reporter in reporters {
        reporter();
    }
}

/// Panics of hubs' workers.
pub(crate) static WORKER_PANICS: AtomicU64 = AtomicU64::new(0);

/// Calls `reporter` at each report from now on.
pub(crate) fn on_report(reporter: Reporter) {
    static BEGUN: Once = Once::new();
    reporters().push(reporter);
    BEGUN.call_once(|| {
        let begun = thread::Builder::new().name("sse-metrics".to_owned()).spawn(|| {
            loop {
                thread::sleep(INTERVAL);
                report();
            }
        });
        if let Err(error) = begun {
            tracing::error!(target: "sse_actix", %error, "the thread for metrics could not be started: call `sse_actix::metrics::report` yourself");
        }
    });
}

fn reporters() -> MutexGuard<'static, Vec<Reporter>> {
    // No code that could panic runs under this lock.
    REPORTERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Called at each report, because the recorder may have been installed meanwhile.
fn describe() {
    describe_gauge!("sse_streams_open", Unit::Count, "Streams that are open.");
    describe_counter!(
        "sse_streams_opened_total",
        Unit::Count,
        "Streams whose response head was sent."
    );
    describe_counter!(
        "sse_streams_ended_total",
        Unit::Count,
        "Streams that have ended, by reason."
    );
    describe_counter!(
        "sse_panics_total",
        Unit::Count,
        "Panics in streams and in workers of hubs."
    );
    describe_counter!(
        "sse_sent_events_total",
        Unit::Count,
        "Events handed to connections."
    );
    describe_counter!(
        "sse_sent_bytes_total",
        Unit::Bytes,
        "Bytes handed to connections."
    );
    describe_gauge!("sse_hub_streams", Unit::Count, "Streams that read topics.");
    describe_counter!(
        "sse_hub_published_events_total",
        Unit::Count,
        "Events that a log has stored."
    );
    describe_counter!(
        "sse_hub_repeated_publishes_total",
        Unit::Count,
        "Publishes with an idempotency key that the log already had."
    );
    describe_histogram!(
        "sse_hub_publish_duration_seconds",
        Unit::Seconds,
        "How long the log took for an event."
    );
    describe_counter!(
        "sse_hub_publish_failures_total",
        Unit::Count,
        "Events that a log has refused, or whose outcome is unknown."
    );
    describe_counter!("sse_hub_gaps_total", Unit::Count, "Gap events sent to clients.");
    describe_counter!(
        "sse_hub_undecodable_events_total",
        Unit::Count,
        "Events that a typed filter has hidden because it could not decode them."
    );
    describe_gauge!(
        "sse_hub_lag_events",
        Unit::Count,
        "How many events the slowest subscriber is behind."
    );
    describe_counter!(
        "sse_hub_evictions_total",
        Unit::Count,
        "Streams that hubs have ended, by reason."
    );
    describe_counter!(
        "sse_hub_turned_away_total",
        Unit::Count,
        "Requests beyond a limit."
    );
    describe_gauge!(
        "sse_hub_log_ready",
        Unit::Count,
        "1 while the logs of all hubs can be reached."
    );
    describe_gauge!("sse_hub_log_pending_appends", Unit::Count, "Appends in progress.");
    describe_counter!(
        "sse_hub_log_interruptions_total",
        Unit::Count,
        "How often a log could no longer be reached."
    );
}

/// The sent events and bytes of one thread's streams. Only that thread writes here, so no stream waits for another
/// thread.
#[derive(Default)]
struct Sent {
    events: AtomicU64,
    bytes: AtomicU64,
}

/// The counts of all threads, including threads that have ended.
static SENT: Mutex<Vec<Arc<Sent>>> = Mutex::new(Vec::new());
static SENT_BY_ENDED_THREADS: Sent = Sent {
    events: AtomicU64::new(0),
    bytes: AtomicU64::new(0),
};

/// The counts of this thread, until it ends.
struct OfThread(Arc<Sent>);

thread_local! {
    static OF_THREAD: OfThread = OfThread::new();
}

impl OfThread {
    fn new() -> Self {
        static REPORTS: Once = Once::new();
        REPORTS.call_once(|| on_report(report_sent));
        let sent = Arc::<Sent>::default();
        all_sent().push(Arc::clone(&sent));
        Self(sent)
    }
}

impl Drop for OfThread {
    fn drop(&mut self) {
        let mut all = all_sent();
        all.retain(|sent| !Arc::ptr_eq(sent, &self.0));
        SENT_BY_ENDED_THREADS.add(
            self.0.events.load(Ordering::Relaxed),
            self.0.bytes.load(Ordering::Relaxed),
        );
    }
}

impl Sent {
    fn add(&self, events: u64, bytes: u64) {
        for (total, more) in [(&self.events, events), (&self.bytes, bytes)] {
            // No other thread writes here meanwhile.
            total.store(total.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        }
    }
}

/// Counts the events and bytes that a stream hands to its connection.
pub(crate) fn sent(events: u64, bytes: u64) {
    // While the thread ends, nothing is counted any more.
    let _ = OF_THREAD.try_with(|sent| sent.0.add(events, bytes));
}

fn report_sent() {
    let all = all_sent();
    let total = |figure: fn(&Sent) -> &AtomicU64| {
        let threads = all.iter().map(|sent| figure(sent).load(Ordering::Relaxed));
        threads.sum::<u64>() + figure(&SENT_BY_ENDED_THREADS).load(Ordering::Relaxed)
    };
    counter!("sse_sent_events_total").absolute(total(|sent| &sent.events));
    counter!("sse_sent_bytes_total").absolute(total(|sent| &sent.bytes));
}

fn all_sent() -> MutexGuard<'static, Vec<Arc<Sent>>> {
    // No code that could panic runs under this lock.
    SENT.lock().unwrap_or_else(PoisonError::into_inner)
}
