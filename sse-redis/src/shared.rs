//! The state that the log's thread shares with its handles.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use sse_actix_core::{
    AppendError, Appended, Batch, DeleteError, Limit, LogError, LogHealth, Record, Retention, Start,
    TopicName,
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
    pub(crate) faults: FaultLog,
    pending: AtomicUsize,
    pending_bytes: AtomicUsize,
}

/// A command for the log's thread.
pub(crate) enum Command {
    Append(Append),
    Read(Read),
    Delete(Delete),
}

/// Something that has happened on a connection, and that the log's thread has to handle.
pub(crate) enum Nudge {
    /// A topic has jobs.
    Work(Arc<Topic>),
    /// Redis has closed the connection of this session on which notices come.
    Disconnected(u64),
    /// A revocation was missed in this session.
    RevocationsMissed(u64),
    /// It has changed which primary of a cluster holds which group.
    SlotsMoved,
}

pub(crate) type Nudges = mpsc::UnboundedSender<Nudge>;

pub(crate) struct Append {
    pub(crate) topic: TopicName,
    pub(crate) record: Record,
    pub(crate) retention: Retention,
    pub(crate) permit: Pending,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

pub(crate) struct Delete {
    pub(crate) topic: TopicName,
    pub(crate) reply: oneshot::Sender<Result<(), DeleteError>>,
}

pub(crate) struct Read {
    pub(crate) topic: Arc<Topic>,
    pub(crate) start: Start,
    pub(crate) limit: Limit,
    pub(crate) now: SystemTime,
    pub(crate) reply: oneshot::Sender<Result<Batch, LogError>>,
}

/// Counts an append among the appends in progress, until it is dropped.
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
    pub(crate) fn new(settings: Settings, is_cluster: bool) -> Self {
        let keys = Arc::new(Keys::new(&settings.prefix, is_cluster));
        Self {
            nodes: Arc::new(Nodes::new(&keys)),
            topics: Topics::new(Arc::clone(&keys)),
            keys,
            settings,
            health: Health::default(),
            faults: FaultLog::default(),
            pending: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
        }
    }

    /// Counts an append as in progress, if the limits allow one more.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Pending, Busy> {
        let permit = Pending {
            shared: Arc::clone(self),
            bytes,
        };
        let others = self.pending.fetch_add(1, Ordering::Relaxed);
        let other_bytes = self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let full = others >= self.settings.max_pending
            || others > 0 && other_bytes.saturating_add(bytes) > self.settings.max_pending_bytes;
        if full { Err(Busy) } else { Ok(permit) }
    }

    pub(crate) fn health(&self) -> LogHealth {
        let health = LogHealth::new(
            self.health.hears(),
            self.health.interruptions.load(Ordering::Relaxed),
            self.pending.load(Ordering::Relaxed),
        );
        health.accepting(self.health.accepts())
    }

    pub(crate) fn unreachable_fault(&self) -> Fault {
        Fault::Absent(self.settings.address.clone())
    }

    /// Notes that this node does not receive any more what is published at a primary. In a cluster it warns at the
    /// first primary that is lost; the others may still work.
    pub(crate) fn lost(&self, node: &str, why: &Fault) {
        let had_all = self.health.hears();
        if let Some(primary) = self.health.primaries().get_mut(node) {
            primary.hears = false;
        }
        if had_all {
            self.health.interruptions.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                target: "sse_actix", redis = node, why = %why,
                "Redis cannot be reached; streams stay open, and nothing is published"
            );
        } else if let Some(times) = self.faults.count("connect") {
            tracing::debug!(target: "sse_actix", redis = node, fault = %why, times, "Redis does not answer");
        }
    }

    /// Notes that this node does not receive the events of some groups of a primary, until it has found the primary.
    pub(crate) fn lacks_groups(&self, node: &str) {
        if let Some(primary) = self.health.primaries().get_mut(node) {
            primary.hears = false;
        }
    }

    /// Notes that this node has received its own heartbeat from a primary.
    pub(crate) fn found(&self, node: &str) {
        let had_all = self.health.hears();
        if let Some(primary) = self.health.primaries().get_mut(node) {
            primary.hears = true;
        }
        if !had_all && self.health.hears() && self.health.interruptions.load(Ordering::Relaxed) > 0 {
            tracing::info!(
                target: "sse_actix", redis = %self.settings.address,
                "Redis is back; reading continues where it was"
            );
        }
    }

    /// Notes that a primary accepts events, or refuses all of them for this reason.
    pub(crate) fn note_accepting(&self, node: &str, refusal: Option<&str>) {
        let mut primaries = self.health.primaries();
        let Some(known) = primaries.get_mut(node) else {
            return;
        };
        match (known.refusal.as_deref(), refusal) {
            (None, Some(why)) => tracing::warn!(
                target: "sse_actix", redis = node, why, "Redis accepts no events; reading continues"
            ),
            (Some(_), None) => {
                tracing::info!(target: "sse_actix", redis = node, "Redis accepts events again");
            }
            _ => {}
        }
        known.refusal = refusal.map(str::to_owned);
    }
}

/// Whether this node receives what is published, and whether Redis accepts events.
#[derive(Debug, Default)]
pub(crate) struct Health {
    primaries: Mutex<BTreeMap<String, PrimaryHealth>>,
    /// A part of the cluster has no primary.
    is_incomplete: AtomicBool,
    interruptions: AtomicU64,
}

#[derive(Debug, Default)]
struct PrimaryHealth {
    hears: bool,
    refusal: Option<String>,
}

impl Health {
    fn primaries(&self) -> MutexGuard<'_, BTreeMap<String, PrimaryHealth>> {
        // No code that could panic runs under this lock.
        self.primaries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every primary is heard.
    fn hears(&self) -> bool {
        let primaries = self.primaries();
        !primaries.is_empty()
            && !self.is_incomplete.load(Ordering::Relaxed)
            && primaries.values().all(|primary| primary.hears)
    }

    fn accepts(&self) -> bool {
        self.primaries().values().all(|primary| primary.refusal.is_none())
    }

    /// Notes whether each part of the cluster has a primary.
    pub(crate) fn set_whole(&self, is_whole: bool) {
        self.is_incomplete.store(!is_whole, Ordering::Relaxed);
    }

    /// Adds a primary that this node does not hear yet.
    pub(crate) fn add(&self, node: &str) {
        self.primaries().entry(node.to_owned()).or_default();
    }

    /// Removes a node that is not a primary any more.
    pub(crate) fn remove(&self, node: &str) {
        self.primaries().remove(node);
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
