//! The state that the log's thread shares with its handles.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use sse_actix_core::{
    AppendError, Appended, Batch, Limit, LogError, LogHealth, Record, Retention, Start, TopicName,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    fault::{Fault, FaultLog},
    keys::Keys,
    nodes::Nodes,
    settings::Settings,
    topic::{Topic, Topics},
};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) keys: Arc<Keys>,
    pub(crate) topics: Topics,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) health: Health,
    pub(crate) receiving: Receiving,
    pub(crate) faults: FaultLog,
    pending: AtomicUsize,
    pending_bytes: AtomicUsize,
}

/// A command for the log's thread.
pub(crate) enum Command {
    Append(Append),
    Read(Read),
}

/// An event of a connection that the log's thread has to handle.
pub(crate) enum Nudge {
    /// A topic has jobs.
    Work(Arc<Topic>),
    /// Redis has closed the connection of this session on which notices come.
    Disconnected(u64),
    /// A revocation was missed in this session.
    RevocationsMissed(u64),
}

pub(crate) type Nudges = mpsc::UnboundedSender<Nudge>;

pub(crate) struct Append {
    pub(crate) topic: TopicName,
    pub(crate) record: Record,
    pub(crate) retention: Retention,
    pub(crate) place: Pending,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

pub(crate) struct Read {
    pub(crate) topic: Arc<Topic>,
    pub(crate) start: Start,
    pub(crate) limit: Limit,
    pub(crate) now: SystemTime,
    pub(crate) reply: oneshot::Sender<Result<Batch, LogError>>,
}

/// An append's place among the appends in progress, which is freed when this is dropped.
pub(crate) struct Pending {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.shared.pending.fetch_sub(1, Ordering::Relaxed);
        self.shared.pending_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        let keys = Arc::new(Keys::new(&settings.prefix));
        Self {
            nodes: Arc::new(Nodes::new(&keys)),
            topics: Topics::new(Arc::clone(&keys)),
            keys,
            settings,
            health: Health::default(),
            receiving: Receiving::default(),
            faults: FaultLog::default(),
            pending: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
        }
    }

    /// A place for an append, if there is one.
    pub(crate) fn place(self: &Arc<Self>, bytes: usize) -> Result<Pending, Busy> {
        let place = Pending {
            shared: Arc::clone(self),
            bytes,
        };
        let others = self.pending.fetch_add(1, Ordering::Relaxed);
        let other_bytes = self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let full = others >= self.settings.max_pending
            || others > 0 && other_bytes.saturating_add(bytes) > self.settings.max_pending_bytes;
        if full { Err(Busy) } else { Ok(place) }
    }

    pub(crate) fn health(&self) -> LogHealth {
        let health = LogHealth::new(
            self.health.hears.load(Ordering::Relaxed),
            self.health.interruptions.load(Ordering::Relaxed),
            self.pending.load(Ordering::Relaxed),
        );
        health.accepting(self.health.refusal().is_none())
    }

    pub(crate) fn absent(&self) -> Fault {
        Fault::Absent(self.settings.address.clone())
    }

    /// Notes that this node no longer receives what is published.
    pub(crate) fn lost(&self, why: &Fault) {
        if self.health.hears.swap(false, Ordering::Relaxed) {
            self.health.interruptions.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                target: "sse_actix", redis = %self.settings.address, why = %why,
                "Redis cannot be reached; streams stay open, and nothing is published"
            );
        } else if let Some(times) = self.faults.count("connect") {
            tracing::debug!(target: "sse_actix", fault = %why, times, "Redis does not answer");
        }
    }

    /// Notes that this node has received its own heartbeat.
    pub(crate) fn found(&self) {
        if !self.health.hears.swap(true, Ordering::Relaxed)
            && self.health.interruptions.load(Ordering::Relaxed) > 0
        {
            tracing::info!(
                target: "sse_actix", redis = %self.settings.address,
                "Redis is back; reading continues where it was"
            );
        }
    }

    /// Notes that Redis accepts events, or refuses all of them for this reason.
    pub(crate) fn takes_events(&self, refusal: Option<&str>) {
        let mut known = self.health.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        match (known.as_deref(), refusal) {
            (None, Some(why)) => tracing::warn!(
                target: "sse_actix", redis = %self.settings.address, why,
                "Redis accepts no events; reading continues"
            ),
            (Some(_), None) => tracing::info!(
                target: "sse_actix", redis = %self.settings.address, "Redis accepts events again"
            ),
            _ => {}
        }
        *known = refusal.map(str::to_owned);
    }
}

/// Whether this node receives what is published, and whether Redis accepts events.
#[derive(Debug, Default)]
pub(crate) struct Health {
    hears: AtomicBool,
    refusal: Mutex<Option<String>>,
    interruptions: AtomicU64,
}

impl Health {
    fn refusal(&self) -> Option<String> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The session whose notices are handled, and the time of its last heartbeat.
#[derive(Debug)]
pub(crate) struct Receiving {
    session: AtomicU64,
    heard: Mutex<(u64, Instant)>,
}

impl Default for Receiving {
    fn default() -> Self {
        Self {
            session: AtomicU64::new(0),
            heard: Mutex::new((0, Instant::now())),
        }
    }
}

impl Receiving {
    fn lock(&self) -> MutexGuard<'_, (u64, Instant)> {
        // No code that could panic runs under this lock.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, only this session's notices are handled.
    pub(crate) fn begin(&self, session: u64) {
        self.session.store(session, Ordering::Relaxed);
    }

    pub(crate) fn is_current(&self, session: u64) -> bool {
        self.session.load(Ordering::Relaxed) == session
    }

    /// The heartbeat of this session has arrived.
    pub(crate) fn hear(&self, session: u64) {
        *self.lock() = (session, Instant::now());
    }

    pub(crate) fn has_heard(&self, session: u64) -> bool {
        self.lock().0 == session
    }

    /// The time since the last heartbeat arrived.
    pub(crate) fn silence(&self) -> Duration {
        self.lock().1.elapsed()
    }
}

/// The limit of appends in progress is reached.
#[derive(Debug)]
pub(crate) struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the limit of events that wait for Redis is reached; publish more slowly, or raise `max_pending`",
        )
    }
}

impl Error for Busy {}
