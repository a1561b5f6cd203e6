//! One thread's part in a hub: it learns which topics have grown, takes what is new into its windows, and
//! wakes its readers.

mod subscriber;
mod timers;
mod topic;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use slab::Slab;
use smallvec::SmallVec;
use sse_actix_core::{Mailbox, Position, PositionsLine, Retry, TopicName, Watch};
use tokio::{
    task::{coop::unconstrained, spawn_local},
    time::Sleep,
};

pub(super) use self::{
    subscriber::{Subscriber, Told, TopicCursor},
    topic::READ_RETRY_PAUSE,
};
use self::{
    timers::Schedule,
    topic::{StepResult, WorkerTopic},
};
use super::{
    registry::{HubShared, TopicState},
    stats::Eviction,
};
use crate::stream::span::panic_message;

thread_local! {
    static WORKERS: RefCell<HashMap<u64, Rc<Worker>>> = RefCell::new(HashMap::new());
}

/// How many readers are woken before other tasks on the thread run. If a publisher runs in between, the remaining
/// readers get its next event in the same write.
const SUBSCRIBERS_PER_TURN: usize = 64;

/// The key of the bell that rings when the last hub is gone. No topic has it.
const CLOSING: usize = usize::MAX;

/// How many messages the worker takes before it looks at topics and timers.
const MESSAGES_PER_TURN: usize = 1_024;

/// Readers that have not read the newest entries.
type DueSubscribers = SmallVec<[Rc<Subscriber>; SUBSCRIBERS_PER_TURN]>;

/// How often the worker looks for readers that have stalled, and updates the figures.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) hub: Arc<HubShared>,
    id: u64,
    topics: Topics,
    mailbox: Mailbox,
    schedule: Schedule,
    /// How many cursors its subscribers have in all.
    cursors: Cell<usize>,
    #[expect(dead_code, reason = "held for its drop")]
    closing: Watch,
    task_waker: Cell<Option<Waker>>,
    /// The memory of id lines, one at a time.
    pub(super) scratch: Cell<PositionsLine>,
}

/// The topics that are read on this thread.
#[derive(Default)]
struct Topics {
    by_key: RefCell<Slab<WorkerTopic>>,
    keys: RefCell<HashMap<TopicName, usize>>,
    /// Those that have something to do.
    active: RefCell<VecDeque<usize>>,
}

impl Worker {
    /// This thread's worker of a hub; `None` where no task can be spawned on this thread.
    pub(super) fn of(hub: &Arc<HubShared>) -> Option<Rc<Self>> {
        let known = WORKERS.with_borrow(|workers| workers.get(&hub.id).cloned());
        known.or_else(|| Self::start(hub))
    }

    fn start(hub: &Arc<HubShared>) -> Option<Rc<Self>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if !may_spawn() {
            return None;
        }
        let mailbox = Mailbox::new();
        let worker = Rc::new(Self {
            closing: hub.watch_closing(Waker::from(mailbox.bell(CLOSING))),
            hub: Arc::clone(hub),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            topics: Topics::default(),
            mailbox,
            schedule: Schedule::new(),
            cursors: Cell::new(0),
            task_waker: Cell::new(None),
            scratch: Cell::default(),
        });
        WORKERS.with_borrow_mut(|workers| workers.insert(hub.id, Rc::clone(&worker)));
        let registration = WorkerRegistration(Rc::clone(&worker));
        let task = async move {
            let mut timer = Box::pin(tokio::time::sleep(TICK));
            // The task yields by itself. With tokio's budget for a task, sockets would refuse writes once that is used up.
            unconstrained(poll_fn(|cx| {
                let poll = AssertUnwindSafe(|| registration.0.poll_task(timer.as_mut(), cx));
                catch_unwind(poll).unwrap_or_else(|panic| {
                    registration.0.fail(panic_message(&*panic));
                    Poll::Ready(())
                })
            }))
            .await;
        };
        // It panics where a task of a multi-threaded runtime polls a subscription by hand.
        catch_unwind(AssertUnwindSafe(|| spawn_local(task))).ok()?;
        Some(worker)
    }

    /// Registers a subscriber with one of its topics, before it reads from it.
    pub(super) fn join(&self, subscriber: &Rc<Subscriber>, topic_index: usize, topic: &Arc<TopicState>) {
        let mut topics = self.topics.by_key.borrow_mut();
        let known = self.topics.keys.borrow().get(&topic.name).copied();
        let key = known.unwrap_or_else(|| {
            let entry = topics.vacant_entry();
            let key = entry.key();
            let bell = self.mailbox.bell(key);
            self.hub.log.prepare(&topic.name, &topic.options.retention);
            let watch = self
                .hub
                .log
                .watch(&topic.name, Waker::from(bell), SystemTime::now());
            entry.insert(WorkerTopic::new(topic, watch));
            self.topics.keys.borrow_mut().insert(topic.name.clone(), key);
            key
        });
        if let (Some(worker_topic), Some(cursor)) = (topics.get_mut(key), subscriber.cursors.get(topic_index))
        {
            cursor.key.set(key);
            cursor.slot.set(Some(
                worker_topic
                    .subscribers
                    .insert((Rc::clone(subscriber), topic_index)),
            ));
            self.cursors.set(self.cursors.get() + 1);
            if self.cursors.get() == 1 {
                self.wake_task();
            }
        }
    }

    /// Removes a subscriber from all its topics, and gives back its permit and presence.
    pub(super) fn leave(&self, subscriber: &Subscriber) {
        subscriber.poll_state.over.set(true);
        self.unschedule(subscriber);
        for cursor in &subscriber.cursors {
            let Some(slot) = cursor.slot.take() else { continue };
            let mut topics = self.topics.by_key.borrow_mut();
            let Some(worker_topic) = topics.get_mut(cursor.key.get()) else {
                continue;
            };
            let removed = worker_topic.subscribers.try_remove(slot);
            if cursor.is_counted.take() {
                worker_topic.topic.subscribers.fetch_sub(1, Ordering::Relaxed);
            }
            self.cursors.set(self.cursors.get() - 1);
            let mut gone = None;
            if worker_topic.subscribers.is_empty() {
                worker_topic.report_figures(self);
                self.topics.keys.borrow_mut().remove(&worker_topic.topic.name);
                gone = topics.try_remove(cursor.key.get());
            }
            // Dropping them may run any code, so nothing is borrowed then.
            drop(topics);
            drop((removed, gone));
        }
        drop((subscriber.permit.take(), subscriber.presence.take()));
        if self.cursors.get() == 0 && self.hub.is_closed() {
            self.wake_task();
        }
    }

    /// Lets a reader look at its topic.
    pub(super) fn with_topic<T>(
        &self,
        cursor: &TopicCursor,
        look: impl FnOnce(&WorkerTopic) -> T,
    ) -> Option<T> {
        let topics = self.topics.by_key.borrow();
        cursor.slot.get()?;
        topics.get(cursor.key.get()).map(look)
    }

    /// A reader has read up to the head: from there on the window knows what is new.
    pub(super) fn reader_reached_head(&self, cursor: &TopicCursor, position: Position) {
        let mut topics = self.topics.by_key.borrow_mut();
        let key = cursor.key.get();
        if let Some(worker_topic) = topics.get_mut(key)
            // A window of an old epoch begins anew, too. Otherwise this reader would always be behind it.
            && worker_topic.window.head().is_none_or(|head| head.epoch != position.epoch)
        {
            // Readers of the earlier epoch must be woken, to notice the change.
            worker_topic.next_to_wake = worker_topic.window.head().map(|_| 0);
            worker_topic.window.begin(position);
            // It may have grown since it was read.
            worker_topic.has_new_entries = true;
            self.activate(worker_topic, key);
            self.wake_task();
        }
    }

    /// Ends a subscriber's stream so that its client comes back, and frees what it holds at once, even if it is never
    /// polled again.
    pub(super) fn evict(&self, subscriber: &Rc<Subscriber>, reason: Eviction) {
        if subscriber.poll_state.over.get() {
            return;
        }
        self.hub.count_evictions(reason, 1);
        for cursor in &subscriber.cursors {
            self.with_topic(cursor, |worker_topic| {
                worker_topic.topic.counters.count_evictions(reason, 1);
            });
        }
        if let Some(control) = &subscriber.control {
            // Random, so that clients do not come back all at once.
            let retry = Duration::from_millis(fastrand::u64(1_000..=5_000));
            control.send_away(Retry::from(retry), reason.cause());
        }
        self.leave(subscriber);
        subscriber.wake(self.now());
        if matches!(reason, Eviction::Stalled) {
            subscriber.give_up();
        } else {
            self.give_up_unless_read(subscriber);
        }
    }

    fn wake_task(&self) {
        if let Some(waker) = self.task_waker.take() {
            waker.wake_by_ref();
            self.task_waker.set(Some(waker));
        }
    }

    fn activate(&self, worker_topic: &mut WorkerTopic, key: usize) {
        if !worker_topic.is_queued {
            worker_topic.is_queued = true;
            self.topics.active.borrow_mut().push_back(key);
        }
    }

    fn poll_task(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        self.task_waker.set(Some(cx.waker().clone()));
        // Bounded: a publisher that never pauses rings again as soon as its message was taken.
        let mut messages = 0;
        while messages < MESSAGES_PER_TURN
            && let Poll::Ready(key) = self.mailbox.poll_next(cx)
        {
            messages += 1;
            if let Some(worker_topic) = self.topics.by_key.borrow_mut().get_mut(key) {
                worker_topic.has_new_entries = true;
                self.activate(worker_topic, key);
            }
        }
        let mut has_more = self.poll_time(timer.as_mut(), cx) || messages == MESSAGES_PER_TURN;

        let mut due = DueSubscribers::new();
        let active = self.topics.active.borrow().len();
        for _ in 0..active {
            let Some(key) = self.topics.active.borrow_mut().pop_front() else {
                break;
            };
            let mut topics = self.topics.by_key.borrow_mut();
            let Some(worker_topic) = topics.get_mut(key) else {
                continue;
            };
            worker_topic.is_queued = false;
            let step = worker_topic.step(self, &mut due, cx);
            if step != StepResult::Done {
                self.activate(worker_topic, key);
            }
            has_more |= step == StepResult::Again;
            if due.len() >= SUBSCRIBERS_PER_TURN {
                break;
            }
        }
        // Middleware around their bodies may publish, subscribe or end streams, so nothing is borrowed here.
        self.schedule.now.set(Some(self.clock()));
        let driven: SmallVec<[_; SUBSCRIBERS_PER_TURN]> = due
            .iter()
            .map(|subscriber| subscriber.driven_connection())
            .collect();
        for connection in driven.iter().flatten() {
            let _ = catch_unwind(AssertUnwindSafe(|| connection.prefetch()));
        }
        for (subscriber, connection) in due.iter().zip(driven) {
            subscriber.drive_or_wake(connection.as_deref(), self.now());
        }
        self.schedule.now.set(None);
        if has_more {
            // Yields after the woken readers, and after the mailbox was emptied.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        if self.cursors.get() == 0 && self.hub.is_closed() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ends its readers: a log or a waker that is not ours has panicked, and nobody would wake them any more. Their clients
    /// come back, to a new worker.
    fn fail(&self, message: &str) {
        #[cfg(feature = "metrics")]
        crate::metrics::WORKER_PANICS.fetch_add(1, Ordering::Relaxed);
        self.unregister();
        self.schedule.now.set(None);
        let readers: Vec<_> = {
            let topics = self.topics.by_key.borrow();
            let readers = topics
                .iter()
                .flat_map(|(_, worker_topic)| worker_topic.subscribers.iter());
            readers
                .map(|(_, (subscriber, _))| Rc::clone(subscriber))
                .collect()
        };
        tracing::error!(
            target: "sse_actix", error = message, readers = readers.len(),
            "a hub's worker panicked; its streams end, and their clients come back"
        );
        for subscriber in readers {
            // The log may panic once more. The stream is told to end before that can happen.
            let evict = AssertUnwindSafe(|| self.evict(&subscriber, Eviction::Failed));
            if catch_unwind(evict).is_err() {
                let _ = catch_unwind(AssertUnwindSafe(|| subscriber.wake(self.now())));
            }
        }
    }

    /// From now on the thread's next subscription starts a new worker.
    fn unregister(&self) {
        let registered = WORKERS.try_with(|workers| {
            let mut workers = workers.try_borrow_mut().ok()?;
            let is_this = workers
                .get(&self.hub.id)
                .is_some_and(|worker| worker.id == self.id);
            is_this.then(|| workers.remove(&self.hub.id))
        });
        drop(registered);
    }
}

/// Whether this thread runs tasks of its own: it is one of an actix system, or a task of a `LocalSet` is being polled, as on
/// the threads of an actix server under `#[tokio::main]`.
fn may_spawn() -> bool {
    actix_web::rt::System::try_current().is_some() || tokio::task::try_id().is_some()
}

/// Held by the worker's task. When the runtime ends and drops the task, this unregisters the worker, so that the thread can
/// start another.
struct WorkerRegistration(Rc<Worker>);

impl Drop for WorkerRegistration {
    fn drop(&mut self) {
        self.0.unregister();
    }
}
