mod message;
mod missed;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redis::Script;
use sse_actix_core::ClusterMessage;
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

use self::waiting::{Revoked, Waiting};
use super::Nodes;
use crate::{
    connect::{Hearing, Primaries, Session},
    fault::{Fault, FaultLog},
    keys::Keys,
    value::text,
};

/// How many messages Redis keeps.
const KEPT: usize = 20_000;

/// How many messages are read at once at first, and at most, if they are small.
const PAGE: usize = 16;
const LARGEST_PAGE: usize = 1_024;

/// A page of messages that has fewer bytes is small.
const SMALL: usize = 64 * 1024;

/// The pause before it sends revocations again that Redis has not accepted.
const PAUSE: Duration = Duration::from_millis(100);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("revoke.lua")));

/// How long it waits for a primary, or until it knows which primaries there are.
const WAIT_FOR_PRIMARY: Duration = Duration::from_secs(2);

/// The revocations of this node and of the other nodes.
///
/// Each primary holds all revocations, in the stream of the first group that it holds, because primaries have no common
/// order. So if an event is published at any primary after a revocation is complete, the event arrives after the
/// revocation.
#[derive(Debug)]
pub(crate) struct Revocations {
    waiting: Mutex<Waiting>,
    pushed: Notify,
    /// For each group, the place up to which it was read.
    read_up_to: Mutex<HashMap<u16, ReadUpTo>>,
    /// The node follows all primaries. Before, it has no streams, so it has missed nothing.
    has_begun: AtomicBool,
    faults: FaultLog,
}

/// Up to where messages of a group have been read.
#[derive(Debug)]
struct ReadUpTo {
    at: MessageId,
    /// True if a notice arrived, but the message before it did not.
    missed: bool,
    /// How many messages are read at once: fewer if the line is slow.
    page: usize,
}

/// Milliseconds and a count.
type MessageId = (u64, u64);

/// Before every message.
const NO_MESSAGE: MessageId = (0, 0);

impl Revocations {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            pushed: Notify::new(),
            read_up_to: Mutex::default(),
            has_begun: AtomicBool::new(false),
            faults: FaultLog::default(),
        }
    }

    /// The node follows all primaries that there were when it started.
    pub(crate) fn set_begun(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Revokes a tag on the other nodes. The returned completion completes when Redis has it.
    pub(super) fn push(&self, tag: &str) -> oneshot::Receiver<()> {
        let (reply, told) = oneshot::channel();
        let revoked = Revoked {
            since: Instant::now(),
            replies: vec![reply],
        };
        self.waiting().push(tag.to_owned(), revoked);
        self.pushed.notify_one();
        told
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code that could panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_up_to(&self) -> MutexGuard<'_, HashMap<u16, ReadUpTo>> {
        // No code that could panic runs under this lock.
        self.read_up_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a notice of a group: the message's id, the id before it, the node, the kind, a line feed, the message.
    /// Returns its content, or `None` if a message before it did not arrive.
    pub(crate) fn receive(
        &self,
        this: &str,
        group: u16,
        notice: &[u8],
        hearing: &Hearing,
    ) -> Option<Vec<ClusterMessage>> {
        let words = std::str::from_utf8(notice).ok().and_then(|text| {
            let (head, what) = text.split_once('\n')?;
            let mut words = head.split(' ');
            let (id, previous) = (parse_id(words.next()?)?, parse_id(words.next()?)?);
            Some((id, previous, words.next()?, words.next()?, what))
        });
        let Some((id, previous, node, kind, what)) = words else {
            return Some(Vec::new());
        };
        let mut read_up_to = self.read_up_to();
        match read_up_to.get_mut(&group) {
            // The message is read when the session begins.
            None => return Some(Vec::new()),
            Some(read) if id <= read.at => return Some(Vec::new()),
            Some(read) if previous > read.at => {
                read.missed = true;
                return None;
            }
            Some(read) => read.at = id,
        }
        drop(read_up_to);
        Some(if node == this {
            Vec::new()
        } else {
            message::parse(id, kind, what, hearing)
        })
    }

    /// Sends this node's revocations to the other nodes, in order, until every primary has them. Does not end.
    pub(crate) async fn run(nodes: Arc<Nodes>, keys: Arc<Keys>, primaries: Rc<Primaries>) {
        let this = &nodes.revocations;
        loop {
            if this.waiting().is_empty() {
                this.pushed.notified().await;
                continue;
            }
            let next = this.waiting().take();
            match nodes.send_to_all(&keys, &primaries, &next).await {
                Ok(()) => {
                    for reply in next.into_iter().flat_map(|(_, revoked)| revoked.replies) {
                        // Perhaps no caller waits for it.
                        let _ = reply.send(());
                    }
                }
                Err(fault) => {
                    if let Some(times) = this.faults.count("revoke") {
                        tracing::warn!(
                            target: "sse_actix", %fault, times,
                            "a revocation could not be sent to the other nodes yet"
                        );
                    }
                    for (tag, revoked) in next {
                        this.waiting().push(tag, revoked);
                    }
                    primaries.request_owners();
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Nodes {
    /// Sends revocations to every primary. Afterwards it asks again which primaries there are, because a new one may
    /// have appeared meanwhile.
    async fn send_to_all(
        &self,
        keys: &Keys,
        primaries: &Primaries,
        revoked: &[(String, Revoked)],
    ) -> Result<(), Fault> {
        let mut sent_to = BTreeSet::new();
        loop {
            if !primaries.is_whole() || primaries.all().is_empty() {
                return Err(Fault::Incomplete);
            }
            for primary in primaries.all() {
                if sent_to.contains(&primary.node) {
                    continue;
                }
                let Some(session) = primary.wait_for(WAIT_FOR_PRIMARY).await else {
                    return Err(Fault::Absent(primary.node.clone()));
                };
                let message = message::write(session.hearing.clock(), revoked);
                self.send(&session, keys, "revoked", &message).await?;
                sent_to.insert(primary.node.clone());
            }
            if !primaries
                .refresh_owners(tokio::time::Instant::now() + WAIT_FOR_PRIMARY)
                .await
            {
                return Err(Fault::Incomplete);
            }
            if primaries
                .all()
                .iter()
                .all(|primary| sent_to.contains(&primary.node))
            {
                return Ok(());
            }
        }
    }

    /// Appends a message at a primary, in the first of its groups that is not moving to another primary.
    async fn send(
        &self,
        session: &Session,
        keys: &Keys,
        kind: &str,
        message: &str,
    ) -> Result<(u16, MessageId), Fault> {
        let mut connection = session.publishing.clone();
        let mut why = Fault::Incomplete;
        for group in &session.groups {
            let mut call = SCRIPT.key(keys.revoked(*group));
            call.arg(KEPT).arg(&self.name).arg(kind).arg(message);
            call.arg(keys.publish());
            match call.invoke_async(&mut connection).await.map_err(Fault::Redis) {
                Ok(id) => return Ok((*group, parse_id(&text(id)?).ok_or(Fault::Unexpected)?)),
                Err(fault) if fault.is_of_slot() => why = fault,
                Err(fault) => return Err(fault),
            }
        }
        Err(why)
    }
}

fn parse_id(text: &str) -> Option<MessageId> {
    let (millis, count) = text.split_once('-')?;
    Some((millis.parse().ok()?, count.parse().ok()?))
}
