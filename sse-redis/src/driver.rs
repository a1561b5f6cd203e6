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
    catch_up::CatchUp,
    connect::{Connector, Sessions},
    error::ConnectError,
    fault::Fault,
    follow::Follower,
    nodes::{Presence, Revocations},
    settings::millis,
    shared::{Command, Nudge, Read, Shared},
    topic::Topic,
};

/// How long a read waits for Redis before it fails, to be tried again by the hub.
const READING: Duration = Duration::from_secs(10);

/// How often old events and topics are forgotten, or more often if `linger` is shorter.
const MAINTAINING: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_millis(100);

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
    sessions: Rc<Sessions>,
    catch_up: Rc<CatchUp>,
    follower: Rc<Follower>,
}

async fn run(
    shared: Arc<Shared>,
    connector: Connector,
    mut commands: mpsc::UnboundedReceiver<Command>,
    ready: Ready,
) {
    let (nudges, received) = mpsc::unbounded_channel();
    let sessions = Rc::new(Sessions::default());
    let catch_up = CatchUp::start(&shared, &sessions, &connector);
    let follower = Follower::new(
        Arc::clone(&shared),
        Rc::clone(&sessions),
        Rc::clone(&catch_up),
        connector,
        nudges,
    );
    match follower.begin().await {
        Ok(session) => {
            spawn_local(Rc::clone(&follower).run(session));
            if ready.send(Ok(())).is_err() {
                return;
            }
        }
        Err(error) => return drop(ready.send(Err(error))),
    }
    let nodes = &shared.nodes;
    spawn_local(Presence::run(Arc::clone(nodes), Rc::clone(&sessions)));
    spawn_local(Revocations::run(Arc::clone(nodes), Rc::clone(&sessions)));
    let (appends, appending) = mpsc::unbounded_channel();
    spawn_local(append::run(Arc::clone(&shared), Rc::clone(&sessions), appending));
    let driver = Rc::new(Driver {
        shared,
        sessions,
        catch_up,
        follower,
    });
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
        }
    }
}

impl Driver {
    /// Handles the events of connections. Does not end.
    async fn attend(self: Rc<Self>, mut nudges: mpsc::UnboundedReceiver<Nudge>) {
        while let Some(nudge) = nudges.recv().await {
            match nudge {
                Nudge::Work(topic) => self.catch_up.work(&topic),
                Nudge::Disconnected(session) => self.end_session(session, || {
                    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    Fault::Redis(error.into())
                }),
                // They are read when a session begins, before anything else.
                Nudge::RevocationsMissed(session) => {
                    self.end_session(session, || Fault::Deaf(Duration::ZERO));
                }
            }
        }
    }

    fn end_session(&self, number: u64, fault: impl FnOnce() -> Fault) {
        if let Some(session) = self.sessions.get()
            && session.number == number
        {
            session.end(fault());
        }
    }

    /// Forgets old events, and topics without readers. Does not end.
    async fn maintain(self: Rc<Self>) {
        loop {
            let linger = self.shared.settings.linger;
            sleep(MAINTAINING.min(linger.max(SHORTEST))).await;
            self.shared.topics.trim(SystemTime::now());
            let idle = self.shared.topics.forget_idle(linger);
            self.follower.forget(idle);
        }
    }

    async fn read(&self, read: &Read) -> Result<Batch, LogError> {
        let topic: &Arc<Topic> = &read.topic;
        let ttl = millis(topic.keys_ttl(self.shared.settings.topic_ttl));
        let deadline = Instant::now() + READING;
        let failures = topic.failures();
        let mut ticket = None;
        loop {
            let changed = topic.changed().notified();
            if let Some(batch) = topic.read(read.start, read.limit, read.now, ttl, &mut ticket) {
                return Ok(batch);
            }
            self.follower.follow(topic);
            self.catch_up.work(topic);
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
