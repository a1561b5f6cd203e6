//! Presence: the tags of the streams that read a topic.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use futures_util::task::AtomicWaker;
use sse_actix_core::{ClusterChannel, TopicName, Watch, Watchers};
use std::task::Wake;

/// The tags of a topic's open streams on this node, each with the number of its streams.
pub(super) struct TopicPresence {
    topic: TopicName,
    tags: Mutex<BTreeMap<Arc<str>, usize>>,
    watchers: Watchers,
    cluster: Option<Arc<dyn ClusterChannel>>,
}

impl TopicPresence {
    pub(super) fn new(topic: &TopicName, cluster: Option<Arc<dyn ClusterChannel>>) -> Self {
        Self {
            topic: topic.clone(),
            tags: Mutex::default(),
            watchers: Watchers::default(),
            cluster,
        }
    }

    /// Presence on another node has changed.
    pub(super) fn changed(&self) {
        self.watchers.wake();
    }

    /// All tags, on all nodes.
    fn everywhere(&self) -> BTreeMap<Arc<str>, usize> {
        let mut tags = self.lock().clone();
        let elsewhere = self
            .cluster
            .iter()
            .flat_map(|cluster| cluster.presence_elsewhere(&self.topic));
        for (tag, streams) in elsewhere {
            *tags.entry(tag).or_insert(0) += streams;
        }
        tags
    }

    /// Counts a stream with these tags, until the returned guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, tags: &[Arc<str>]) -> PresenceGuard {
        let mut changed = false;
        {
            let mut present = self.lock();
            for tag in tags {
                let streams = present.entry(Arc::clone(tag)).or_insert(0);
                *streams += 1;
                changed |= *streams == 1;
                self.announce(tag, *streams);
            }
        }
        if changed {
            self.watchers.wake();
        }
        PresenceGuard {
            present: Arc::clone(self),
            tags: tags.to_vec(),
        }
    }

    fn leave(&self, tags: &[Arc<str>]) {
        let mut changed = false;
        {
            let mut present = self.lock();
            for tag in tags {
                if let Some(streams) = present.get_mut(tag) {
                    *streams -= 1;
                    self.announce(tag, *streams);
                    if *streams == 0 {
                        present.remove(tag);
                        changed = true;
                    }
                }
            }
        }
        if changed {
            self.watchers.wake();
        }
    }

    /// Reports the change to the other nodes. Called under the lock, so that they get changes in order. The call is
    /// short: the log only notes the change.
    fn announce(&self, tag: &str, streams: usize) {
        if let Some(cluster) = &self.cluster {
            cluster.set_presence(&self.topic, tag, streams);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, usize>> {
        // No code that could panic runs under this lock.
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one stream in a topic's presence, until this is dropped.
pub(super) struct PresenceGuard {
    present: Arc<TopicPresence>,
    tags: Vec<Arc<str>>,
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        self.present.leave(&self.tags);
    }
}

/// The tags of the streams that read a topic, on all nodes of the log
/// ([`Hub::admit`](crate::Hub::admit), [`Subscription::tag`](crate::Subscription::tag)).
///
/// A stream is counted once it reads all its topics, so it receives what is published in reply to its join.
///
/// ```
/// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::test::TestRequest;
/// use futures_util::StreamExt;
/// use sse_actix::{Hub, PresenceChange, test::respond};
///
/// let hub = Hub::new()?;
/// let room = hub.presence("room:1");
/// assert!(room.tags().is_empty());
///
/// let mut stream = respond(hub.subscribe("room:1").tag("ann"), TestRequest::get());
/// hub.topic("room:1").publish("hello").await?;
/// stream.next().await;
/// assert_eq!((room.tags(), room.streams("ann")), (vec!["ann".into()], 1));
///
/// let mut changes = room.changes();
/// assert_eq!(changes.next().await, Some(PresenceChange::Joined("ann".into())));
/// drop(stream);
/// assert_eq!(changes.next().await, Some(PresenceChange::Left("ann".into())));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Presence(Arc<TopicPresence>);

/// A tag became present, or is not present any more. See [`Presence`]'s example.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresenceChange {
    /// The first stream with this tag has begun.
    Joined(Arc<str>),
    /// The last stream with this tag has ended.
    Left(Arc<str>),
}

impl Presence {
    pub(super) fn new(present: Arc<TopicPresence>) -> Self {
        Self(present)
    }

    /// The tags, in order.
    pub fn tags(&self) -> Vec<Arc<str>> {
        self.0.everywhere().into_keys().collect()
    }

    /// How many streams carry this tag.
    pub fn streams(&self, tag: &str) -> usize {
        self.0.everywhere().get(tag).copied().unwrap_or(0)
    }

    /// Joins and leaves, beginning with a join for each tag that is present. A join and a leave between two
    /// polls cancel out, so a slow consumer never falls behind.
    pub fn changes(&self) -> PresenceChanges {
        let task = Arc::new(PollWaker(AtomicWaker::new()));
        PresenceChanges {
            watch: self.0.watchers.add(Waker::from(Arc::clone(&task))),
            task,
            present: Arc::clone(&self.0),
            known: BTreeSet::new(),
            ready: VecDeque::new(),
        }
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Presence").field(&self.tags()).finish()
    }
}

/// The stream that [`Presence::changes`] returns. It does not end. See [`Presence`]'s example.
#[must_use = "a stream does nothing until it is polled"]
pub struct PresenceChanges {
    present: Arc<TopicPresence>,
    task: Arc<PollWaker>,
    #[expect(dead_code, reason = "held for its drop")]
    watch: Watch,
    known: BTreeSet<Arc<str>>,
    ready: VecDeque<PresenceChange>,
}

/// The task that polls.
struct PollWaker(AtomicWaker);

impl Wake for PollWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

impl Stream for PresenceChanges {
    type Item = PresenceChange;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PresenceChange>> {
        if self.ready.is_empty() {
            // Registered before it looks, so that a change in between wakes the task.
            self.task.0.register(cx.waker());
            let present: BTreeSet<_> = self.present.everywhere().into_keys().collect();
            let joined = present.difference(&self.known).cloned();
            let left = self.known.difference(&present).cloned();
            let changes = left
                .map(PresenceChange::Left)
                .chain(joined.map(PresenceChange::Joined))
                .collect();
            self.ready = changes;
            self.known = present;
        }
        match self.ready.pop_front() {
            Some(change) => Poll::Ready(Some(change)),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for PresenceChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceChanges")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}
