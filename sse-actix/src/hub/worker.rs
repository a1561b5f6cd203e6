//! One thread's part in a hub: it learns which topics have grown, takes what is new into its windows, and
//! wakes its readers.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::{Pin, pin},
    rc::{Rc, Weak},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use slab::Slab;
use smallvec::SmallVec;
use sse_actix_core::{
    Batch, Completion, Limit, LogError, Mailbox, Position, Resume, Retry, Start, TopicName, Watch, Window,
};
use tokio::time::{Instant, Sleep};

use super::{
    direct::{self, Chunk, Given},
    limits::Seat,
    presence::Stay,
    state::{State, TopicState},
    stats::Eviction,
};
use crate::{
    control::StreamControl,
    server::{Wire, Wired},
};

thread_local! {
    static WORKERS: RefCell<HashMap<u64, Rc<Worker>>> = RefCell::new(HashMap::new());
}

/// How many readers are woken before everybody else on the thread has a turn: among them publishers, whose
/// next event the later readers then get along with this one.
const SLICE: usize = 64;

/// How often it is looked for readers that have stalled, and figures are told.
const TICK: Duration = Duration::from_secs(1);

/// How long a failed read is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

const PULL: Limit = Limit {
    events: NonZeroUsize::new(Window::MAX).unwrap(),
    bytes: 256 * 1024,
};

pub(super) struct Worker {
    pub(super) state: Arc<State>,
    id: u64,
    topics: RefCell<Slab<LocalTopic>>,
    keys: RefCell<HashMap<TopicName, usize>>,
    mailbox: Mailbox,
    /// Topics that have something to do.
    active: RefCell<VecDeque<usize>>,
    deadlines: RefCell<Deadlines>,
    /// Whom to look at for a keep-alive, by time in milliseconds of its clock.
    beats: RefCell<BTreeMap<u64, Vec<Weak<Member>>>>,
    readers: Cell<usize>,
    began: Instant,
    next_tick: Cell<Instant>,
    /// Seconds, about, since it began.
    ticks: Cell<u32>,
    pump: Cell<Option<Waker>>,
    /// Where id lines are written, one at a time.
    pub(super) scratch: Cell<Vec<u8>>,
    /// What readers are given at once.
    pub(super) chunk: RefCell<Chunk>,
}

/// Whom to end when and why; told from others at the same instant by a number.
type Deadlines = BTreeMap<(Instant, u64), (Weak<Member>, Eviction)>;

pub(super) struct LocalTopic {
    pub(super) state: Arc<TopicState>,
    pub(super) window: Window,
    pub(super) delivered: Cell<u64>,
    readers: Slab<(Rc<Member>, usize)>,
    #[expect(dead_code, reason = "held for its drop")]
    watch: Watch,
    pull: Pull,
    /// The log has more than the window.
    grown: bool,
    /// The next reader to be woken; `None` when all have been.
    waking: Option<usize>,
    /// All were woken, and have not had their turn yet.
    settling: bool,
    queued: bool,
}

enum Pull {
    None,
    Reading(Completion<Result<Batch, LogError>>),
    Pausing(Pin<Box<Sleep>>),
}

/// A subscription, as its topics know it.
pub(super) struct Member {
    waker: RefCell<Option<Waker>>,
    waiting: Cell<bool>,
    /// The tick at which it was last woken or polled.
    touched: Cell<u32>,
    over: Cell<bool>,
    /// Its client not reading is why it is not polled, and nothing else.
    pub(super) direct: Cell<bool>,
    pub(super) control: Option<StreamControl>,
    pub(super) seat: Cell<Option<Seat>>,
    pub(super) stays: Cell<Vec<Stay>>,
    /// The socket of its connection, where that can be written to.
    pub(super) wire: OnceCell<Rc<Wire>>,
    /// Whether what is new in the window, all of it and nothing else, is what it gets next.
    pub(super) follows: Cell<bool>,
    /// How many events and bytes were written to its wire by the worker.
    pub(super) written: Cell<(u64, u64)>,
    /// When it last wrote, in milliseconds of the worker's clock.
    pub(super) wrote: Cell<u64>,
    /// After how many milliseconds of silence it is to be kept alive; 0 as long as nobody asked.
    silence: Cell<u32>,
    /// That is due.
    beat: Cell<bool>,
    /// It is done by the usual comment.
    pub(super) comment: Cell<bool>,
    pub(super) places: SmallVec<[Spot; 1]>,
}

/// A subscription's place in one topic.
pub(super) struct Spot {
    key: Cell<usize>,
    slot: Cell<Option<usize>>,
    pub(super) position: Cell<Option<Position>>,
    /// Its position is told in no id.
    pub(super) silent: Cell<bool>,
}

impl Worker {
    /// This thread's worker of a hub; `None` where there is no actix runtime.
    pub(super) fn of(state: &Arc<State>) -> Option<Rc<Self>> {
        let known = WORKERS.with_borrow(|workers| workers.get(&state.id).cloned());
        known.or_else(|| Self::start(state))
    }

    fn start(state: &Arc<State>) -> Option<Rc<Self>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        actix_web::rt::System::try_current()?;
        let worker = Rc::new(Self {
            state: Arc::clone(state),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            topics: RefCell::default(),
            keys: RefCell::default(),
            mailbox: Mailbox::new(),
            active: RefCell::default(),
            deadlines: RefCell::default(),
            beats: RefCell::default(),
            readers: Cell::new(0),
            began: Instant::now(),
            next_tick: Cell::new(Instant::now() + TICK),
            ticks: Cell::new(0),
            pump: Cell::new(None),
            scratch: Cell::default(),
            chunk: RefCell::default(),
        });
        WORKERS.with_borrow_mut(|workers| workers.insert(state.id, Rc::clone(&worker)));
        let leaving = Leaving(Rc::clone(&worker));
        actix_web::rt::spawn(async move {
            let mut timer = Box::pin(tokio::time::sleep(TICK));
            poll_fn(|cx| leaving.0.poll_pump(timer.as_mut(), cx)).await;
        });
        Some(worker)
    }

    /// Adds a member's part to a topic, before it reads from it.
    pub(super) fn join(&self, member: &Rc<Member>, part: usize, topic: &Arc<TopicState>) {
        let mut topics = self.topics.borrow_mut();
        let known = self.keys.borrow().get(&topic.name).copied();
        let key = known.unwrap_or_else(|| {
            let entry = topics.vacant_entry();
            let key = entry.key();
            let bell = self.mailbox.bell(key);
            self.state.log.prepare(&topic.name, &topic.options.retention);
            let watch = self
                .state
                .log
                .watch(&topic.name, Waker::from(bell), SystemTime::now());
            entry.insert(LocalTopic {
                state: Arc::clone(topic),
                window: Window::new(topic.options.retention.keeps()),
                delivered: Cell::new(0),
                readers: Slab::new(),
                watch,
                pull: Pull::None,
                grown: false,
                waking: None,
                settling: false,
                queued: false,
            });
            self.keys.borrow_mut().insert(topic.name.clone(), key);
            key
        });
        if let (Some(local), Some(spot)) = (topics.get_mut(key), member.places.get(part)) {
            spot.key.set(key);
            spot.slot
                .set(Some(local.readers.insert((Rc::clone(member), part))));
        }
        topic.subscribers.fetch_add(1, Ordering::Relaxed);
        self.readers.set(self.readers.get() + 1);
        if self.readers.get() == 1 {
            self.wake_pump();
        }
    }

    /// Ends a member's parts in all its topics, and gives back what it occupies.
    pub(super) fn leave(&self, member: &Member) {
        member.over.set(true);
        for spot in &member.places {
            let Some(slot) = spot.slot.take() else { continue };
            let mut topics = self.topics.borrow_mut();
            let Some(local) = topics.get_mut(spot.key.get()) else {
                continue;
            };
            let reader = local.readers.try_remove(slot);
            local.state.subscribers.fetch_sub(1, Ordering::Relaxed);
            self.readers.set(self.readers.get() - 1);
            let mut gone = None;
            if local.readers.is_empty() {
                local.tell(self);
                self.keys.borrow_mut().remove(&local.state.name);
                gone = topics.try_remove(spot.key.get());
            }
            // What they own may be anything, so it goes without the borrow.
            drop(topics);
            drop((reader, gone));
        }
        drop((member.seat.take(), member.stays.take()));
    }

    /// Lets a reader look at its topic.
    pub(super) fn with_topic<T>(&self, spot: &Spot, look: impl FnOnce(&LocalTopic) -> T) -> Option<T> {
        let topics = self.topics.borrow();
        spot.slot.get()?;
        topics.get(spot.key.get()).map(look)
    }

    /// A reader has read up to the head: from there on the window knows what is new.
    pub(super) fn reached(&self, spot: &Spot, position: Position) {
        let mut topics = self.topics.borrow_mut();
        let key = spot.key.get();
        if let Some(local) = topics.get_mut(key)
            // Or that is of an earlier life of the log, which is over: this reader would ask the log again and again.
            && local.window.head().is_none_or(|head| head.epoch != position.epoch)
        {
            // Who was in the earlier life is still to find out.
            local.waking = local.window.head().map(|_| 0);
            local.window.begin(position);
            // It may have grown since it was read.
            local.grown = true;
            self.activate(local, key);
            self.wake_pump();
        }
    }

    /// Ends a member at a time, for a reason.
    pub(super) fn end_at(&self, member: &Rc<Member>, at: Instant, reason: Eviction) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = (at, NEXT.fetch_add(1, Ordering::Relaxed));
        self.deadlines
            .borrow_mut()
            .insert(key, (Rc::downgrade(member), reason));
        self.wake_pump();
    }

    /// Ends a member's stream so that its client comes back, and frees what it occupies at once, be it polled
    /// again or not.
    pub(super) fn evict(&self, member: &Rc<Member>, reason: Eviction) {
        if member.over.get() {
            return;
        }
        self.state.counters.evicted(reason, 1);
        for spot in &member.places {
            self.with_topic(spot, |local| local.state.counters.evicted(reason, 1));
        }
        self.leave(member);
        if let Some(control) = &member.control {
            // Not all at once.
            let retry = Duration::from_millis(fastrand::u64(1_000..=5_000));
            control.send_away(Retry::from(retry));
        }
        member.wake(self.ticks.get());
    }

    fn wake_pump(&self) {
        if let Some(waker) = self.pump.take() {
            waker.wake_by_ref();
            self.pump.set(Some(waker));
        }
    }

    fn activate(&self, local: &mut LocalTopic, key: usize) {
        if !local.queued {
            local.queued = true;
            self.active.borrow_mut().push_back(key);
        }
    }

    fn poll_pump(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        self.pump.set(Some(cx.waker().clone()));
        while let Poll::Ready(key) = self.mailbox.poll_next(cx) {
            if let Some(local) = self.topics.borrow_mut().get_mut(key) {
                local.grown = true;
                self.activate(local, key);
            }
        }
        let mut go_on = self.poll_time(timer.as_mut(), cx);

        let mut budget = SLICE;
        let active = self.active.borrow().len();
        for _ in 0..active {
            let Some(key) = self.active.borrow_mut().pop_front() else {
                break;
            };
            let mut topics = self.topics.borrow_mut();
            let Some(local) = topics.get_mut(key) else {
                continue;
            };
            local.queued = false;
            let step = local.step(self, key, &mut budget, cx);
            if step != Step::Done {
                self.activate(local, key);
            }
            go_on |= step == Step::Again;
            if budget == 0 {
                break;
            }
        }
        if go_on {
            // After those that were woken, and after it was looked who has asked for something meanwhile.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        Poll::Pending
    }

    /// Does what is due. Whether there is more.
    fn poll_time(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            self.end_due(now);
            if self.beat_due() {
                return true;
            }
            if now >= self.next_tick.get() {
                self.next_tick.set(now + TICK);
                self.tick();
            }
            let tick = (self.readers.get() > 0).then(|| self.next_tick.get());
            let deadline = self.deadlines.borrow().keys().next().map(|(at, _)| *at);
            let beat = self.beats.borrow().keys().next().copied();
            let beat = beat.map(|at| self.began + Duration::from_millis(at));
            let Some(next) = tick.into_iter().chain(deadline).chain(beat).min() else {
                // Nothing to look after.
                return false;
            };
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
    }

    fn end_due(&self, now: Instant) {
        let mut due = Vec::new();
        {
            let mut deadlines = self.deadlines.borrow_mut();
            while let Some(first) = deadlines.first_entry()
                && first.key().0 <= now
            {
                due.push(first.remove());
            }
        }
        for (member, reason) in due {
            if let Some(member) = member.upgrade() {
                self.evict(&member, reason);
            }
        }
    }

    /// Keeps those alive whose silence has lasted for long enough. Whether there are more of them.
    fn beat_due(&self) -> bool {
        let now = self.clock();
        let mut due = Vec::new();
        {
            let mut beats = self.beats.borrow_mut();
            while due.len() < SLICE
                && let Some(mut first) = beats.first_entry()
                && *first.key() <= now
            {
                let members = first.get_mut();
                due.extend(members.drain(members.len().saturating_sub(SLICE)..));
                if members.is_empty() {
                    first.remove();
                }
            }
        }
        let more = due.len() >= SLICE;
        for member in due.iter().filter_map(Weak::upgrade) {
            let silent_until = member.wrote.get() + u64::from(member.silence.get());
            if member.is_over() {
            } else if member.rounded(silent_until) > now {
                self.beat_at(&member, silent_until);
            } else if member.waiting.get() && member.comment.get() && direct::keep_alive(&member) {
                member.wrote.set(now);
                self.beat_at(&member, now + u64::from(member.silence.get()));
            } else if member.waiting.get() {
                member.beat.set(true);
                member.wake(self.ticks.get());
            } else {
                // What it was woken for it has not sent: its client reads slowly.
                self.beat_at(&member, now + u64::from(member.silence.get()));
            }
        }
        more
    }

    /// Whether a member is to be kept alive now. From when it is first asked, the member is woken for it.
    pub(super) fn beats(&self, member: &Rc<Member>, after: Duration, comment: bool, wrote: bool) -> bool {
        member.comment.set(comment);
        let beat = member.beat.take();
        let first = member.silence.get() == 0;
        if first {
            let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
            member.silence.set(after.max(1));
        }
        if wrote || beat || first {
            member.wrote.set(self.clock());
        }
        if beat || first {
            self.beat_at(member, member.wrote.get() + u64::from(member.silence.get()));
        }
        beat && !wrote
    }

    fn beat_at(&self, member: &Rc<Member>, at: u64) {
        let at = member.rounded(at);
        let mut beats = self.beats.borrow_mut();
        let earliest = beats.keys().next().is_none_or(|first| at < *first);
        beats.entry(at).or_default().push(Rc::downgrade(member));
        drop(beats);
        if earliest {
            self.wake_pump();
        }
    }

    /// Milliseconds since it began.
    fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) {
        self.ticks.set(self.ticks.get() + 1);
        let stall = u32::try_from(self.state.settings.stall_timeout.as_secs()).unwrap_or(u32::MAX);
        let mut stalled = Vec::new();
        for (_, local) in self.topics.borrow().iter() {
            local.tell(self);
            for (_, (member, _)) in &local.readers {
                if member.direct.get()
                    && !member.waiting.get()
                    && self.ticks.get().saturating_sub(member.touched.get()) > stall
                {
                    stalled.push(Rc::clone(member));
                }
            }
        }
        for member in stalled {
            self.evict(&member, Eviction::Stalled);
        }
        if self.ticks.get().is_multiple_of(10) {
            self.state.log.maintain(SystemTime::now());
            self.state.limits.maintain();
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.ticks.get()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing more to do.
    Done,
    /// It waits for the log.
    Waits,
    /// It goes on with the next turn.
    Again,
}

impl LocalTopic {
    /// Takes in what is new, and wakes the next readers.
    fn step(&mut self, worker: &Worker, key: usize, budget: &mut usize, cx: &mut Context<'_>) -> Step {
        let waits = self.pull(worker, cx);
        while let Some(next) = self.waking {
            if *budget == 0 {
                return Step::Again;
            }
            let Some(head) = self.window.head() else { break };
            let mut chunk = worker.chunk.borrow_mut();
            let (now, mut given) = (worker.clock(), 0);
            let mut next = next;
            let due = due(&self.readers, &mut next, head, *budget);
            *budget -= due.len();
            for (member, spot, wire) in due {
                match wire.map_or(Given::Nothing, |wire| {
                    chunk.give(key, &self.window, member, spot, wire, now)
                }) {
                    Given::All(events) => given += events,
                    Given::Rests(events) => {
                        given += events;
                        member.wake(worker.ticks.get());
                    }
                    Given::Nothing => member.wake(worker.ticks.get()),
                }
            }
            self.delivered.set(self.delivered.get() + given);
            self.waking = (next < self.readers.capacity()).then_some(next);
            self.settling = true;
        }
        // As long as no reader has reached the head, there is nothing to go on from.
        let reads_on = self.grown && !waits && self.window.head().is_some();
        if self.waking.is_some() || reads_on {
            return Step::Again;
        }
        if self.settling {
            self.settling = false;
            return Step::Again;
        }
        // Everyone has had a turn; who has not read by now has fallen behind.
        self.window.clear();
        if waits { Step::Waits } else { Step::Done }
    }

    /// Reads what is new. Whether it waits for the log.
    fn pull(&mut self, worker: &Worker, cx: &mut Context<'_>) -> bool {
        loop {
            match &mut self.pull {
                Pull::None => {
                    let Some(head) = self.window.head().filter(|_| self.grown) else {
                        return false;
                    };
                    self.grown = false;
                    let start = Start::After(head);
                    let read = worker
                        .state
                        .log
                        .read(&self.state.name, start, PULL, SystemTime::now());
                    match read.into_ready() {
                        Ok(batch) => return self.take(batch, cx),
                        Err(later) => self.pull = Pull::Reading(later),
                    }
                }
                Pull::Reading(reading) => {
                    let Poll::Ready(batch) = Pin::new(reading).poll(cx) else {
                        return true;
                    };
                    self.pull = Pull::None;
                    return self.take(batch, cx);
                }
                Pull::Pausing(pause) => {
                    if pause.as_mut().poll(cx).is_pending() {
                        return true;
                    }
                    self.pull = Pull::None;
                }
            }
        }
    }

    fn take(&mut self, batch: Result<Batch, LogError>, cx: &mut Context<'_>) -> bool {
        match batch {
            Ok(batch) => {
                if batch.resume != Resume::From {
                    // Overtaken, or another life of the log: the readers find out for themselves.
                    self.window.begin(batch.start);
                } else if self.window.head() != Some(batch.start) {
                    // Meanwhile a reader has found another life of the log, and the window begins there.
                    self.grown = true;
                    return false;
                }
                self.grown |= batch.more;
                let known = self.window.head();
                self.window.extend(batch.entries, batch.end.sequence);
                if batch.resume != Resume::From || self.window.head() != known {
                    self.waking = Some(0);
                }
                false
            }
            Err(error) => {
                tracing::warn!(
                    target: "sse_actix", topic = self.state.name.as_str(), %error,
                    cause = error_cause(&error), "a topic cannot be read; its streams stay open"
                );
                self.grown = true;
                let mut pause = Box::pin(tokio::time::sleep(PAUSE));
                let waits = pause.as_mut().poll(cx).is_pending();
                self.pull = Pull::Pausing(pause);
                waits
            }
        }
    }

    /// Tells the figures that are counted here.
    fn tell(&self, worker: &Worker) {
        self.state
            .delivered
            .fetch_add(self.delivered.take(), Ordering::Relaxed);
        let positions = self
            .readers
            .iter()
            .filter_map(|(_, (member, part))| member.places.get(*part)?.position.get());
        let epoch = self.window.head().map(|head| head.epoch);
        let slowest = positions
            .filter(|position| epoch.is_none_or(|epoch| epoch == position.epoch))
            .min_by_key(|position| position.sequence);
        let lag = slowest.map(|slowest| worker.state.log.behind(&self.state.name, slowest));
        let mut lags = self.state.lags.write().unwrap_or_else(PoisonError::into_inner);
        match lag {
            Some(lag) => lags.insert(worker.id, lag),
            None => lags.remove(&worker.id),
        };
    }
}

/// The next readers that wait before `head`, each with where to write what it gets.
///
/// They are looked at before the first is written to: what they are is spread over memory, and the processor
/// fetches it for several at once.
fn due<'a>(
    readers: &'a Slab<(Rc<Member>, usize)>,
    next: &mut usize,
    head: Position,
    most: usize,
) -> SmallVec<[(&'a Member, &'a Spot, Option<&'a Wire>); SLICE]> {
    let mut due = SmallVec::new();
    // A slot may be empty; there are never more slots than there were readers at once.
    while *next < readers.capacity() && due.len() < most {
        if let Some((member, part)) = readers.get(*next)
            && let Some(spot) = member.places.get(*part)
            && member.waits_before(spot, head)
        {
            let wire = direct::wire_of(member).filter(|_| member.follows.get());
            due.push((&**member, spot, wire));
        }
        *next += 1;
    }
    due
}

pub(super) fn error_cause(error: &LogError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

impl Member {
    pub(super) fn new(control: Option<StreamControl>, seat: Seat, parts: usize) -> Self {
        let spot = || Spot {
            key: Cell::new(0),
            slot: Cell::new(None),
            position: Cell::new(None),
            silent: Cell::new(false),
        };
        Self {
            waker: RefCell::new(None),
            waiting: Cell::new(false),
            touched: Cell::new(0),
            over: Cell::new(false),
            direct: Cell::new(false),
            control,
            seat: Cell::new(Some(seat)),
            stays: Cell::default(),
            wire: OnceCell::new(),
            follows: Cell::new(false),
            written: Cell::default(),
            wrote: Cell::new(0),
            silence: Cell::new(0),
            beat: Cell::new(false),
            comment: Cell::new(false),
            places: (0..parts).map(|_| spot()).collect(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// It has read everything, and was not woken since.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.get()
    }

    /// It is being polled.
    pub(super) fn touch(&self, now: u32) {
        self.waiting.set(false);
        self.touched.set(now);
    }

    /// It has read everything, and waits.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.waiting.set(true);
    }

    /// Times are rounded down to a quarter of the silence, a second at most: that many are looked at together is
    /// what makes keep-alives cheap, and one that comes earlier keeps alive as well.
    fn rounded(&self, at: u64) -> u64 {
        let grain = (u64::from(self.silence.get()) / 4).clamp(1, 1_000);
        at - at % grain
    }

    fn waits_before(&self, spot: &Spot, head: Position) -> bool {
        self.waiting.get()
            && spot
                .position
                .get()
                .is_some_and(|position| position.epoch != head.epoch || position.sequence < head.sequence)
    }

    fn wake(&self, now: u32) {
        self.waiting.set(false);
        self.touched.set(now);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Wired for Member {
    fn wire(&self, wire: Rc<Wire>) {
        // A stream stays on its connection.
        let _ = self.wire.set(wire);
    }
}

/// The pump's hold on its worker: when the runtime ends, the thread may get another.
struct Leaving(Rc<Worker>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = WORKERS.try_with(|workers| {
            let gone = workers
                .try_borrow_mut()
                .ok()
                .and_then(|mut workers| workers.remove(&self.0.state.id));
            drop(gone);
        });
    }
}
