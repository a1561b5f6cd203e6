use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redis::{Pipeline, Value};
use sse_actix_core::{ClusterMessage, TopicName};
use tokio::time::{MissedTickBehavior, interval};

use super::Nodes;
use crate::{
    connect::{Primaries, Session},
    fault::FaultLog,
};

/// How soon a change is sent to the other nodes, and the longest time between messages.
const CHANGES: Duration = Duration::from_millis(100);
const BEAT: Duration = Duration::from_secs(1);

/// A node that has sent nothing for this long counts as gone.
const GONE: Duration = Duration::from_secs(5);

/// How many changes one message holds.
const AT_ONCE: usize = 1_000;

/// The presence on all nodes. Each node sends the changes of its own presence, at least every second. A node that
/// starts, or was cut off, sends a hello, and all other nodes answer with their complete presence. A node that has sent
/// nothing for a long time counts as gone.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) channel: String,
    here: Mutex<Here>,
    elsewhere: Mutex<HashMap<String, Elsewhere>>,
    faults: FaultLog,
}

type Tags = BTreeMap<TopicName, BTreeMap<Arc<str>, usize>>;

/// This node's presence, with the changes that were not sent yet.
#[derive(Debug, Default)]
struct Here {
    present: Tags,
    changed: BTreeSet<(TopicName, Arc<str>)>,
    says_hello: bool,
    said_hello: Option<Instant>,
    sends_all: bool,
}

/// The presence on another node.
#[derive(Debug)]
struct Elsewhere {
    heard: Instant,
    present: Tags,
}

/// A change in a message: topic, tag, streams.
type Change = (String, String, usize);

impl Presence {
    pub(super) fn new(channel: String) -> Self {
        Self {
            channel,
            here: Mutex::default(),
            elsewhere: Mutex::default(),
            faults: FaultLog::default(),
        }
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        // No code that could panic runs under this lock.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<String, Elsewhere>> {
        // No code that could panic runs under this lock.
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, topic: &TopicName, tag: &str, streams: usize) {
        let mut here = self.here();
        let tag: Arc<str> = tag.into();
        set(&mut here.present, topic, &tag, streams);
        if !here.sends_all {
            here.changed.insert((topic.clone(), tag));
        }
    }

    pub(super) fn elsewhere(&self, topic: &TopicName) -> BTreeMap<Arc<str>, usize> {
        let mut sum = BTreeMap::new();
        for node in self.nodes().values() {
            for (tag, streams) in node.present.get(topic).into_iter().flatten() {
                *sum.entry(Arc::clone(tag)).or_insert(0) += streams;
            }
        }
        sum
    }

    /// Starts again after another session has subscribed: this node did not receive what the others have sent in
    /// between.
    fn begin(&self) {
        let mut here = self.here();
        here.says_hello = true;
        here.said_hello = None;
        here.send_all_again();
    }

    /// Handles a message of a node: its name, a space, the kind of message, a line feed, the message. Returns the
    /// topics whose presence has changed.
    pub(crate) fn receive(&self, this: &str, message: &[u8]) -> Vec<ClusterMessage> {
        let parts = std::str::from_utf8(message).ok().and_then(|text| {
            let (head, message) = text.split_once('\n')?;
            let (from, kind) = head.split_once(' ')?;
            Some((from, kind, message))
        });
        // A message that cannot be parsed is ignored.
        let Some((from, kind, message)) = parts.filter(|(from, ..)| *from != this) else {
            return Vec::new();
        };
        match kind {
            "hello" => {
                self.here().send_all_again();
                Vec::new()
            }
            "all" | "changes" => self.take(from, kind == "all", message),
            _ => Vec::new(),
        }
    }

    fn take(&self, from: &str, is_all: bool, message: &str) -> Vec<ClusterMessage> {
        let Ok(changes) = serde_json::from_str::<Vec<Change>>(message) else {
            return Vec::new();
        };
        let mut topics = BTreeSet::new();
        let mut nodes = self.nodes();
        if !nodes.contains_key(from) && !is_all {
            // The changes are of no use without that node's earlier presence. This node may have forgotten it after it
            // had stopped for a long time. So it asks for everything.
            drop(nodes);
            self.here().says_hello = true;
            return Vec::new();
        }
        let node = nodes.entry(from.to_owned()).or_insert_with(|| Elsewhere {
            heard: Instant::now(),
            present: Tags::new(),
        });
        node.heard = Instant::now();
        if is_all {
            topics.extend(mem::take(&mut node.present).into_keys());
        }
        for (topic, tag, streams) in changes {
            let Ok(topic) = TopicName::try_from(topic) else {
                continue;
            };
            set(&mut node.present, &topic, &tag.into(), streams);
            topics.insert(topic);
        }
        drop(nodes);
        topics.into_iter().map(ClusterMessage::Presence).collect()
    }

    /// Forgets nodes that have sent nothing for a long time.
    fn forget_silent(&self) -> Vec<ClusterMessage> {
        let mut gone = BTreeSet::new();
        self.nodes().retain(|_, node| {
            let is_there = node.heard.elapsed() < GONE;
            if !is_there {
                gone.extend(mem::take(&mut node.present).into_keys());
            }
            is_there
        });
        gone.into_iter().map(ClusterMessage::Presence).collect()
    }

    /// The messages about the presence on this node, each with its kind.
    fn changes(&self, beats: bool) -> Vec<(&'static str, String)> {
        let mut here = self.here();
        let mut messages = Vec::new();
        let may_say = here.said_hello.is_none_or(|said| said.elapsed() >= BEAT);
        if may_say && mem::take(&mut here.says_hello) {
            here.said_hello = Some(Instant::now());
            messages.push(("hello", String::new()));
        }
        let is_all = mem::take(&mut here.sends_all);
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

    /// Listens in this session. One session is enough, because a cluster passes what is published on to all its nodes.
    /// Returns whether this node now listens.
    async fn subscribe(&self, session: &Session) -> bool {
        let mut connection = session.subscribed.clone();
        let mut call = redis::cmd("SUBSCRIBE");
        call.arg(&self.channel);
        let answer = tokio::select! {
            answer = call.query_async::<Value>(&mut connection) => answer,
            () = session.ended() => return false,
        };
        if let Err(error) = &answer
            && let Some(times) = self.faults.count("subscribe")
        {
            tracing::warn!(
                target: "sse_actix", %error, times, "the presence of other nodes is not known"
            );
        }
        answer.is_ok()
    }

    /// Sends this node's presence to the other nodes. Does not end.
    pub(crate) async fn run(nodes: Arc<Nodes>, primaries: Rc<Primaries>) {
        let this = &nodes.presence;
        let mut ticks = interval(CHANGES);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Instant::now();
        let mut subscribed = 0;
        loop {
            ticks.tick().await;
            nodes.announce(this.forget_silent());
            let Some(session) = primaries.oldest_session() else {
                this.here().send_all_again();
                continue;
            };
            if subscribed != session.number {
                if !this.subscribe(&session).await {
                    continue;
                }
                subscribed = session.number;
                this.begin();
            }
            let messages = this.changes(told.elapsed() >= BEAT);
            if messages.is_empty() {
                continue;
            }
            told = Instant::now();
            let mut calls = Pipeline::new();
            for (kind, message) in messages {
                let message = format!("{} {kind}\n{message}", nodes.name);
                calls.cmd("PUBLISH").arg(&this.channel).arg(message);
            }
            let mut connection = session.publishing.clone();
            if calls.query_async::<Vec<Value>>(&mut connection).await.is_err() {
                // Once Redis is back, the complete presence is sent.
                this.here().send_all_again();
            }
        }
    }
}

impl Here {
    /// Makes the next message contain the complete presence. It includes the changes.
    fn send_all_again(&mut self) {
        self.sends_all = true;
        self.changed.clear();
    }
}

fn set(tags: &mut Tags, topic: &TopicName, tag: &Arc<str>, streams: usize) {
    let of_topic = tags.entry(topic.clone()).or_default();
    if streams == 0 {
        of_topic.remove(tag);
    } else {
        of_topic.insert(Arc::clone(tag), streams);
    }
    if of_topic.is_empty() {
        tags.remove(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(presence: &Presence) -> Vec<&'static str> {
        let messages = presence.changes(false);
        messages.into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn who_is_not_known_is_asked_for_everything_once_a_second() {
        let presence = Presence::new("p".to_owned());
        for expected in [&["hello"][..], &[]] {
            assert!(presence.receive("me", b"you changes\n[]").is_empty());
            assert_eq!(kinds(&presence), expected);
        }
        presence.receive("me", b"you all\n[[\"n\",\"ann\",2]]");
        let ann = presence.elsewhere(&TopicName::from_static("n"));
        assert_eq!(ann.values().sum::<usize>(), 2);
    }

    #[test]
    fn while_everything_is_to_be_told_no_change_is_kept() {
        let presence = Presence::new("p".to_owned());
        let topic = TopicName::from_static("n");
        presence.set(&topic, "ann", 1);
        presence.begin();
        presence.set(&topic, "bob", 1);
        assert!(presence.here().changed.is_empty());
        assert_eq!(kinds(&presence), ["hello", "all"]);
        presence.set(&topic, "bob", 0);
        assert_eq!(kinds(&presence), ["changes"]);
    }
}
