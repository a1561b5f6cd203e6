//! The primaries that this node follows: one, or those of a cluster as they come and go.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, spawn_local},
    time::{sleep, timeout},
};

use crate::{
    catch_up::CatchUp,
    connect::{Owners, Primaries, Primary, Session, check_server},
    error::ConnectError,
    fault::Fault,
    follow::Follower,
    shared::{Nudges, Shared},
    topic::Topic,
};

/// How often it asks which primary of a cluster holds which group; and how often while this node does not hear one of
/// them.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK_EVERY_WHILE_DEAF: Duration = Duration::from_millis(250);

/// The shortest time between two such requests.
const MIN_ASK_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct FollowedPrimaries {
    shared: Arc<Shared>,
    primaries: Rc<Primaries>,
    nudges: Nudges,
    by_node: RefCell<BTreeMap<String, Rc<PrimaryTasks>>>,
}

/// The tasks for one primary.
struct PrimaryTasks {
    follower: Rc<Follower>,
    catch_up: Rc<CatchUp>,
    primary: Rc<Primary>,
    handles: RefCell<Vec<AbortHandle>>,
}

impl Drop for PrimaryTasks {
    fn drop(&mut self) {
        for task in self.handles.borrow().iter() {
            task.abort();
        }
        if let Some(session) = self.primary.get() {
            session.end(Fault::Moved);
        }
    }
}

impl FollowedPrimaries {
    pub(crate) fn new(shared: Arc<Shared>, primaries: Rc<Primaries>, nudges: Nudges) -> Rc<Self> {
        Rc::new(Self {
            shared,
            primaries,
            nudges,
            by_node: RefCell::default(),
        })
    }

    /// Begins to follow all primaries there are.
    pub(crate) async fn begin(&self) -> Result<(), ConnectError> {
        let groups = self.shared.keys.groups();
        let limit = self.shared.settings.response_timeout;
        let fault = |fault| ConnectError::of(&self.shared.settings.address, fault);
        let Some(owners) = self.primaries.ask_owners(groups, limit).await else {
            // A connection shows why no node answers.
            let connector = self.primaries.connector();
            let mut connection = connector.open(Some(limit), None).await.map_err(fault)?;
            let address = self.shared.settings.address.as_str();
            check_server(&mut connection, address, true).await?;
            return Err(fault(Fault::Incomplete));
        };
        if owners.iter().any(Option::is_none) {
            return Err(fault(Fault::Incomplete));
        }
        for primary_tasks in self.set(&owners) {
            let first = primary_tasks.follower.begin().await?;
            primary_tasks.run(Some(first));
        }
        self.shared.nodes.revocations.set_begun();
        Ok(())
    }

    /// Asks for the owners at intervals, and whenever they are requested. Does not end.
    pub(crate) async fn watch_owners(self: Rc<Self>) {
        if !self.primaries.is_cluster {
            return;
        }
        let groups = self.shared.keys.groups();
        loop {
            let due = if self.shared.health().reachable {
                ASK_EVERY.mul_f64(0.8 + fastrand::f64() / 5.0)
            } else {
                ASK_EVERY_WHILE_DEAF
            };
            // Waits until the owners are due, or requested.
            let _ = timeout(due, self.primaries.owners_requested()).await;
            self.primaries.note_owners_request();
            let limit = self.shared.settings.connect_timeout;
            if let Some(owners) = self.primaries.ask_owners(groups, limit).await {
                for primary_tasks in self.set(&owners) {
                    primary_tasks.run(None);
                }
                for topic in self.shared.topics.all() {
                    self.follow(&topic);
                }
            }
            sleep(MIN_ASK_EVERY).await;
        }
    }

    /// Sets which nodes hold the groups from now on. Returns the tasks of the new primaries.
    fn set(&self, owners: &Owners) -> Vec<Rc<PrimaryTasks>> {
        let (begun, over) = self.primaries.set(owners);
        for primary in over {
            self.shared.health.remove(&primary.node);
            self.by_node.borrow_mut().remove(&primary.node);
        }
        let begun = begun.into_iter().map(|primary| {
            self.shared.health.add(&primary.node);
            let (catch_up, handles) = CatchUp::start(&self.shared, &self.primaries, &primary);
            let follower = Follower::new(
                Arc::clone(&self.shared),
                Rc::clone(&self.primaries),
                Rc::clone(&primary),
                Rc::clone(&catch_up),
                self.nudges.clone(),
            );
            let primary_tasks = Rc::new(PrimaryTasks {
                follower,
                catch_up,
                primary: Rc::clone(&primary),
                handles: RefCell::new(handles),
            });
            let mut by_node = self.by_node.borrow_mut();
            by_node.insert(primary.node.clone(), Rc::clone(&primary_tasks));
            primary_tasks
        });
        let begun = begun.collect();
        self.shared.health.set_whole(self.primaries.is_whole());
        begun
    }

    fn tasks_of(&self, topic: &Topic) -> Option<Rc<PrimaryTasks>> {
        let primary = self.primaries.of(topic.group)?;
        self.by_node.borrow().get(&primary.node).cloned()
    }

    /// Follows a topic, unless it is followed, and queues it, because it may have jobs.
    pub(crate) fn follow(&self, topic: &Arc<Topic>) {
        if let Some(primary_tasks) = self.tasks_of(topic) {
            primary_tasks.follower.follow(topic);
            primary_tasks.catch_up.work(topic);
        }
    }

    /// Queues a topic that may have jobs.
    pub(crate) fn work(&self, topic: &Arc<Topic>) {
        if let Some(primary_tasks) = self.tasks_of(topic) {
            primary_tasks.catch_up.work(topic);
        }
    }

    /// Stops following topics.
    pub(crate) fn forget(&self, topics: &[Arc<Topic>]) {
        for primary_tasks in self.by_node.borrow().values() {
            primary_tasks.follower.forget(topics);
        }
    }

    pub(crate) fn end_session(&self, number: u64, fault: impl FnOnce() -> Fault) {
        let session = self.primaries.all().into_iter().find_map(|primary| {
            let session = primary.get()?;
            (session.number == number).then_some(session)
        });
        if let Some(session) = session {
            session.end(fault());
        }
    }

    /// Requests the owners again, because they may have changed.
    pub(crate) fn request_owners(&self) {
        self.primaries.request_owners();
    }
}

impl PrimaryTasks {
    /// Starts to follow the primary, beginning with the session `first` if there is one.
    fn run(&self, first: Option<Rc<Session>>) {
        let task = spawn_local(Rc::clone(&self.follower).run(first));
        self.handles.borrow_mut().push(task.abort_handle());
    }
}
