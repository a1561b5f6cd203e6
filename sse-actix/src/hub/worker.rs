//! The part of a hub on one thread. It learns which topics have grown, and reads new entries into its windows. Then it
//! wakes its readers or, if connections were handed over, writes to them. [topic](topic) has the state of a topic,
//! [subscriber](subscriber) of a subscriber, and [timers](timers) the work at set times (`Worker::tick_count`,
//! `millis`, `poll_time`).

mod on_thread;
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
    time::Duration,
};

use slab::Slab;
use smallvec::SmallVec;
use sse_actix_core::{Position, PositionsLine, Retry, TopicName, WakeQueue, Watch};
use tokio::{task::coop::unconstrained, time::Sleep};

pub(super) use self::{
    subscriber::{LastSentId, Subscriber, TopicCursor},
    topic::READ_RETRY_PAUSE,
};
use self::{
    timers::Schedule,
    topic::{TopicTurn, WorkerTopic},
};
use super::{
    shared::{HubShared, TopicState},
    stats::Eviction,
};
use crate::{clock, stream::span::panic_message};

/// How many readers are woken before other tasks on the thread run. If a publisher runs in between, the remaining
/// readers get its next event in the same write.
const SUBSCRIBERS_PER_TURN: usize = 64;

/// The key that is queued when the last hub is dropped. No topic has this slot.
const CLOSING: usize = usize::MAX;

/// How many keys the worker takes from its queue before it looks at topics and timers.
const KEYS_PER_TURN: usize = 1_024;

/// Readers that have not read the newest entries.
type ReadySubscribers = SmallVec<[Rc<Subscriber>; SUBSCRIBERS_PER_TURN]>;

/// How often the worker looks for readers that have stalled, and updates the counts.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) hub: Arc<HubShared>,
    id: u64,
    thread: on_thread::ThreadId,
    topics: Topics,
    wake_queue: WakeQueue,
    schedule: Schedule,
    /// How many cursors its subscribers have in all.
    cursors: Cell<usize>,
    #[expect(dead_code, reason = "held for its drop")]
    closing: Watch,
    task_waker: Cell<Option<Waker>>,
    /// A buffer in which a reader writes an id line; one reader at a time uses it.
    pub(super) id_line: Cell<PositionsLine>,
}

/// The topics that have readers on this thread.
#[derive(Default)]
struct Topics {
    by_slot: RefCell<Slab<WorkerTopic>>,
    slots: RefCell<HashMap<TopicName, usize>>,
    /// The slots of topics with work to do.
    active: RefCell<VecDeque<usize>>,
}

impl Worker {
    /// This thread's worker of a hub; `None` if no task can be spawned on this thread.
    pub(super) fn of(hub: &Arc<HubShared>) -> Option<Rc<Self>> {
        on_thread::find(hub.id).or_else(|| Self::start(hub))
    }

    fn start(hub: &Arc<HubShared>) -> Option<Rc<Self>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if !on_thread::may_spawn() {
            return None;
        }
        let wake_queue = WakeQueue::new();
        let worker = Rc::new(Self {
            closing: hub.watch_closing(Waker::from(wake_queue.waker(CLOSING))),
            hub: Arc::clone(hub),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            thread: on_thread::this(),
            topics: Topics::default(),
            wake_queue,
            schedule: Schedule::new(),
            cursors: Cell::new(0),
            task_waker: Cell::new(None),
            id_line: Cell::default(),
        });
        on_thread::register(&worker);
        let registration = WorkerRegistration(Rc::clone(&worker));
        let task = async move {
            let mut timer = Box::pin(tokio::time::sleep(TICK));
            // The task yields by itself. With tokio's budget for a task, sockets would refuse writes once the budget is
            // used up.
            unconstrained(poll_fn(|cx| {
                let poll = AssertUnwindSafe(|| registration.0.poll_task(timer.as_mut(), cx));
                catch_unwind(poll).unwrap_or_else(|panic| {
                    registration.0.fail(panic_message(&*panic));
                    Poll::Ready(())
                })
            }))
            .await;
        };
        on_thread::spawn(task)?;
        Some(worker)
    }

    /// Registers a subscriber with one of its topics, before it reads from it.
    pub(super) fn register(&self, subscriber: &Rc<Subscriber>, topic_index: usize, topic: &Arc<TopicState>) {
        let mut topics = self.topics.by_slot.borrow_mut();
        let known = self.topics.slots.borrow().get(&topic.name).copied();
        let slot = known.unwrap_or_else(|| {
            let entry = topics.vacant_entry();
            let slot = entry.key();
            let waker = self.wake_queue.waker(slot);
            self.hub.log.prepare(&topic.name, &topic.options.retention);
            let watch = self.hub.log.watch(&topic.name, Waker::from(waker), clock::wall());
            entry.insert(WorkerTopic::new(topic, watch));
            self.topics.slots.borrow_mut().insert(topic.name.clone(), slot);
            slot
        });
        if let (Some(worker_topic), Some(cursor)) =
            (topics.get_mut(slot), subscriber.cursors.get(topic_index))
        {
            cursor.topic_slot.set(slot);
            cursor.subscriber_slot.set(Some(
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

    /// Removes a subscriber from all its topics, and frees its permit and presence.
    pub(super) fn deregister(&self, subscriber: &Subscriber) {
        if !subscriber.poll_state.over.replace(true)
            && let Some(connection) = subscriber.direct_connection()
        {
            connection.stream_ended(self.hub.settings.stall_timeout);
        }
        self.unschedule(subscriber);
        for cursor in &subscriber.cursors {
            let Some(slot) = cursor.subscriber_slot.take() else {
                continue;
            };
            let mut topics = self.topics.by_slot.borrow_mut();
            let Some(worker_topic) = topics.get_mut(cursor.topic_slot.get()) else {
                continue;
            };
            let removed = worker_topic.subscribers.try_remove(slot);
            if cursor.is_counted.take() {
                worker_topic.topic.subscribers.fetch_sub(1, Ordering::Relaxed);
            }
            self.cursors.set(self.cursors.get() - 1);
            let mut gone = None;
            if worker_topic.subscribers.is_empty() {
                worker_topic.report_counts(self);
                self.topics.slots.borrow_mut().remove(&worker_topic.topic.name);
                gone = topics.try_remove(cursor.topic_slot.get());
            }
            // Dropping them may run user code, so nothing is borrowed then.
            drop(topics);
            drop((removed, gone));
        }
        drop((subscriber.permit.take(), subscriber.presence.take()));
        if self.cursors.get() == 0 && self.hub.is_closed() {
            self.wake_task();
        }
    }

    /// Calls `look` with the cursor's topic; `None` if the cursor is not registered.
    pub(super) fn with_topic<T>(
        &self,
        cursor: &TopicCursor,
        look: impl FnOnce(&WorkerTopic) -> T,
    ) -> Option<T> {
        let topics = self.topics.by_slot.borrow();
        cursor.subscriber_slot.get()?;
        topics.get(cursor.topic_slot.get()).map(look)
    }

    /// Called when a reader has reached the newest entry of the log: from there on the window has the new entries.
    pub(super) fn reader_reached_newest(&self, cursor: &TopicCursor, position: Position) {
        let mut topics = self.topics.by_slot.borrow_mut();
        let slot = cursor.topic_slot.get();
        if let Some(worker_topic) = topics.get_mut(slot)
            // Also restart a window of another epoch: this reader could never read from it.
            && worker_topic.window.head().is_none_or(|head| head.epoch != position.epoch)
        {
            // Readers of the earlier epoch must be woken, to notice the change.
            worker_topic.next_to_wake = worker_topic.window.head().map(|_| 0);
            worker_topic.window.start_at(position);
            // The topic may have grown since the read.
            worker_topic.has_new_entries = true;
            self.activate(worker_topic, slot);
            self.wake_task();
        }
    }

    /// Ends a subscriber's stream so that its client reconnects, and frees its resources at once, even if it is never
    /// polled again.
    pub(super) fn evict(&self, subscriber: &Rc<Subscriber>, reason: Eviction) {
        if subscriber.poll_state.over.get() {
            return;
        }
        self.hub.count_evictions(reason, 1);
        for cursor in &subscriber.cursors {
            self.with_topic(cursor, |worker_topic| {
                worker_topic.topic.evictions.count_evictions(reason, 1);
            });
        }
        if let Some(control) = &subscriber.control {
            // A random time, so that clients do not reconnect all at once.
            let retry = Duration::from_millis(fastrand::u64(1_000..=5_000));
            control.end_with_retry(Retry::from(retry), reason.cause());
        }
        self.deregister(subscriber);
        subscriber.wake(self.tick_count());
        if matches!(reason, Eviction::Stalled) {
            subscriber.give_up();
        }
    }

    fn wake_task(&self) {
        if let Some(waker) = self.task_waker.take() {
            waker.wake_by_ref();
            self.task_waker.set(Some(waker));
        }
    }

    fn activate(&self, worker_topic: &mut WorkerTopic, slot: usize) {
        if !worker_topic.is_queued {
            worker_topic.is_queued = true;
            self.topics.active.borrow_mut().push_back(slot);
        }
    }

    fn poll_task(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        self.task_waker.set(Some(cx.waker().clone()));
        // Bounded: a publisher that never pauses queues its key again as soon as it was taken.
        let mut keys = 0;
        while keys < KEYS_PER_TURN
            && let Poll::Ready(slot) = self.wake_queue.poll_next(cx)
        {
            keys += 1;
            if let Some(worker_topic) = self.topics.by_slot.borrow_mut().get_mut(slot) {
                worker_topic.has_new_entries = true;
                self.activate(worker_topic, slot);
            }
        }
        let mut has_more = self.poll_time(timer.as_mut(), cx) || keys == KEYS_PER_TURN;

        let mut ready = ReadySubscribers::new();
        let active = self.topics.active.borrow().len();
        for _ in 0..active {
            let Some(slot) = self.topics.active.borrow_mut().pop_front() else {
                break;
            };
            let mut topics = self.topics.by_slot.borrow_mut();
            let Some(worker_topic) = topics.get_mut(slot) else {
                continue;
            };
            worker_topic.is_queued = false;
            let turn = worker_topic.take_turn(self, &mut ready, cx);
            if turn != TopicTurn::Done {
                self.activate(worker_topic, slot);
            }
            has_more |= turn == TopicTurn::Again;
            if ready.len() >= SUBSCRIBERS_PER_TURN {
                break;
            }
        }
        // Middleware around their bodies may publish, subscribe or end streams, so nothing is borrowed here.
        self.schedule.cached_millis.set(Some(self.millis()));
        let connections: SmallVec<[_; SUBSCRIBERS_PER_TURN]> = ready
            .iter()
            .map(|subscriber| subscriber.direct_connection())
            .collect();
        for connection in connections.iter().flatten() {
            let _ = catch_unwind(AssertUnwindSafe(|| connection.prefetch()));
        }
        for (subscriber, connection) in ready.iter().zip(connections) {
            subscriber.drive_or_wake(connection.as_deref(), self.tick_count());
        }
        self.schedule.cached_millis.set(None);
        if has_more {
            // Wakes this task again, behind the tasks of the readers that were just woken.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        if self.cursors.get() == 0 && self.hub.is_closed() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ends its readers, because a user's log or waker has panicked and nothing would wake them any more. Their clients
    /// reconnect and get a new worker.
    fn fail(&self, message: &str) {
        #[cfg(feature = "metrics")]
        crate::metrics::WORKER_PANICS.fetch_add(1, Ordering::Relaxed);
        self.unregister();
        self.schedule.cached_millis.set(None);
        let readers: Vec<_> = {
            let topics = self.topics.by_slot.borrow();
            let readers = topics
                .iter()
                .flat_map(|(_, worker_topic)| worker_topic.subscribers.iter());
            readers
                .map(|(_, (subscriber, _))| Rc::clone(subscriber))
                .collect()
        };
        tracing::error!(
            target: "sse_actix", error = message, readers = readers.len(),
            "a hub's worker panicked; its streams end, and their clients reconnect"
        );
        for subscriber in readers {
            // The log may panic once more. The stream is told to end before that can happen.
            let evict = AssertUnwindSafe(|| self.evict(&subscriber, Eviction::Failed));
            if catch_unwind(evict).is_err() {
                let _ = catch_unwind(AssertUnwindSafe(|| subscriber.wake(self.tick_count())));
            }
        }
    }

    /// From now on the thread's next subscription starts a new worker.
    fn unregister(&self) {
        on_thread::remove(self);
    }
}

/// Held by the worker's task. When the runtime ends and drops the task, this unregisters the worker, so that the thread
/// can start another.
struct WorkerRegistration(Rc<Worker>);

impl Drop for WorkerRegistration {
    fn drop(&mut self) {
        self.0.unregister();
    }
}
