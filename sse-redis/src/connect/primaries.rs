use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{
    sync::{Notify, futures::Notified},
    time::{Instant, timeout_at},
};

use super::{Connector, Primary, Session, primary::Signals};
use crate::fault::Fault;

/// No wait is longer than this.
const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 3_600);

/// For each group of topics, the node that holds it, if one does.
pub(crate) type Owners = Vec<Option<String>>;

/// The primaries, and which of them holds which group of topics. Without a cluster, there is one of each.
pub(crate) struct Primaries {
    pub(crate) is_cluster: bool,
    connector: Connector,
    by_node: RefCell<BTreeMap<String, Rc<Primary>>>,
    owners: RefCell<Vec<Option<Rc<Primary>>>>,
    /// How often the nodes were asked for the owners, and how many of these requests have been answered.
    owner_requests: Cell<(u64, u64)>,
    changed: Notify,
    signals: Rc<Signals>,
}

impl Primaries {
    pub(crate) fn new(connector: Connector, is_cluster: bool) -> Rc<Self> {
        Rc::new(Self {
            is_cluster,
            connector,
            by_node: RefCell::default(),
            owners: RefCell::default(),
            owner_requests: Cell::new((0, 0)),
            changed: Notify::new(),
            signals: Rc::default(),
        })
    }

    /// Sets which nodes hold the groups from now on. Returns the new primaries, and those that hold nothing any more.
    pub(crate) fn set(&self, owners: &Owners) -> (Vec<Rc<Primary>>, Vec<Rc<Primary>>) {
        let mut groups: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        for (group, node) in (0..).zip(owners) {
            if let Some(node) = node {
                groups.entry(node).or_default().push(group);
            }
        }
        let mut by_node = self.by_node.borrow_mut();
        let (mut begun, mut over) = (Vec::new(), Vec::new());
        by_node.retain(|node, primary| {
            let stays = groups.contains_key(node.as_str());
            if !stays {
                over.push(Rc::clone(primary));
            }
            stays
        });
        for (node, groups) in groups {
            if let Some(known) = by_node.get(node) {
                known.set_groups(groups);
                continue;
            }
            let connector = self.connector.to_node(node);
            let signals = Rc::clone(&self.signals);
            let new = Primary::new(node.to_owned(), connector, groups, signals);
            by_node.insert(node.to_owned(), Rc::clone(&new));
            begun.push(new);
        }
        let of = |node: &Option<String>| by_node.get(node.as_ref()?).cloned();
        self.owners.replace(owners.iter().map(of).collect());
        let (asked, _) = self.owner_requests.get();
        self.owner_requests.set((asked, asked));
        self.changed.notify_waiters();
        (begun, over)
    }

    /// Notes that the nodes are now asked for the owners.
    pub(crate) fn note_owners_request(&self) {
        let (asked, answered) = self.owner_requests.get();
        self.owner_requests.set((asked + 1, answered));
    }

    /// The primary that holds a group.
    pub(crate) fn of(&self, group: u16) -> Option<Rc<Primary>> {
        self.owners.borrow().get(usize::from(group)).cloned().flatten()
    }

    /// All primaries.
    pub(crate) fn all(&self) -> Vec<Rc<Primary>> {
        self.by_node.borrow().values().cloned().collect()
    }

    /// True if each group is held by a known primary.
    pub(crate) fn is_whole(&self) -> bool {
        self.owners.borrow().iter().all(Option::is_some)
    }

    /// The oldest session.
    pub(crate) fn oldest_session(&self) -> Option<Rc<Session>> {
        let sessions = self.all().into_iter().filter_map(|primary| primary.get());
        sessions.min_by_key(|session| session.number)
    }

    /// The sessions with all primaries except `node`.
    pub(crate) fn other_sessions(&self, node: &str) -> Vec<Rc<Session>> {
        let others = self.all().into_iter().filter(|primary| primary.node != node);
        others.filter_map(|primary| primary.get()).collect()
    }

    /// Requests the owners.
    pub(crate) fn request_owners(&self) {
        self.signals.owners_requests.notify_one();
    }

    /// Waits until the owners are requested.
    pub(crate) fn owners_requested(&self) -> Notified<'_> {
        self.signals.owners_requests.notified()
    }

    /// Requests the owners, and waits until `until` at the latest. Returns false if they have not come by then.
    pub(crate) async fn refresh_owners(&self, until: Instant) -> bool {
        if !self.is_cluster {
            return true;
        }
        // A request that is already in progress may have received its answers before this call.
        let (asked, _) = self.owner_requests.get();
        while self.owner_requests.get().1 <= asked {
            let changed = self.changed.notified();
            self.request_owners();
            if timeout_at(until, changed).await.is_err() {
                return false;
            }
        }
        true
    }

    /// A session with the primary of a group, if there is one within `limit`.
    pub(crate) async fn session_of(&self, group: u16, limit: Duration) -> Option<Rc<Session>> {
        let until = Instant::now() + limit.min(MAX_WAIT);
        loop {
            let changed = self.changed.notified();
            let Some(primary) = self.of(group) else {
                if limit.is_zero() || timeout_at(until, changed).await.is_err() {
                    return None;
                }
                continue;
            };
            if let Some(session) = primary.get() {
                return Some(session);
            }
            if limit.is_zero() {
                return None;
            }
            tokio::select! {
                session = timeout_at(until, primary.wait()) => return session.ok(),
                () = changed => {}
            }
        }
    }

    /// A connection to a node of the cluster. The node need not be a known primary.
    pub(crate) async fn connect_to(
        &self,
        node: &str,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, Fault> {
        let known = self.by_node.borrow().get(node).cloned();
        if let Some(session) = known.and_then(|primary| primary.get()) {
            return Ok(session.publishing.clone());
        }
        let connector = self.connector.to_node(node);
        connector.open(Some(response_timeout), None).await
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }
}
