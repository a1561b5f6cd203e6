//! The thread on which everything happens that waits for Redis: whatever runtimes readers and publishers are
//! on, and however long they live.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    rc::Rc,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use redis::{RedisError, Value, aio::MultiplexedConnection};
use sse_actix_core::{
    AppendError, Batch, Epoch, Limit, LogError, LogHealth, Position, Record, Retention, Start, TopicName,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_local,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    builder::Settings,
    entry::{Appended, Foreign, Newest, Stored, id_of, items},
    follow::Follower,
    link::{Link, Linked, is_of_connection},
    nodes::{self, Nodes},
    scripts::{APPENDING, LOOKING, RENEWING},
    topic::{Applied, Chain, Job, Topic},
};

/// How many entries are asked for at once.
pub(crate) const PAGE: usize = 1_000;

/// How long a read waits for Redis before it fails, to be tried again by the hub.
const READING: Duration = Duration::from_secs(10);

/// How long a topic that nobody reads is followed on.
const LINGER: Duration = Duration::from_secs(60);

/// How often what is too old is let go.
const MAINTAINING: Duration = Duration::from_secs(10);

/// What the thread shares with everybody else.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
    /// Which of its connections are there.
    there: AtomicU8,
    pub(crate) cluster: Arc<Nodes>,
    interruptions: AtomicU64,
    pending: AtomicUsize,
    pending_bytes: AtomicUsize,
}

pub(crate) enum Command {
    Append {
        topic: TopicName,
        record: Record,
        retention: Retention,
        place: Pending,
        reply: oneshot::Sender<Result<sse_actix_core::Appended, AppendError>>,
    },
    Read {
        topic: Arc<Topic>,
        start: Start,
        limit: Limit,
        now: SystemTime,
        reply: oneshot::Sender<Result<Batch, LogError>>,
    },
}

/// The place of an append among those that are on their way, given back when dropped.
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

/// A connection to Redis: Redis is there when both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Link = 1,
    Follower = 2,
}

const BOTH: u8 = Side::Link as u8 | Side::Follower as u8;

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            cluster: Arc::new(Nodes::new(&settings.prefix)),
            settings,
            topics: RwLock::default(),
            there: AtomicU8::new(Side::Link as u8 | Side::Follower as u8),
            interruptions: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
        }
    }

    /// A topic, if it is known here.
    pub(crate) fn known(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).cloned()
    }

    /// A topic, made known if it is not.
    pub(crate) fn topic(&self, name: &TopicName) -> Arc<Topic> {
        self.known(name).unwrap_or_else(|| {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            let topic = topics
                .entry(name.clone())
                .or_insert_with(|| Arc::new(Topic::new(&self.settings.prefix, name)));
            Arc::clone(topic)
        })
    }

    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().cloned().collect()
    }

    /// Lets go what is too old, and forgets topics that nobody reads.
    pub(crate) fn maintain(&self, now: SystemTime) {
        for topic in self.topics() {
            topic.trim(now);
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|_, topic| !topic.is_idle(LINGER));
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
        LogHealth::new(
            self.there.load(Ordering::Relaxed) == BOTH,
            self.interruptions.load(Ordering::Relaxed),
            self.pending.load(Ordering::Relaxed),
        )
    }

    /// Redis is lost sight of.
    pub(crate) fn lost(&self, side: Side, why: &dyn fmt::Display) {
        if self.there.fetch_and(!(side as u8), Ordering::Relaxed) == BOTH {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                target: "sse_actix", redis = %self.settings.address, why = %why,
                "Redis is out of reach; streams stay open, and nothing is published"
            );
        }
    }

    fn is_there(&self, side: Side) -> bool {
        self.there.load(Ordering::Relaxed) & side as u8 != 0
    }

    pub(crate) fn found(&self, side: Side) {
        let before = self.there.fetch_or(side as u8, Ordering::Relaxed);
        if before != BOTH && before | side as u8 == BOTH {
            tracing::info!(
                target: "sse_actix", redis = %self.settings.address,
                "Redis is back; topics are read on from where they were"
            );
        }
    }
}

/// A new life's identity: as many bits as an epoch has of it.
fn new_life() -> String {
    (fastrand::u64(..) >> 19).to_string()
}

/// As many appends as there may be are on their way.
#[derive(Debug)]
pub(crate) struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "as much is on its way to Redis as may be at once; publish slower, or raise `max_pending`",
        )
    }
}

impl Error for Busy {}

/// There is no connection.
#[derive(Debug)]
struct Absent(String);

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis at {} is out of reach", self.0)
    }
}

impl Error for Absent {}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key holds something that was not written by sse-actix; give this application a prefix of its own")
    }
}

impl Error for Foreign {}

/// What went wrong on the way to Redis and back.
#[derive(Debug)]
pub(crate) enum Fault {
    Absent(String),
    Redis(RedisError),
    Foreign,
}

impl From<Foreign> for Fault {
    fn from(_: Foreign) -> Self {
        Self::Foreign
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(address) => Absent(address.clone()).fmt(f),
            Self::Redis(error) => error.fmt(f),
            Self::Foreign => Foreign.fmt(f),
        }
    }
}

impl Error for Fault {}

/// Runs until the last handle on the log is gone.
pub(crate) async fn run(
    shared: Arc<Shared>,
    client: redis::Client,
    first: MultiplexedConnection,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let link = Link::new(Arc::clone(&shared), client, first);
    spawn_local(Rc::clone(&link).keep());
    let driver = Rc::new(Driver {
        follower: Follower::new(Arc::clone(&shared)),
        shared,
        link,
    });
    spawn_local(Follower::run(Rc::clone(&driver)));
    spawn_local(nodes::tell_revocations(Rc::clone(&driver)));
    spawn_local(nodes::tell_presence(Rc::clone(&driver)));
    spawn_local(maintain(Rc::clone(&driver)));
    while let Some(command) = commands.recv().await {
        let driver = Rc::clone(&driver);
        match command {
            Command::Append {
                topic,
                record,
                retention,
                place,
                reply,
            } => {
                spawn_local(async move {
                    let appended = driver.append(&topic, record, &retention).await;
                    drop(place);
                    // Whoever published may be gone.
                    let _ = reply.send(appended);
                });
            }
            Command::Read {
                topic,
                start,
                limit,
                now,
                reply,
            } => {
                spawn_local(async move {
                    let _ = reply.send(driver.read(&topic, start, limit, now).await);
                });
            }
        }
    }
}

/// Maintains, also where no hub has a reader that would. Does not end.
async fn maintain(driver: Rc<Driver>) {
    loop {
        sleep(MAINTAINING).await;
        driver.shared.maintain(SystemTime::now());
    }
}

pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Rc<Link>,
    pub(crate) follower: Follower,
}

impl Driver {
    async fn append(
        &self,
        name: &TopicName,
        record: Record,
        retention: &Retention,
    ) -> Result<sse_actix_core::Appended, AppendError> {
        let settings = &self.shared.settings;
        let Some(Linked {
            mut connection,
            generation,
        }) = self.link.wait_for(settings.publish_wait).await
        else {
            return Err(AppendError::Refused(Absent(settings.address.clone()).into()));
        };
        let keys = crate::topic::Keys::new(&settings.prefix, name);
        let result: Result<Value, RedisError> = {
            let mut call = APPENDING.prepare_invoke();
            for key in &keys.0 {
                call.key(key);
            }
            call.arg(new_life())
                .arg(settings.topic_ttl(retention))
                .arg(record.body().as_ref())
                .arg(retention.events())
                .arg(millis(retention.age()))
                .arg(u8::from(record.key_str().is_some()))
                .arg(record.key_str().unwrap_or_default());
            call.invoke_async(&mut connection).await
        };
        let value = result.map_err(|error| {
            self.link.failed(generation, &error);
            if is_of_connection(&error) {
                AppendError::OutcomeUnknown(error.into())
            } else {
                AppendError::Refused(error.into())
            }
        })?;
        let appended =
            Appended::parse(value).map_err(|foreign| AppendError::OutcomeUnknown(foreign.into()))?;
        if let Some(topic) = self.shared.known(name) {
            // As long as the one that waits is away, what was revoked meanwhile has not been heard, and is to be
            // before anything that came later is read.
            let record = self.shared.is_there(Side::Follower).then_some(record);
            topic.published(&appended, record);
        }
        Ok(sse_actix_core::Appended {
            position: Position {
                epoch: Epoch::new(name, appended.life),
                sequence: appended.sequence,
            },
            repeated: false,
        })
    }

    async fn read(
        self: &Rc<Self>,
        topic: &Arc<Topic>,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Result<Batch, LogError> {
        let deadline = Instant::now() + READING;
        let failures = topic.failures();
        let mut ticket = None;
        loop {
            let changed = topic.changed().notified();
            if let Some(batch) = topic.read(start, limit, now, &mut ticket) {
                return Ok(batch);
            }
            self.work(topic);
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

    /// Does what is to be done for a topic, unless that is being done.
    pub(crate) fn work(self: &Rc<Self>, topic: &Arc<Topic>) {
        let Some(first) = topic.take_job(false) else {
            return;
        };
        let (driver, topic) = (Rc::clone(self), Arc::clone(topic));
        spawn_local(async move {
            let mut next = Some(first);
            while let Some(job) = next {
                if let Err(fault) = driver.perform(&topic, job).await {
                    tracing::debug!(
                        target: "sse_actix", topic = topic.name.as_str(), %fault, "a topic cannot be looked at"
                    );
                    topic.fail(fault.to_string());
                    return;
                }
                next = topic.take_job(true);
            }
        });
    }

    async fn perform(&self, topic: &Topic, job: Job) -> Result<(), Fault> {
        match job {
            Job::Look { latest, known } => {
                let newest = self.look(topic, latest).await?;
                if let Applied::Diverged { life } = topic.looked(newest, known, latest) {
                    self.renew(topic, life).await?;
                } else if known.is_none() {
                    self.follower.poke(&self.link);
                }
            }
            Job::History {
                life,
                until,
                events,
                bytes,
            } => {
                let mut chain = Chain::new(until);
                'pages: loop {
                    let linked = self.linked()?;
                    let mut call = redis::cmd("XREVRANGE");
                    let page = PAGE.min(events.saturating_sub(chain.len()).max(1));
                    call.arg(topic.keys.stream())
                        .arg(id_of(chain.next()))
                        .arg("-")
                        .arg("COUNT")
                        .arg(page);
                    let page = items(self.query(linked, &call).await?)?;
                    let is_last = page.is_empty();
                    for entry in page {
                        if !chain.push(Stored::parse(entry)?, events, bytes) {
                            break 'pages;
                        }
                    }
                    if is_last {
                        break;
                    }
                }
                topic.extend_back(life, until, chain);
            }
        }
        Ok(())
    }

    /// The stream went on from before what was known: begins another life of it, unless somebody has.
    pub(crate) async fn renew(&self, topic: &Topic, life: u64) -> Result<(), Fault> {
        tracing::warn!(
            target: "sse_actix", topic = topic.name.as_str(),
            "Redis has lost the newest events of a topic; its readers are told of a gap"
        );
        let Linked {
            mut connection,
            generation,
        } = self.linked()?;
        let mut call = RENEWING.prepare_invoke();
        for key in &topic.keys.0 {
            call.key(key);
        }
        call.arg(new_life())
            .arg(self.shared.settings.topic_ttl(&Retention::new()))
            .arg(life.to_string());
        let renewed: Result<Value, RedisError> = call.invoke_async(&mut connection).await;
        let renewed = renewed.map_err(|error| {
            self.link.failed(generation, &error);
            Fault::Redis(error)
        })?;
        topic.looked(Newest::parse(renewed)?, None, false);
        Ok(())
    }

    async fn look(&self, topic: &Topic, latest: bool) -> Result<Newest, Fault> {
        let Linked {
            mut connection,
            generation,
        } = self.linked()?;
        let mut call = LOOKING.prepare_invoke();
        for key in &topic.keys.0 {
            call.key(key);
        }
        call.arg(new_life())
            .arg(self.shared.settings.topic_ttl(&Retention::new()))
            .arg(u8::from(latest));
        let newest: Result<Value, RedisError> = call.invoke_async(&mut connection).await;
        let newest = newest.map_err(|error| {
            self.link.failed(generation, &error);
            Fault::Redis(error)
        })?;
        Ok(Newest::parse(newest)?)
    }

    fn linked(&self) -> Result<Linked, Fault> {
        let absent = || Fault::Absent(self.shared.settings.address.clone());
        self.link.get().ok_or_else(absent)
    }

    async fn query(&self, linked: Linked, call: &redis::Cmd) -> Result<Value, Fault> {
        let Linked {
            mut connection,
            generation,
        } = linked;
        call.query_async(&mut connection).await.map_err(|error| {
            self.link.failed(generation, &error);
            Fault::Redis(error)
        })
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
