//! The log's thread, on which all work that waits for Redis is done. It does not depend on the runtimes of readers and
//! publishers.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use sse_actix_core::{Batch, LogError};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::{LocalSet, spawn_local},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    append,
    connect::{Connector, Primaries},
    delete,
    error::ConnectError,
    fault::Fault,
    followed_primaries::FollowedPrimaries,
    nodes::{Presence, Revocations},
    settings::millis,
    shared::{Command, Delete, Nudge, Read, Shared},
    topic::Topic,
};

/// How long a read waits for Redis before it fails, to be tried again by the hub.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How often old events and topics are forgotten, or more often if `linger` is shorter.
const MAINTAIN_EVERY: Duration = Duration::from_secs(10);
const MIN_MAINTAIN_EVERY: Duration = Duration::from_millis(100);

/// Reports that the thread has connected, or why it could not.
pub(crate) type Ready = oneshot::Sender<Result<(), ConnectError>>;

/// The thread's main function: connects, reports, and serves commands until the last handle on the log is dropped.
pub(crate) fn serve(
    shared: Arc<Shared>,
    connector: Connector,
    commands: mpsc::UnboundedReceiver<Command>,
    ready: Ready,
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(ConnectError::Thread(error)))),
    };
    LocalSet::new().block_on(&runtime, run(shared, connector, commands, ready));
}

struct Driver {
    shared: Arc<Shared>,
    followed: Rc<FollowedPrimaries>,
}

async fn run(
    shared: Arc<Shared>,
    connector: Connector,
    mut commands: mpsc::UnboundedReceiver<Command>,
    ready: Ready,
) {
    let (nudges, received) = mpsc::unbounded_channel();
    let primaries = Primaries::new(connector, shared.keys.is_cluster());
    let followed = FollowedPrimaries::new(Arc::clone(&shared), Rc::clone(&primaries), nudges);
    let begun = followed.begin().await;
    let is_over = begun.is_err();
    if ready.send(begun).is_err() || is_over {
        return;
    }
    let nodes = &shared.nodes;
    spawn_local(Presence::run(Arc::clone(nodes), Rc::clone(&primaries)));
    spawn_local(Revocations::run(
        Arc::clone(nodes),
        Arc::clone(&shared.keys),
        Rc::clone(&primaries),
    ));
    let (appends, appending) = mpsc::unbounded_channel();
    spawn_local(append::run(Arc::clone(&shared), Rc::clone(&primaries), appending));
    let driver = Rc::new(Driver { shared, followed });
    spawn_local(Rc::clone(&driver.followed).watch_owners());
    spawn_local(Rc::clone(&driver).attend(received));
    spawn_local(Rc::clone(&driver).maintain());
    while let Some(command) = commands.recv().await {
        match command {
            // The receiving task ends with this one.
            Command::Append(append) => drop(appends.send(append)),
            Command::Read(read) => {
                let driver = Rc::clone(&driver);
                spawn_local(async move {
                    let batch = driver.read(&read).await;
                    let _ = read.reply.send(batch);
                });
            }
            Command::Delete(Delete { topic, reply }) => {
                let (shared, primaries) = (Arc::clone(&driver.shared), Rc::clone(&primaries));
                let driver = Rc::clone(&driver);
                spawn_local(async move {
                    let deleted = delete::delete(&shared, &primaries, &topic).await;
                    if let Some(known) = shared.topics.known(topic.as_str()) {
                        driver.followed.work(&known);
                    }
                    let _ = reply.send(deleted);
                });
            }
        }
    }
}

impl Driver {
    /// Handles what happens on connections. Does not end.
    async fn attend(self: Rc<Self>, mut nudges: mpsc::UnboundedReceiver<Nudge>) {
        while let Some(nudge) = nudges.recv().await {
            match nudge {
                Nudge::Work(topic) => self.followed.work(&topic),
                Nudge::Disconnected(session) => self.followed.end_session(session, || {
                    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    Fault::Redis(error.into())
                }),
                // When a session begins, it reads the revocations before anything else.
                Nudge::RevocationsMissed(session) => {
                    self.followed.end_session(session, || Fault::RevocationMissed);
                }
                Nudge::SlotsMoved => self.followed.request_owners(),
            }
        }
    }

    /// Forgets events that are too old, and topics that nobody reads. Does not end.
    async fn maintain(self: Rc<Self>) {
        loop {
            let linger = self.shared.settings.linger;
            sleep(MAINTAIN_EVERY.min(linger.max(MIN_MAINTAIN_EVERY))).await;
            self.shared.topics.trim(SystemTime::now());
            let idle = self.shared.topics.forget_idle(linger);
            self.followed.forget(&idle);
        }
    }

    async fn read(&self, read: &Read) -> Result<Batch, LogError> {
        let topic: &Arc<Topic> = &read.topic;
        let ttl = millis(topic.keys_ttl(self.shared.settings.topic_ttl));
        let deadline = Instant::now() + READ_TIMEOUT;
        let failures = topic.failures();
        let mut ticket = None;
        loop {
            let changed = topic.changed().notified();
            if let Some(batch) = topic.read(read.start, read.limit, read.now, ttl, &mut ticket) {
                return Ok(batch);
            }
            self.followed.follow(topic);
            if topic.failures() > failures {
                return Err(LogError::new(topic.failure()));
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(LogError::new(format!(
                    "Redis at {} has not answered in time",
                    self.shared.settings.address
                )));
            }
        }
    }
}
