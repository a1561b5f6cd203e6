//! What nodes tell each other besides events, through two streams that all of them read: what was revoked, and
//! who reads which topic where.
//!
//! Each node tells what has changed of its own presence, at least every second. One that begins, or that has been
//! cut off, says hello, and is told everything by everybody. One that has not been heard of for long is gone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt, mem,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use redis::{Cmd, Value, aio::MultiplexedConnection};
use sse_actix_core::{ClusterChannel, ClusterMessage, TopicName};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    driver::{Driver, Fault, PAGE, millis},
    entry::{Foreign, array, bytes, items},
    link::Linked,
};

/// How soon the others are told of a change, and how often at least.
const CHANGES: Duration = Duration::from_millis(100);
const BEAT: Duration = Duration::from_secs(1);

/// After how long without a word a node is gone.
const GONE: Duration = Duration::from_secs(5);

/// How many of them Redis keeps.
const KEPT_REVOCATIONS: usize = 100_000;
const KEPT_PRESENCE: usize = 10_000;

/// How many changes are told at once.
const AT_ONCE: usize = 1_000;

#[derive(Debug)]
pub(crate) struct NodesKeys {
    pub(crate) presence: String,
    pub(crate) revoked: String,
}

pub(crate) struct Nodes {
    /// This one.
    node: String,
    pub(crate) keys: NodesKeys,
    here: Mutex<Here>,
    revoking: Notify,
    elsewhere: RwLock<HashMap<String, Node>>,
    listeners: RwLock<Vec<Listener>>,
    at: Mutex<At>,
}

type Listener = Box<dyn Fn(ClusterMessage) + Send + Sync>;

/// What this node has to tell.
#[derive(Debug, Default)]
struct Here {
    revoked: VecDeque<(String, Instant)>,
    present: BTreeMap<TopicName, BTreeMap<Arc<str>, usize>>,
    changed: BTreeSet<(TopicName, Arc<str>)>,
    says_hello: bool,
    tells_all: bool,
}

/// What another node has told.
#[derive(Debug)]
struct Node {
    heard: Instant,
    present: BTreeMap<TopicName, BTreeMap<Arc<str>, usize>>,
}

/// Up to where the streams have been read.
#[derive(Debug)]
struct At {
    presence: String,
    revoked: Option<String>,
    /// Whatever comes now was not there yet at this time.
    asked: Instant,
    /// Not everything came that was there.
    more: bool,
}

/// A change, as it is told: topic, tag, streams.
type Change = (String, String, usize);

/// A revocation, as it is told: the tag, and how many milliseconds ago.
type Revocation = (String, u64);

impl Nodes {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            node: format!("{:016x}", fastrand::u64(..)),
            keys: NodesKeys {
                presence: format!("{prefix}:presence"),
                revoked: format!("{prefix}:revoked"),
            },
            here: Mutex::default(),
            revoking: Notify::new(),
            elsewhere: RwLock::default(),
            listeners: RwLock::default(),
            at: Mutex::new(At {
                presence: FIRST.to_owned(),
                revoked: None,
                asked: Instant::now(),
                more: false,
            }),
        }
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        // No code that could panic runs under this lock.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, heard: &ClusterMessage) {
        for listener in self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            listener(heard.clone());
        }
    }

    fn lock_at(&self) -> MutexGuard<'_, At> {
        // No code that could panic runs under this lock.
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the streams are read, for the first time or again.
    pub(crate) async fn begin(&self, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
        // Who is there is told anew, so what was told before is of no interest.
        let presence = newest(connection, &self.keys.presence).await?;
        let asked = Instant::now();
        let known = self.lock_at().revoked.clone();
        let revoked = match known {
            Some(at) if exists(connection, &self.keys.revoked, &at).await? => None,
            Some(_) => {
                // Lost, perhaps with newer ones, which others have not missed.
                self.tell(&ClusterMessage::RevokedUnknown);
                Some(self.mark(connection, "lost").await?)
            }
            None => match newest(connection, &self.keys.revoked).await? {
                Some(newest) => Some(newest),
                // Something whose loss can be seen.
                None => Some(self.mark(connection, "begin").await?),
            },
        };
        let mut at = self.lock_at();
        at.presence = presence.unwrap_or_else(|| FIRST.to_owned());
        if revoked.is_some() {
            at.revoked = revoked;
            at.asked = asked;
        }
        drop(at);
        let mut here = self.here();
        here.says_hello = true;
        here.tells_all = true;
        Ok(())
    }

    /// Appends to what was revoked something that says of no tag that it was. Its id.
    async fn mark(&self, connection: &mut MultiplexedConnection, kind: &str) -> Result<String, Fault> {
        let marked: Value = self
            .message(&self.keys.revoked, KEPT_REVOCATIONS, kind, "")
            .query_async(connection)
            .await
            .map_err(Fault::Redis)?;
        Ok(text(marked)?)
    }

    fn message(&self, key: &str, kept: usize, kind: &str, what: &str) -> Cmd {
        let mut call = redis::cmd("XADD");
        call.arg(key).arg("MAXLEN").arg("~").arg(kept).arg("*");
        call.arg("n")
            .arg(&self.node)
            .arg("k")
            .arg(kind)
            .arg("d")
            .arg(what);
        call
    }

    /// After which entries to read on, in the order of the keys.
    pub(crate) fn at(&self) -> [String; 2] {
        let at = self.lock_at();
        let revoked = at.revoked.clone().unwrap_or_else(|| FIRST.to_owned());
        [at.presence.clone(), revoked]
    }

    /// Redis has answered what was asked at this time: what comes later was not there then.
    pub(crate) fn heard(&self, asked: Instant) {
        let mut at = self.lock_at();
        if !mem::take(&mut at.more) {
            at.asked = asked;
        }
    }

    /// Takes in what is new, if it is of one of these streams.
    pub(crate) fn receive(&self, key: &[u8], entries: &[Value]) -> Result<bool, Foreign> {
        let is_presence = key == self.keys.presence.as_bytes();
        if !is_presence && key != self.keys.revoked.as_bytes() {
            return Ok(false);
        }
        if !is_presence && entries.len() >= PAGE {
            self.lock_at().more = true;
        }
        for entry in entries {
            let [id, fields] = array(entry.clone())?;
            let id = text(id)?;
            let mut at = self.lock_at();
            let asked = at.asked;
            if is_presence {
                at.presence = id;
            } else {
                at.revoked = Some(id);
            }
            drop(at);
            // What makes no sense is of no use, and of no harm.
            let Ok([_, from, _, kind, _, what]) = array::<6>(fields) else {
                continue;
            };
            let (from, kind, what) = (text(from)?, text(kind)?, text(what)?);
            if from == self.node {
                continue;
            }
            match kind.as_str() {
                "revoked" if !is_presence => {
                    let Ok((tag, ago)) = serde_json::from_str::<Revocation>(&what) else {
                        continue;
                    };
                    let within = asked.elapsed().saturating_add(Duration::from_millis(ago));
                    self.tell(&ClusterMessage::Revoked { tag, within });
                }
                "lost" if !is_presence => self.tell(&ClusterMessage::RevokedUnknown),
                "hello" => self.here().tells_all = true,
                "all" | "changes" => self.take(&from, kind == "all", &what),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Takes in what a node tells of its presence.
    fn take(&self, from: &str, is_all: bool, what: &str) {
        let Ok(changes) = serde_json::from_str::<Vec<Change>>(what) else {
            return;
        };
        let mut topics = BTreeSet::new();
        {
            let mut elsewhere = self.elsewhere.write().unwrap_or_else(PoisonError::into_inner);
            if !elsewhere.contains_key(from) && !is_all {
                // Not without what was before.
                return;
            }
            let node = elsewhere.entry(from.to_owned()).or_insert_with(|| Node {
                heard: Instant::now(),
                present: BTreeMap::new(),
            });
            node.heard = Instant::now();
            if is_all {
                topics.extend(mem::take(&mut node.present).into_keys());
            }
            for (topic, tag, streams) in changes {
                let Ok(topic) = TopicName::try_from(topic) else {
                    continue;
                };
                let tag: Arc<str> = tag.into();
                let tags = node.present.entry(topic.clone()).or_default();
                if streams == 0 {
                    tags.remove(&tag);
                } else {
                    tags.insert(tag, streams);
                }
                if tags.is_empty() {
                    node.present.remove(&topic);
                }
                topics.insert(topic);
            }
        }
        for topic in topics {
            self.tell(&ClusterMessage::Presence(topic));
        }
    }

    /// Forgets nodes of which nothing was heard for long.
    fn forget_silent(&self) {
        let mut gone = BTreeSet::new();
        self.elsewhere
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, node| {
                let is_there = node.heard.elapsed() < GONE;
                if !is_there {
                    gone.extend(mem::take(&mut node.present).into_keys());
                }
                is_there
            });
        for topic in gone {
            self.tell(&ClusterMessage::Presence(topic));
        }
    }

    /// What is to be told of the presence here: kinds of messages, each with what it says.
    fn changes(&self, beats: bool) -> Vec<(&'static str, String)> {
        let mut here = self.here();
        let mut messages = Vec::new();
        if mem::take(&mut here.says_hello) {
            messages.push(("hello", String::new()));
        }
        let is_all = mem::take(&mut here.tells_all);
        let new = mem::take(&mut here.changed);
        let changes: Vec<Change> = if is_all {
            let topics = here.present.iter();
            let all = topics.flat_map(|(topic, tags)| {
                tags.iter()
                    .map(|(tag, streams)| (topic.to_string(), tag.to_string(), *streams))
            });
            all.collect()
        } else {
            let count = |topic: &TopicName, tag: &Arc<str>| {
                here.present.get(topic).and_then(|tags| tags.get(tag)).copied()
            };
            let new = new.into_iter();
            new.map(|(topic, tag)| {
                let streams = count(&topic, &tag).unwrap_or(0);
                (topic.to_string(), tag.to_string(), streams)
            })
            .collect()
        };
        drop(here);
        let mut kind = if is_all { "all" } else { "changes" };
        for some in changes.chunks(AT_ONCE) {
            messages.push((kind, serde_json::to_string(some).unwrap_or_default()));
            kind = "changes";
        }
        if changes.is_empty() && (is_all || beats) {
            messages.push((kind, "[]".to_owned()));
        }
        messages
    }
}

impl ClusterChannel for Nodes {
    fn revoke(&self, tag: &str) {
        self.here().revoked.push_back((tag.to_owned(), Instant::now()));
        self.revoking.notify_one();
    }

    fn present(&self, topic: &TopicName, tag: &str, streams: usize) {
        let mut here = self.here();
        let tags = here.present.entry(topic.clone()).or_default();
        let tag: Arc<str> = tag.into();
        if streams == 0 {
            tags.remove(&tag);
        } else {
            tags.insert(Arc::clone(&tag), streams);
        }
        if tags.is_empty() {
            here.present.remove(topic);
        }
        here.changed.insert((topic.clone(), tag));
    }

    fn elsewhere(&self, topic: &TopicName) -> BTreeMap<Arc<str>, usize> {
        let mut sum = BTreeMap::new();
        for node in self
            .elsewhere
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            for (tag, streams) in node.present.get(topic).into_iter().flatten() {
                *sum.entry(Arc::clone(tag)).or_insert(0) += streams;
            }
        }
        sum
    }

    fn listen(&self, hear: Listener) {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(hear);
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// Tells the others what was revoked, in order, until Redis has it. Does not end.
pub(crate) async fn tell_revocations(driver: Rc<Driver>) {
    let nodes = Arc::clone(&driver.shared.cluster);
    loop {
        let Some((tag, at)) = nodes.here().revoked.front().cloned() else {
            nodes.revoking.notified().await;
            continue;
        };
        let linked = driver.link.wait().await;
        // Rounded up: rather too long ago than too short.
        let ago = millis(at.elapsed()) + 1;
        let message = serde_json::to_string(&(tag, ago)).unwrap_or_default();
        let messages = [("revoked", message)];
        match driver
            .tell(linked, &nodes, &nodes.keys.revoked, KEPT_REVOCATIONS, &messages)
            .await
        {
            Ok(()) => drop(nodes.here().revoked.pop_front()),
            Err(fault) => {
                tracing::warn!(target: "sse_actix", %fault, "the other nodes are not told yet what was revoked");
                sleep(CHANGES).await;
            }
        }
    }
}

/// Tells the others who is here. Does not end.
pub(crate) async fn tell_presence(driver: Rc<Driver>) {
    let nodes = Arc::clone(&driver.shared.cluster);
    let mut ticks = interval(CHANGES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Instant::now();
    loop {
        ticks.tick().await;
        nodes.forget_silent();
        let messages = nodes.changes(told.elapsed() >= BEAT);
        if messages.is_empty() {
            continue;
        }
        told = Instant::now();
        let linked = driver.link.wait().await;
        if driver
            .tell(linked, &nodes, &nodes.keys.presence, KEPT_PRESENCE, &messages)
            .await
            .is_err()
        {
            // Once Redis is back, everything is told.
            nodes.here().tells_all = true;
        }
    }
}

impl Driver {
    async fn tell(
        &self,
        mut linked: Linked,
        nodes: &Nodes,
        key: &str,
        kept: usize,
        messages: &[(&str, String)],
    ) -> Result<(), Fault> {
        let mut calls = redis::pipe();
        for (kind, what) in messages {
            calls.add_command(nodes.message(key, kept, kind, what)).ignore();
        }
        let told = calls.query_async(&mut linked.connection).await;
        told.map_err(|error| {
            self.link.failed(linked.generation, &error);
            Fault::Redis(error)
        })
    }
}

/// Before every entry.
const FIRST: &str = "0-0";

async fn newest(connection: &mut MultiplexedConnection, key: &str) -> Result<Option<String>, Fault> {
    let mut call = redis::cmd("XREVRANGE");
    call.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
    let newest: Value = call.query_async(connection).await.map_err(Fault::Redis)?;
    let Some(entry) = items(newest)?.pop() else {
        return Ok(None);
    };
    let [id, _] = array(entry)?;
    Ok(Some(text(id)?))
}

async fn exists(connection: &mut MultiplexedConnection, key: &str, id: &str) -> Result<bool, Fault> {
    let mut call = redis::cmd("XREVRANGE");
    call.arg(key).arg(id).arg(id);
    let found: Value = call.query_async(connection).await.map_err(Fault::Redis)?;
    Ok(!items(found)?.is_empty())
}

fn text(value: Value) -> Result<String, Foreign> {
    String::from_utf8(bytes(value)?).map_err(|_| Foreign)
}
