//! Messages between nodes that are not events: revocations and presence.

mod presence;
mod revocation;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use sse_actix_core::{ClusterChannel, ClusterMessage, Completion, LogError, TopicName};

pub(crate) use self::{presence::Presence, revocation::Revocations};
use crate::keys::Keys;

/// The channel to the hubs on other nodes.
pub(crate) struct Nodes {
    /// The identity of this node.
    pub(crate) name: String,
    pub(crate) presence: Presence,
    pub(crate) revocations: Revocations,
    listeners: RwLock<Vec<Listener>>,
}

type Listener = Box<dyn Fn(ClusterMessage) + Send + Sync>;

impl Nodes {
    pub(crate) fn new(keys: &Keys) -> Self {
        Self {
            name: format!("{:016x}", fastrand::u64(..)),
            presence: Presence::new(keys.presence()),
            revocations: Revocations::new(),
            listeners: RwLock::default(),
        }
    }

    /// Passes messages to the hubs of this node.
    pub(crate) fn announce(&self, messages: impl IntoIterator<Item = ClusterMessage>) {
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            for listener in listeners.iter() {
                listener(message.clone());
            }
        }
    }
}

impl ClusterChannel for Nodes {
    fn revoke(&self, tag: &str) -> Completion<Result<(), LogError>> {
        let told = self.revocations.push(tag);
        Completion::later(async move { told.await.map_err(|_| LogError::new("the log was closed")) })
    }

    fn set_presence(&self, topic: &TopicName, tag: &str, streams: usize) {
        self.presence.set(topic, tag, streams);
    }

    fn presence_elsewhere(&self, topic: &TopicName) -> BTreeMap<Arc<str>, usize> {
        self.presence.elsewhere(topic)
    }

    fn listen(&self, on_message: Listener) {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(on_message);
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
