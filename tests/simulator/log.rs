//! A log that keeps what a log promises, and nothing more: it is slow, answers in any order, fails, and is lost now and then.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::SystemTime,
};

use fastrand::Rng;
use sse_actix::{
    AppendError, Appended, Batch, Completion, Entry, Epoch, IdempotencyKey, Keep, Limit, Log, LogError,
    LogStats, Position, Record, Retention, Ring, Start, TopicName, Watch, Watchers,
};
use tokio::sync::oneshot;

use crate::truth::{Life, Published, Truth};

#[derive(Clone)]
pub(crate) struct SimLog(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    topics: BTreeMap<TopicName, Topic>,
    /// On their way to the log.
    calls: Vec<Call>,
    /// On their way back.
    answers: Vec<Answer>,
    /// What was appended, and nobody was woken yet.
    wakes: Vec<TopicName>,
    traits: Traits,
    appended: u64,
}

/// How the log is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) immediate: u8,
    pub(crate) failures: u8,
    pub(crate) is_dense: bool,
}

struct Topic {
    ring: Ring,
    retention: Retention,
    watchers: Watchers,
    keys: BTreeMap<IdempotencyKey, Position>,
    truth: Truth,
}

type Reply<T, E> = oneshot::Sender<Result<T, E>>;

enum Call {
    Append(
        TopicName,
        Record,
        Retention,
        SystemTime,
        Reply<Appended, AppendError>,
    ),
    Read(TopicName, Start, Limit, SystemTime, Reply<Batch, LogError>),
}

enum Answer {
    Append(Reply<Appended, AppendError>, Result<Appended, AppendError>),
    Read(Reply<Batch, LogError>, Result<Batch, LogError>),
}

/// What the log does when it fails as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    /// What was on its way is lost, or its answer.
    Restart,
    /// It goes on in another epoch.
    Rename,
    /// It begins anew, with nothing.
    Loss,
    /// As a loss, but its sequences go on.
    Reset,
}

impl SimLog {
    pub(crate) fn new(seed: u64, traits: Traits) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Rng::with_seed(seed),
            topics: BTreeMap::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            wakes: Vec::new(),
            traits,
            appended: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Whether something is on its way.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.state();
        !(state.calls.is_empty() && state.answers.is_empty() && state.wakes.is_empty())
    }

    /// Does something of what is on its way.
    pub(crate) fn step(&self) -> String {
        let mut state = self.state();
        let (calls, answers, wakes) = (state.calls.len(), state.answers.len(), state.wakes.len());
        let chosen = state.rng.usize(..calls + answers + wakes);
        if chosen < calls {
            let call = state.calls.swap_remove(chosen);
            return state.execute(call);
        }
        if chosen < calls + answers {
            let answer = state.answers.swap_remove(chosen - calls);
            drop(state);
            return answer.send();
        }
        let topic = state.wakes.swap_remove(chosen - calls - answers);
        let watchers = state.topic(&topic).watchers.clone();
        drop(state);
        // No lock is held while somebody is woken.
        watchers.wake();
        format!("wake {topic}")
    }

    /// Wakes the watchers of a topic for nothing.
    pub(crate) fn wake(&self, topic: &TopicName) {
        let watchers = self.state().topic(topic).watchers.clone();
        watchers.wake();
    }

    pub(crate) fn crash(&self, crash: Crash) {
        let mut state = self.state();
        let calls = std::mem::take(&mut state.calls);
        for call in calls {
            match call {
                Call::Append(topic, record, retention, now, reply) => {
                    if state.rng.bool() {
                        let _ = state.append(&topic, record, &retention, now);
                    }
                    let lost = Err(AppendError::OutcomeUnknown("it has crashed".into()));
                    state.answers.push(Answer::Append(reply, lost));
                }
                Call::Read(.., reply) => state.answers.push(Answer::Read(reply, Err(failed()))),
            }
        }
        let names: Vec<_> = state.topics.keys().cloned().collect();
        for name in names {
            let (epoch, is_dense) = (Epoch::new(&name, state.rng.u64(..)), state.traits.is_dense);
            let topic = state.topic(&name);
            match crash {
                Crash::Restart => {}
                Crash::Rename => {
                    topic.ring.continue_as(epoch);
                    let head = topic.ring.kept_range().head;
                    let life = topic.truth.lives.last_mut().unwrap();
                    life.epochs.last_mut().unwrap().1 = head;
                    life.epochs.push((epoch, u64::MAX));
                }
                Crash::Loss | Crash::Reset => {
                    let head = topic.ring.kept_range().head;
                    let last_deleted = if matches!(crash, Crash::Reset) { head } else { 0 };
                    topic.ring = Ring::new(epoch, topic.retention.keeps(), last_deleted, is_dense);
                    topic.keys.clear();
                    topic.truth.begin(epoch);
                    topic.truth.lives.last_mut().unwrap().deleted = last_deleted;
                }
            }
            state.wakes.push(name);
        }
    }

    /// From now on so many of 256 steps fail.
    pub(crate) fn fail(&self, failures: u8) {
        self.state().traits.failures = failures;
    }

    pub(crate) fn truth<T>(&self, topic: &TopicName, look: impl FnOnce(&Truth) -> T) -> T {
        look(&self.state().topic(topic).truth)
    }

    /// How many events were appended.
    pub(crate) fn appended(&self) -> u64 {
        self.state().appended
    }

    /// How many have the log, besides this one.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl Truth {
    fn begin(&mut self, epoch: Epoch) {
        self.lives.push(Life {
            epochs: vec![(epoch, u64::MAX)],
            ..Life::default()
        });
    }
}

impl State {
    fn topic(&mut self, name: &TopicName) -> &mut Topic {
        if !self.topics.contains_key(name) {
            let epoch = Epoch::new(name, self.rng.u64(..));
            let mut truth = Truth::default();
            truth.begin(epoch);
            let topic = Topic {
                ring: Ring::new(epoch, Keep::Every, 0, self.traits.is_dense),
                retention: Retention::new(),
                watchers: Watchers::default(),
                keys: BTreeMap::new(),
                truth,
            };
            self.topics.insert(name.clone(), topic);
        }
        self.topics.get_mut(name).unwrap()
    }

    fn fails(&mut self) -> bool {
        self.rng.u8(..) < self.traits.failures
    }

    fn is_immediate(&mut self) -> bool {
        // 255 is always.
        self.traits.immediate == 255 || self.rng.u8(..) < self.traits.immediate
    }

    fn append(
        &mut self,
        name: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Appended {
        let hole = if self.traits.is_dense {
            1
        } else {
            self.rng.u64(1..4)
        };
        let topic = self.topic(name);
        topic.keep(retention);
        if let Some(position) = record.idempotency_key().and_then(|key| topic.keys.get(key)) {
            return Appended {
                position: *position,
                repeated: true,
            };
        }
        let span = topic.ring.kept_range();
        let position = Position {
            epoch: span.epoch,
            sequence: span.head + hole,
        };
        if let Some(key) = record.idempotency_key() {
            topic.keys.insert(key.clone(), position);
        }
        let entry = Entry::new(position, record, now);
        let life = topic.truth.lives.last_mut().unwrap();
        life.events.push(Published {
            sequence: position.sequence,
            number: entry.data().parse().unwrap(),
            key: entry.key().map(|key| key.parse().unwrap()),
        });
        topic.ring.push(Arc::new(entry));
        topic.trim(now);
        self.appended += 1;
        self.wakes.push(name.clone());
        Appended {
            position,
            repeated: false,
        }
    }

    fn read(&mut self, name: &TopicName, start: Start, limit: Limit, now: SystemTime) -> Batch {
        // A log may return less than it is asked for.
        let most = [1, 3, 1_000][self.rng.usize(..3)];
        let events = NonZeroUsize::new(most).unwrap().min(limit.events);
        let topic = self.topic(name);
        topic.trim(now);
        let start = topic.resolve(start);
        topic.ring.read(start, Limit { events, ..limit })
    }

    /// Another thread may append right after a read. Returns whom it wakes.
    fn append_meanwhile(&mut self) -> Option<Watchers> {
        let is_append = |call: &Call| matches!(call, Call::Append(..));
        let at = self.calls.iter().position(is_append)?;
        if self.rng.bool() {
            return None;
        }
        let call = self.calls.swap_remove(at);
        let Call::Append(name, ..) = &call else {
            return None;
        };
        let name = name.clone();
        self.execute(call);
        self.wakes.retain(|waiting| *waiting != name);
        Some(self.topic(&name).watchers.clone())
    }

    fn execute(&mut self, call: Call) -> String {
        match call {
            Call::Append(topic, record, retention, now, reply) => {
                let (outcome, done) = if self.fails() {
                    match self.rng.u8(..3) {
                        0 => (Err(AppendError::Refused("it fails".into())), "refused"),
                        1 => (
                            Err(AppendError::OutcomeUnknown("it fails".into())),
                            "not appended",
                        ),
                        _ => {
                            self.append(&topic, record, &retention, now);
                            let error = AppendError::OutcomeUnknown("the answer is lost".into());
                            (Err(error), "appended, answer lost")
                        }
                    }
                } else {
                    (Ok(self.append(&topic, record, &retention, now)), "appended")
                };
                self.answers.push(Answer::Append(reply, outcome));
                format!("{done} {topic}")
            }
            Call::Read(topic, start, limit, now, reply) => {
                let outcome = if self.fails() {
                    Err(failed())
                } else {
                    Ok(self.read(&topic, start, limit, now))
                };
                let done = format!("read {topic} {:?}", outcome.as_ref().map(|batch| batch.end).ok());
                self.answers.push(Answer::Read(reply, outcome));
                done
            }
        }
    }
}

impl Topic {
    fn keep(&mut self, retention: &Retention) {
        if self.retention != *retention {
            self.ring.keep(retention.keeps());
            self.retention = retention.clone();
        }
    }

    fn trim(&mut self, now: SystemTime) {
        self.ring.trim(&self.retention, now);
        let life = self.truth.lives.last_mut().unwrap();
        life.deleted = self.ring.kept_range().last_deleted;
    }

    /// A position of an earlier epoch of this life is as good as one of this. Where sequences have holes, a sequence that no event
    /// ever had is unknown.
    fn resolve(&self, start: Start) -> Start {
        let life = self.truth.lives.last().unwrap();
        match start {
            Start::After(Position { epoch, sequence }) => {
                let known = life.epochs.iter().find(|(known, _)| *known == epoch);
                let is_in_it = known.is_some_and(|(_, until)| sequence <= *until);
                let kept = self.ring.kept_range();
                let is_hole = |sequence| {
                    let at = life
                        .events
                        .binary_search_by_key(&sequence, |event| event.sequence);
                    !kept.contiguous && at.is_err()
                };
                if is_in_it && sequence > kept.last_deleted && is_hole(sequence) {
                    return Start::Unknown;
                }
                let epoch = if is_in_it {
                    self.ring.kept_range().epoch
                } else {
                    epoch
                };
                Start::After(Position { epoch, sequence })
            }
            start => start,
        }
    }
}

impl Answer {
    /// Who does not wait any more does not get it.
    fn send(self) -> String {
        match self {
            Self::Append(reply, outcome) => {
                let is_ok = outcome.is_ok();
                let _ = reply.send(outcome);
                format!("answer to an append: {is_ok}")
            }
            Self::Read(reply, outcome) => {
                let is_ok = outcome.is_ok();
                let _ = reply.send(outcome);
                format!("answer to a read: {is_ok}")
            }
        }
    }
}

fn failed() -> LogError {
    LogError::new("it fails")
}

impl Log for SimLog {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let mut state = self.state();
        if state.is_immediate() {
            let appended = state.append(topic, record, retention, now);
            let watchers = state.topic(topic).watchers.clone();
            // Like a log in memory.
            state.wakes.retain(|name| name != topic);
            drop(state);
            watchers.wake();
            return Completion::ready(Ok(appended));
        }
        let (reply, answer) = oneshot::channel();
        let call = Call::Append(topic.clone(), record, retention.clone(), now, reply);
        state.calls.push(call);
        Completion::later(async move { answer.await.expect("the log answers") })
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let mut state = self.state();
        if state.is_immediate() {
            let batch = state.read(topic, start, limit, now);
            let woken = state.append_meanwhile();
            drop(state);
            if let Some(woken) = woken {
                woken.wake();
            }
            return Completion::ready(Ok(batch));
        }
        let (reply, answer) = oneshot::channel();
        state
            .calls
            .push(Call::Read(topic.clone(), start, limit, now, reply));
        Completion::later(async move { answer.await.expect("the log answers") })
    }

    fn watch(&self, topic: &TopicName, waker: Waker, _: SystemTime) -> Watch {
        self.state().topic(topic).watchers.add(waker)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        Some(self.state().topic(topic).ring.stats())
    }

    fn prepare(&self, topic: &TopicName, retention: &Retention) {
        self.state().topic(topic).keep(retention);
    }

    fn maintain(&self, now: SystemTime) {
        for topic in self.state().topics.values_mut() {
            topic.trim(now);
        }
    }
}

impl fmt::Debug for SimLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimLog")
    }
}
