#[cfg(test)]
mod tests;
mod waiting;

use std::{
    rc::Rc,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redis::{Script, Value, aio::MultiplexedConnection};
use sse_actix_core::ClusterMessage;
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

use self::waiting::{Revoked, Waiting};
use super::Nodes;
use crate::{
    connect::Sessions,
    fault::{Fault, FaultLog},
    settings::millis,
    value::{array, items, text},
};

/// How many messages Redis keeps.
const KEPT: usize = 20_000;

/// The most messages that are read at once.
const PAGE: usize = 16;

/// The pause before it sends revocations again that Redis has not accepted.
const PAUSE: Duration = Duration::from_millis(100);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("revoke.lua")));

/// A message: the lowest possible time of Redis' clock when it was written, if known, and revocations, each with its
/// tag and its age in milliseconds at that time.
type Message = (Option<u64>, Vec<(String, u64)>);

/// How long a message may take to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// The revocations of this node and of the others.
#[derive(Debug)]
pub(crate) struct Revocations {
    pub(crate) channel: String,
    waiting: Mutex<Waiting>,
    pushed: Notify,
    place: Mutex<Place>,
    faults: FaultLog,
}

/// The place up to which messages were read.
#[derive(Debug)]
struct Place {
    at: Option<MessageId>,
    /// True if a notice came whose predecessor was missed.
    missed: bool,
    /// How many messages are read at once: fewer if the line is slow.
    page: usize,
    clock: Option<Clock>,
    /// Messages that come now did not exist yet at this time.
    listening: Instant,
}

/// A reading of Redis' clock, in milliseconds, taken between two times of this node.
#[derive(Debug, Clone, Copy)]
struct Clock {
    after: Instant,
    before: Instant,
    millis: u64,
}

impl Clock {
    /// The lowest possible value of the clock now.
    fn at_least(&self) -> u64 {
        self.millis + millis(self.before.elapsed())
    }

    /// The highest possible value of the clock now.
    fn at_most(&self) -> u64 {
        self.millis + millis(self.after.elapsed()) + 2
    }
}

/// Milliseconds and a count.
type MessageId = (u64, u64);

impl Revocations {
    pub(super) fn new(channel: String) -> Self {
        Self {
            channel,
            waiting: Mutex::default(),
            pushed: Notify::new(),
            place: Mutex::new(Place {
                at: None,
                missed: false,
                page: PAGE,
                clock: None,
                listening: Instant::now(),
            }),
            faults: FaultLog::default(),
        }
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

    fn place(&self) -> MutexGuard<'_, Place> {
        // No code that could panic runs under this lock.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the answer to a heartbeat that was sent at this time, with the clock of Redis.
    pub(crate) fn heard(&self, sent: Instant, clock: Option<u64>) {
        let mut place = self.place();
        place.listening = sent;
        place.clock = clock.map(|millis| Clock {
            after: sent,
            before: Instant::now(),
            millis,
        });
    }

    /// Reads the revocations from the time when this node did not listen, to their end. Call it before any topic is
    /// read.
    pub(crate) async fn begin(nodes: &Nodes, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
        let this = &nodes.revocations;
        let known = this.place().at;
        let newest = this.newest(connection).await?;
        match (known, newest) {
            (None, Some(newest)) => this.place().at = Some(newest),
            // Something whose loss can be seen.
            (None, None) => this.place().at = Some(nodes.mark(connection, "begin").await?),
            (Some(at), _) if this.exists(connection, at).await? => {}
            (Some(_), _) => {
                // Lost, perhaps with newer ones, which others have not missed.
                this.place().at = Some(nodes.mark(connection, "lost").await?);
                nodes.announce([ClusterMessage::RevokedUnknown]);
            }
        }
        this.read_to_end(nodes, connection).await
    }

    async fn read_to_end(&self, nodes: &Nodes, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
        while let Some((at, size)) = self.turns_page() {
            let mut call = redis::cmd("XRANGE");
            call.arg(&self.channel)
                .arg(format!("({}-{}", at.0, at.1))
                .arg("+");
            let page = call.arg("COUNT").arg(size).query_async::<Value>(connection).await;
            let page = page.inspect_err(|error| {
                if error.is_timeout() {
                    // The next session asks for less.
                    self.place().page = (size / 2).max(1);
                }
            })?;
            if self.take_page(nodes, items(page)?, size)? {
                break;
            }
        }
        Ok(())
    }

    /// The message after which a page has to be read now, and the size of the page.
    fn turns_page(&self) -> Option<(MessageId, usize)> {
        let mut place = self.place();
        place.missed = false;
        Some((place.at?, place.page))
    }

    /// Handles a page of at most this many messages. Returns true if there are no later unknown messages.
    fn take_page(&self, nodes: &Nodes, page: Vec<Value>, size: usize) -> Result<bool, Fault> {
        let is_last = page.len() < size;
        for entry in page {
            let [id, fields] = array(entry)?;
            let Some(id) = parse_id(&text(id)?) else { continue };
            let messages = match array::<6>(fields).ok().and_then(|[_, node, _, kind, _, what]| {
                Some((text(node).ok()?, text(kind).ok()?, text(what).ok()?))
            }) {
                Some((node, kind, what)) if node != nodes.name => self.parse(id, &kind, &what),
                _ => Vec::new(),
            };
            {
                // Notices may have come further meanwhile.
                let mut place = self.place();
                place.at = place.at.max(Some(id));
            }
            nodes.announce(messages);
        }
        Ok(is_last && !self.place().missed)
    }

    /// Handles a notice: the message's id, the id before it, the node, the kind, a line feed, the message. Returns its
    /// content, or `None` if an earlier message was missed.
    pub(crate) fn receive(&self, this: &str, notice: &[u8]) -> Option<Vec<ClusterMessage>> {
        let words = std::str::from_utf8(notice).ok().and_then(|text| {
            let (head, what) = text.split_once('\n')?;
            let mut words = head.split(' ');
            let (id, previous) = (parse_id(words.next()?)?, parse_id(words.next()?)?);
            Some((id, previous, words.next()?, words.next()?, what))
        });
        let Some((id, previous, node, kind, what)) = words else {
            return Some(Vec::new());
        };
        let mut place = self.place();
        match place.at {
            // It is read when the session begins.
            None => return Some(Vec::new()),
            Some(at) if id <= at => return Some(Vec::new()),
            Some(at) if previous > at => {
                place.missed = true;
                return None;
            }
            Some(_) => place.at = Some(id),
        }
        drop(place);
        Some(if node == this {
            Vec::new()
        } else {
            self.parse(id, kind, what)
        })
    }

    fn parse(&self, id: MessageId, kind: &str, what: &str) -> Vec<ClusterMessage> {
        match kind {
            "revoked" => {
                let Ok((written, told)) = serde_json::from_str::<Message>(what) else {
                    return Vec::new();
                };
                let age = self.age_of(id, written);
                told.into_iter()
                    .map(|(tag, ago)| ClusterMessage::Revoked {
                        tag,
                        within: age.saturating_add(Duration::from_millis(ago)),
                    })
                    .collect()
            }
            "lost" => vec![ClusterMessage::RevokedUnknown],
            _ => Vec::new(),
        }
    }

    /// The highest possible age of a message.
    fn age_of(&self, (appended, _): MessageId, written: Option<u64>) -> Duration {
        let place = self.place();
        match (place.clock, written) {
            (Some(clock), Some(written)) => Duration::from_millis(clock.at_most().saturating_sub(written)),
            (Some(clock), None) => {
                ON_ITS_WAY + Duration::from_millis(clock.at_most().saturating_sub(appended))
            }
            (None, _) => ON_ITS_WAY + place.listening.elapsed(),
        }
    }

    async fn newest(&self, connection: &mut MultiplexedConnection) -> Result<Option<MessageId>, Fault> {
        let mut call = redis::cmd("XREVRANGE");
        call.arg(&self.channel).arg("+").arg("-").arg("COUNT").arg(1);
        let newest: Value = call.query_async(connection).await?;
        let Some(entry) = items(newest)?.pop() else {
            return Ok(None);
        };
        let [id, _] = array(entry)?;
        Ok(parse_id(&text(id)?))
    }

    async fn exists(&self, connection: &mut MultiplexedConnection, id: MessageId) -> Result<bool, Fault> {
        let id = format!("{}-{}", id.0, id.1);
        let mut call = redis::cmd("XRANGE");
        call.arg(&self.channel).arg(&id).arg(&id);
        let found: Value = call.query_async(connection).await?;
        Ok(!items(found)?.is_empty())
    }

    /// The message with these revocations.
    fn message(&self, revoked: &[(String, Revoked)]) -> String {
        let written = self.place().clock.map(|clock| clock.at_least());
        let told = revoked.iter();
        // Rounded up: rather too long ago than too short.
        let told = told.map(|(tag, revoked)| (tag.clone(), millis(revoked.since.elapsed()) + 1));
        let message: Message = (written, told.collect());
        serde_json::to_string(&message).unwrap_or_default()
    }

    /// Sends the revocations to the others, in order, until Redis has them. Does not end.
    pub(crate) async fn run(nodes: Arc<Nodes>, sessions: Rc<Sessions>) {
        let this = &nodes.revocations;
        loop {
            if this.waiting().is_empty() {
                this.pushed.notified().await;
                continue;
            }
            let session = sessions.wait().await;
            let next = this.waiting().take();
            let message = this.message(&next);
            match nodes
                .tell(&mut session.publishing.clone(), "revoked", &message)
                .await
            {
                Ok(_) => {
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
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Nodes {
    /// Appends a message without a revoked tag.
    async fn mark(&self, connection: &mut MultiplexedConnection, kind: &str) -> Result<MessageId, Fault> {
        let id = self.tell(connection, kind, "").await?;
        parse_id(&id).ok_or(Fault::Unexpected)
    }

    async fn tell(
        &self,
        connection: &mut MultiplexedConnection,
        kind: &str,
        message: &str,
    ) -> Result<String, Fault> {
        let mut call = SCRIPT.key(&self.revocations.channel);
        call.arg(KEPT).arg(&self.name).arg(kind).arg(message);
        Ok(text(call.invoke_async(connection).await?)?)
    }
}

fn parse_id(text: &str) -> Option<MessageId> {
    let (millis, count) = text.split_once('-')?;
    Some((millis.parse().ok()?, count.parse().ok()?))
}
