//! What a node knows of one topic.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use sse_actix_core::{
    Batch, Epoch, Keep, Limit, LogStats, Position, Record, Retention, Ring, Start, TopicName, Watchers,
};
use tokio::sync::Notify;

use crate::entry::{Appended, Newest, Stored};

/// The keys of one topic. A topic's name may hold any character, so it comes last.
#[derive(Debug)]
pub(crate) struct Keys(pub(crate) [String; 3]);

impl Keys {
    pub(crate) fn new(prefix: &str, topic: &TopicName) -> Self {
        Self(["topic", "latest", "ages"].map(|kind| format!("{prefix}:{kind}:{topic}")))
    }

    pub(crate) fn stream(&self) -> &str {
        let [stream, ..] = &self.0;
        stream
    }
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) keys: Keys,
    pub(crate) watchers: Watchers,
    state: Mutex<State>,
    /// Something has changed for who waits to read.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    retention: Retention,
    live: Option<Live>,
    /// Somebody waits for what is older than what is here.
    wants_history: bool,
    /// Looks at Redis: those that were asked for, that have begun, and that are done.
    asked: u64,
    begun: u64,
    done: u64,
    /// Somebody does what is wanted.
    busy: bool,
    /// How often that failed, and why the last time.
    failures: u64,
    failure: String,
    touched: Instant,
}

/// A topic that is followed.
#[derive(Debug)]
struct Live {
    life: u64,
    ring: Ring,
    /// The ring begins where the stream, or the retention, does.
    complete: bool,
    /// Redis has at least this, be it here or not.
    acknowledged: u64,
}

/// What is to be done next for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// Look where the stream is; whether with the newest of each key.
    Look { latest: bool, known: Option<(u64, u64)> },
    /// Read what is before this sequence, at most so much.
    History {
        life: u64,
        until: u64,
        events: usize,
        bytes: usize,
    },
}

/// What became of entries that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// They are here.
    Here,
    /// The stream went on from before what was known of this life.
    Diverged { life: u64 },
}

impl Topic {
    pub(crate) fn new(prefix: &str, name: &TopicName) -> Self {
        Self {
            name: name.clone(),
            keys: Keys::new(prefix, name),
            watchers: Watchers::default(),
            state: Mutex::new(State {
                retention: Retention::new(),
                live: None,
                wants_history: false,
                asked: 0,
                begun: 0,
                done: 0,
                busy: false,
                failures: 0,
                failure: String::new(),
                touched: Instant::now(),
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

    /// Tells who waits here, and who watches.
    fn tell(&self) {
        self.changed.notify_waiters();
        self.watchers.wake();
    }

    pub(crate) fn keep(&self, retention: &Retention) {
        let mut state = self.state();
        state.touched = Instant::now();
        if state.retention != *retention {
            if state.retention.keeps() != retention.keeps() {
                // What each ring has to hold is another.
                state.live = None;
            }
            state.retention = retention.clone();
        }
    }

    /// Reads, if what is here is enough; else says what is wanted. `ticket` is the look at Redis that this read
    /// waits for.
    pub(crate) fn read(
        &self,
        start: Start,
        limit: Limit,
        now: SystemTime,
        ticket: &mut Option<u64>,
    ) -> Option<Batch> {
        let mut state = self.state();
        state.touched = Instant::now();
        let State {
            retention,
            live,
            asked,
            begun,
            done,
            wants_history,
            ..
        } = &mut *state;
        let Some(live) = live else {
            *asked = (*asked).max(*begun + 1);
            return None;
        };
        live.ring.trim(retention, now);
        let span = live.ring.span();
        if live.acknowledged > span.head {
            return None;
        }
        let mut start = start;
        if let Start::After(position) = start {
            if position.epoch != span.epoch || position.sequence > span.head {
                // Another node may know more by now.
                let ticket = ticket.get_or_insert(*begun + 1);
                if *done < *ticket {
                    *asked = (*asked).max(*ticket);
                    return None;
                }
                start = Start::Unknown;
            } else if retention.keeps() == Keep::Every
                && position.sequence > span.last_deleted
                && !live.ring.contains(position.sequence)
            {
                // It was never here, so what came around it is not known.
                start = Start::Unknown;
            }
        }
        let enough = live.complete
            || match start {
                Start::Head => true,
                Start::Last(events) => live.ring.len() >= events,
                Start::After(position) => position.sequence >= span.last_deleted,
                Start::Oldest | Start::Unknown => false,
            };
        if !enough {
            *wants_history = true;
            return None;
        }
        Some(live.ring.read(start, limit))
    }

    /// Asks for a look at Redis: where the stream is may have changed without a word.
    pub(crate) fn ask(&self) {
        let mut state = self.state();
        state.asked = state.asked.max(state.begun + 1);
    }

    /// What is to be done, unless somebody does it already. Who is given something goes on until there is
    /// nothing more.
    pub(crate) fn take_job(&self, goes_on: bool) -> Option<Job> {
        let mut state = self.state();
        if state.busy && !goes_on {
            return None;
        }
        let latest = state.retention.keeps() == Keep::LatestPerKey;
        let hollow = state.live.as_ref().is_none_or(|live| !live.complete);
        let mut job = None;
        // The newest of each key are all the history there is, and a look brings them.
        if state.asked > state.begun || state.wants_history && hollow && latest {
            state.begun = state.asked.max(state.begun + 1);
            state.wants_history &= !latest;
            job = Some(Job::Look {
                latest: latest && hollow,
                known: state
                    .live
                    .as_ref()
                    .map(|live| (live.life, live.acknowledged.max(live.ring.span().head))),
            });
        } else if mem::take(&mut state.wants_history)
            && hollow
            && let Some(live) = &state.live
        {
            job = Some(Job::History {
                life: live.life,
                until: live.ring.span().last_deleted,
                events: state.retention.events().saturating_sub(live.ring.len()),
                bytes: state.retention.bytes().saturating_sub(live.ring.bytes()),
            });
        }
        state.busy = job.is_some();
        job
    }

    /// What was to be done could not be done.
    pub(crate) fn fail(&self, why: String) {
        let mut state = self.state();
        state.busy = false;
        state.wants_history = false;
        state.failures += 1;
        state.failure = why;
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn failures(&self) -> u64 {
        self.state().failures
    }

    pub(crate) fn failure(&self) -> String {
        self.state().failure.clone()
    }

    /// Redis has answered where the stream is. `known` is what was known when it was asked.
    pub(crate) fn looked(&self, newest: Newest, known: Option<(u64, u64)>, latest: bool) -> Applied {
        let Newest {
            head,
            life,
            latest: entries,
        } = newest;
        let mut state = self.state();
        state.done = state.begun;
        if let Some((before, was)) = known
            && before == life
            && head < was
        {
            return Applied::Diverged { life };
        }
        let per_key = state.retention.keeps() == Keep::LatestPerKey;
        match &mut state.live {
            Some(live) if live.life == life && !latest => {
                live.acknowledged = live.acknowledged.max(head);
            }
            _ => {
                let epoch = Epoch::new(&self.name, life);
                let mut ring = if per_key && latest {
                    let mut ring = Ring::new(epoch, Keep::LatestPerKey, 0, false);
                    for entry in entries.into_iter().filter(|entry| entry.sequence <= head) {
                        if let Some(entry) = entry.into_entry(epoch) {
                            ring.push(entry);
                        }
                    }
                    ring
                } else {
                    Ring::new(epoch, state.retention.keeps(), head, false)
                };
                ring.advance(head);
                state.live = Some(Live {
                    life,
                    ring,
                    // The newest of each key are all there is.
                    complete: per_key && latest,
                    acknowledged: head,
                });
            }
        }
        drop(state);
        self.tell();
        Applied::Here
    }

    /// What is older has come, the newest first.
    pub(crate) fn extend_back(&self, of: u64, until: u64, chain: Chain) {
        let mut state = self.state();
        let retention = state.retention.clone();
        let Some(live) = &mut state.live else { return };
        if live.life != of {
            return;
        }
        let span = live.ring.span();
        // Else retention has taken more meanwhile, so that there is nothing to put before it.
        if span.last_deleted == until && chain.life == Some(of) {
            let mut evicted = chain.expected;
            let mut entries = Vec::with_capacity(chain.entries.len());
            for stored in chain.entries {
                if stored.begins() {
                    evicted = stored.sequence;
                    break;
                }
                entries.extend(stored.into_entry(span.epoch));
            }
            entries.reverse();
            live.ring.prepend(entries, evicted);
            live.ring.trim(&retention, SystemTime::now());
        }
        live.complete = true;
        drop(state);
        self.tell();
    }

    /// What is new has come, in order.
    pub(crate) fn apply(&self, entries: impl IntoIterator<Item = Stored>) -> Applied {
        let mut state = self.state();
        let retention = state.retention.clone();
        let mut asks = false;
        let mut outcome = Applied::Here;
        let Some(live) = &mut state.live else {
            return outcome;
        };
        for stored in entries {
            let (sequence, before, of) = (stored.sequence, stored.previous, stored.life);
            let span = live.ring.span();
            if of != live.life {
                let epoch = Epoch::new(&self.name, of);
                let begins = stored.begins();
                let evicted = if begins { sequence } else { before };
                *live = Live {
                    life: of,
                    ring: Ring::new(epoch, retention.keeps(), evicted, false),
                    complete: begins && retention.keeps() == Keep::Every,
                    acknowledged: 0,
                };
                // Those of the keys are to be read again.
                asks |= retention.keeps() == Keep::LatestPerKey;
                if let Some(entry) = stored.into_entry(epoch) {
                    live.ring.push(entry);
                }
                continue;
            }
            if sequence <= span.head {
                continue;
            }
            // Of what was acknowledged, some may not have come yet; but nothing comes after it that does not follow.
            if before < span.head || before < live.acknowledged && live.acknowledged < sequence {
                outcome = Applied::Diverged { life: of };
                break;
            }
            if before > span.head {
                // What was in between is gone.
                if retention.keeps() == Keep::LatestPerKey {
                    live.complete = false;
                    asks = true;
                    break;
                }
                live.ring = Ring::new(span.epoch, retention.keeps(), before, false);
                live.complete = true;
            }
            match stored.into_entry(span.epoch) {
                Some(entry) => live.ring.push(entry),
                None => live.ring.advance(sequence),
            }
        }
        live.ring.trim(&retention, SystemTime::now());
        if asks {
            state.asked = state.asked.max(state.begun + 1);
        }
        drop(state);
        self.tell();
        outcome
    }

    /// Something was published here. What follows what is known is known at once, without asking Redis for it, if
    /// it is given.
    pub(crate) fn published(&self, appended: &Appended, record: Option<Record>) {
        let mut state = self.state();
        let Some(live) = &mut state.live else { return };
        let follows = live.life == appended.life && live.ring.span().head == appended.previous;
        if let Some(record) = record.filter(|_| follows) {
            drop(state);
            self.apply([Stored::published(appended, record)]);
        } else if live.life == appended.life {
            live.acknowledged = live.acknowledged.max(appended.sequence);
        } else {
            state.asked = state.asked.max(state.begun + 1);
        }
    }

    /// After which entry to read on, if it is followed.
    pub(crate) fn head(&self) -> Option<u64> {
        self.state().live.as_ref().map(|live| live.ring.span().head)
    }

    pub(crate) fn stats(&self) -> Option<LogStats> {
        let state = self.state();
        let live = state.live.as_ref()?;
        let kept = live.ring.stats();
        Some(LogStats {
            head: kept.head.max(live.acknowledged),
            ..kept
        })
    }

    pub(crate) fn behind(&self, position: Position) -> u64 {
        let state = self.state();
        let live = state.live.as_ref();
        live.filter(|live| live.ring.span().epoch == position.epoch)
            .map_or(0, |live| live.ring.count_after(position.sequence) as u64)
    }

    pub(crate) fn trim(&self, now: SystemTime) {
        let mut state = self.state();
        let retention = state.retention.clone();
        if let Some(live) = &mut state.live {
            live.ring.trim(&retention, now);
        }
    }

    /// Whether nobody reads it, and nobody has for long.
    pub(crate) fn is_idle(self: &Arc<Self>, linger: std::time::Duration) -> bool {
        // Who holds it is about to watch or to read it.
        Arc::strong_count(self) == 1 && self.watchers.is_empty() && self.state().touched.elapsed() > linger
    }
}

/// What a stream still has before an entry: checks that each is the one that the next says it follows.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The entry that has to come next.
    expected: u64,
    life: Option<u64>,
    entries: Vec<Stored>,
    bytes: usize,
}

impl Chain {
    pub(crate) fn new(until: u64) -> Self {
        Self {
            expected: until,
            life: None,
            entries: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes in one older entry; `false` when there are none before it, or enough.
    pub(crate) fn push(&mut self, stored: Stored, events: usize, bytes: usize) -> bool {
        let life = *self.life.get_or_insert(stored.life);
        if stored.sequence != self.expected || stored.life != life {
            return false;
        }
        if self.entries.len() >= events || self.bytes >= bytes {
            return false;
        }
        self.expected = stored.previous;
        self.bytes += stored.weight();
        let begins = stored.begins();
        self.entries.push(stored);
        !begins
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn next(&self) -> u64 {
        self.expected
    }
}

#[cfg(test)]
mod tests;
