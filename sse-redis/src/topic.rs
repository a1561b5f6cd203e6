//! A node's knowledge of one topic.
//!
//! | word | means |
//! |---|---|
//! | notice | a message on the topic's channel that carries a new entry, with the id of the entry before it |
//! | newest request | a question to Redis for the stream's newest entry |
//! | hole | entries between the newest one that the node has and one that it knows of |
//! | page | entries that are read together, forwards to fill a hole or backwards for older ones |
//! | chain | the pages that were read backwards, where each entry is the one that the next entry names |
//! | proof | Redis's answer that a `latest()` topic had the event at a reader's position, which the node may not have |
//! | without events | the epoch of a topic to which nothing was published; all nodes know its epoch |

mod chain;
mod following;
mod live;
mod page;
mod read;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_failover;
mod work;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use sse_actix_core::{
    Entry, Epoch, Keep, LogStats, OnceStats, Position, Record, Retention, TopicName, Watchers,
};
use tokio::sync::Notify;

use self::chain::Chain;
use self::following::Following;
use self::live::{Earlier, Live};
pub(crate) use self::{
    page::PageJob,
    table::Topics,
    work::{HeadJob, Needs},
};
use crate::entry::{Content, EntryId, NONE, Stored};

/// How many bytes an entry is thought to have before one was read.
const FIRST_GUESS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    /// Its stream, and the channel of its notices.
    pub(crate) stream: String,
    /// The group that decides where it is.
    pub(crate) group: u16,
    pub(crate) watchers: Watchers,
    state: Mutex<State>,
    /// Notifies waiting reads of a change.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    retention: Retention,
    live: Option<Live>,
    following: Following,
    wants: Wants,
    /// The reason why it, or a part of it, could not be read.
    fault: Option<String>,
    /// True if the last read failed.
    unreadable: bool,
    touched: Instant,
    /// The time at which the expiry of its keys was last renewed.
    renewed: Option<Instant>,
    /// The statistics of idempotency keys when this node last appended a key, and that time.
    once: Option<(Instant, OnceStats)>,
}

/// What is to be asked of Redis.
#[derive(Debug)]
struct Wants {
    newest_requests: NewestRequests,
    /// True if a read waits for older entries.
    history: bool,
    /// The history that has been read so far.
    chain: Option<Chain>,
    /// Events of this epoch are lost: another epoch has to begin, if this is still the current one.
    renewal: Option<u64>,
    /// Sequences of a `latest()` topic that readers need a proof of; `None` until Redis has answered.
    verified: HashMap<u64, Option<bool>>,
    /// How often a job has failed, and the last reason.
    failures: u64,
    failure: String,
    /// The approximate size of an entry in bytes.
    entry_bytes: usize,
}

/// Counts the requests for the stream's newest entry.
#[derive(Debug)]
struct NewestRequests {
    asked: u64,
    begun: u64,
    done: u64,
    /// The newest known entry when the last request began. Notices may bring newer entries before its answer arrives.
    from: EntryId,
}

impl NewestRequests {
    /// Makes a request that begins after now.
    fn request(&mut self) {
        self.asked = self.asked.max(self.begun + 1);
    }
}

impl Topic {
    fn new(name: &TopicName, stream: String, group: u16) -> Self {
        Self {
            name: name.clone(),
            stream,
            group,
            watchers: Watchers::default(),
            state: Mutex::new(State {
                retention: Retention::new(),
                live: None,
                following: Following::default(),
                wants: Wants {
                    newest_requests: NewestRequests {
                        asked: 0,
                        begun: 0,
                        done: 0,
                        from: NONE,
                    },
                    history: false,
                    chain: None,
                    renewal: None,
                    verified: HashMap::new(),
                    failures: 0,
                    failure: String::new(),
                    entry_bytes: FIRST_GUESS,
                },
                fault: None,
                unreadable: false,
                touched: Instant::now(),
                renewed: None,
                once: None,
            }),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that could panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Notifies waiting reads and watchers.
    fn announce(&self) {
        self.changed.notify_waiters();
        self.watchers.wake();
    }

    pub(crate) fn keep(&self, retention: &Retention) {
        let mut state = self.state();
        state.touched = Instant::now();
        if state.retention != *retention {
            if state.retention.keeps() != retention.keeps() {
                // The ring has to hold other entries now.
                state.live = None;
                state.wants.chain = None;
                state.wants.newest_requests.request();
            }
            state.retention = retention.clone();
            drop(state);
            // Readers wait for the newest entry.
            self.announce();
        }
    }

    pub(crate) fn stats(&self) -> Option<LogStats> {
        let state = self.state();
        let live = state.live.as_ref()?;
        let kept = live.ring.stats();
        Some(LogStats {
            head: kept.head.max(live.target.last(0)),
            once: state.once_stats(),
            ..kept
        })
    }

    /// Stores the statistics of idempotency keys from Redis.
    pub(crate) fn remembers(&self, once: OnceStats) {
        let mut state = self.state();
        let cut_at = once.cut_at.max(state.once_stats().cut_at);
        state.once = Some((Instant::now(), OnceStats { cut_at, ..once }));
    }

    /// How many events a reader at this position is behind, as far as this node knows.
    pub(crate) fn behind(&self, position: Position) -> u64 {
        let state = self.state();
        let Some(live) = &state.live else { return 0 };
        let at = live.known_sequence(&self.name, position);
        at.map_or(0, |sequence| live.ring.count_after(sequence) as u64)
    }

    pub(crate) fn fault(&self) -> Option<String> {
        self.state().fault.clone()
    }

    pub(crate) fn trim(&self, now: SystemTime) {
        let mut state = self.state();
        let retention = state.retention.clone();
        if let Some(live) = &mut state.live {
            live.ring.trim(&retention, now);
        }
    }

    /// True if it has had no reader for `linger`.
    fn is_idle(self: &Arc<Self>, linger: Duration) -> bool {
        // Code that holds it is about to watch or to read it.
        Arc::strong_count(self) == 1 && self.watchers.is_empty() && self.state().touched.elapsed() > linger
    }

    /// True if it is watched and the expiry of its keys has to be renewed. It then counts as renewed.
    pub(crate) fn takes_renewal(&self, every: Duration) -> bool {
        if self.watchers.is_empty() {
            return false;
        }
        let mut state = self.state();
        let has_events = state.live.as_ref().is_some_and(|live| live.head != NONE);
        let due = has_events && state.renewed.is_none_or(|renewed| renewed.elapsed() >= every);
        if due {
            state.renewed = Some(Instant::now());
        }
        due
    }

    /// The lifetime of its keys without an event.
    pub(crate) fn keys_ttl(&self, ttl: Duration) -> Duration {
        ttl.max(self.state().retention.age())
    }

    pub(crate) fn is_keyed(&self) -> bool {
        self.state().retention.keeps() == Keep::LatestPerKey
    }

    /// A notice has come in this session. Returns what is to be asked of Redis now.
    pub(crate) fn receive(&self, session: u64, stored: Stored) -> Needs {
        let mut state = self.state();
        if state.following.session != session {
            return Needs::default();
        }
        let State {
            live,
            following,
            retention,
            wants,
            fault,
            ..
        } = &mut *state;
        let id = stored.id;
        note_fault(fault, &stored);
        let mut step = match live {
            None => live::Step::Hole,
            Some(live) => live.take(&self.name, retention, stored.clone(), false),
        };
        let is_taken = step == live::Step::Taken;
        if let Some(live) = live
            && is_taken
        {
            step = live.take_early(&self.name, retention, &mut following.early);
        }
        following.recount();
        match step {
            live::Step::Hole if !is_taken => {
                following.hold(stored);
                if let Some(live) = live {
                    live.target = live.target.max(id);
                }
            }
            step => live.iter_mut().for_each(|live| wants.note(step, live)),
        }
        let needs = state.needs();
        drop(state);
        if is_taken {
            self.announce();
        }
        needs
    }
}

impl State {
    /// The statistics of idempotency keys, as far as this node knows them within their window.
    fn once_stats(&self) -> OnceStats {
        let window = self.retention.once_window();
        let told = self.once.filter(|(at, _)| at.elapsed() <= window.age());
        told.map_or(OnceStats::default(), |(_, once)| once)
    }
}

impl Wants {
    /// Notes the result of taking an entry.
    fn note(&mut self, step: live::Step, live: &mut Live) {
        if std::mem::take(&mut live.is_rolled_back) {
            self.renewal = Some(live.epoch_number);
        }
        if step == live::Step::NeedsNewest {
            self.newest_requests.request();
        }
    }
}

/// Notes which entries of a topic could not be read.
fn note_fault(fault: &mut Option<String>, stored: &Stored) {
    match &stored.content {
        Content::Events(..) => {}
        Content::Foreign => *fault = Some("an entry was not written by sse-actix".to_owned()),
        Content::Unreadable(_) => *fault = Some("the events of an entry are damaged".to_owned()),
        Content::Newer(version) => {
            *fault = Some(format!(
                "an entry is in version {version} of the format; update this node"
            ));
        }
    }
}

/// The events of an entry, in the form for readers.
fn entries_of(name: &TopicName, stored: Stored) -> Vec<Arc<Entry>> {
    let Stored { id, content, .. } = stored;
    let Content::Events(header, events) = content else {
        return Vec::new();
    };
    let events = events.into_iter().enumerate();
    events
        .map(|(index, event)| entry_of(name, header.epoch_number, id.sequence(index), event))
        .collect()
}

fn entry_of(name: &TopicName, epoch_number: u64, sequence: u64, event: Record) -> Arc<Entry> {
    let position = Position {
        epoch: Epoch::new(name, epoch_number),
        sequence,
    };
    let at = Duration::from_millis(EntryId::of(sequence).millis());
    Arc::new(Entry::new(position, event, SystemTime::UNIX_EPOCH + at))
}

/// Milliseconds since 1970, by the node's clock.
fn now_millis() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
