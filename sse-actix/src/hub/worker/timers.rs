//! The work of a worker at set times: it ends streams, sends keep-alives, and looks for stalled readers once a second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::{Rc, Weak},
    sync::atomic::{AtomicU64, Ordering},
    task::Context,
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{SUBSCRIBERS_PER_TURN, TICK, Worker, subscriber::Subscriber};
use crate::{
    clock,
    hub::{shared::HubShared, stats::Eviction},
    server::min_bytes_read,
};

/// How often old data is deleted: events beyond their age, and addresses that no longer connect. Also when all readers
/// have left.
const MAINTENANCE: Duration = Duration::from_secs(10);

/// The schedule of a worker: deadlines and keep-alives.
pub(super) struct Schedule {
    began: Instant,
    next_tick: Cell<Instant>,
    next_maintenance: Cell<Instant>,
    /// Approximate seconds since it began.
    ticks: Cell<u32>,
    /// Milliseconds since `began`, while readers are driven: the clock is read once for many.
    pub(super) cached_millis: Cell<Option<u64>>,
    deadlines: RefCell<Deadlines>,
    /// Subscribers whose keep-alive may be due, by time in milliseconds.
    keep_alives: RefCell<BTreeMap<u64, Vec<Weak<Subscriber>>>>,
}

/// Streams to end, by deadline. The number keeps keys unique when deadlines coincide.
type Deadlines = BTreeMap<(Instant, u64), (Weak<Subscriber>, Eviction)>;

impl Schedule {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        Self {
            began,
            next_tick: Cell::new(began + TICK),
            next_maintenance: Cell::new(began + MAINTENANCE),
            ticks: Cell::new(0),
            cached_millis: Cell::new(None),
            deadlines: RefCell::default(),
            keep_alives: RefCell::default(),
        }
    }
}

impl Worker {
    /// Schedules the end of a subscriber at a time, with a reason.
    pub(in crate::hub) fn end_at(&self, subscriber: &Rc<Subscriber>, at: Instant, reason: Eviction) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = (at, NEXT.fetch_add(1, Ordering::Relaxed));
        self.schedule
            .deadlines
            .borrow_mut()
            .insert(key, (Rc::downgrade(subscriber), reason));
        subscriber.poll_state.deadline.set(Some(key));
        self.wake_task();
    }

    /// Removes a subscriber's deadline and its next keep-alive. Both may be far in the future, and their entries would
    /// keep the subscriber's memory until then.
    pub(super) fn unschedule(&self, subscriber: &Subscriber) {
        if let Some(key) = subscriber.poll_state.deadline.take() {
            self.schedule.deadlines.borrow_mut().remove(&key);
        }
        let Some((at, index)) = subscriber.keep_alive.scheduled.take() else {
            return;
        };
        let mut keep_alives = self.schedule.keep_alives.borrow_mut();
        let Some(same_time) = keep_alives.get_mut(&at) else {
            return;
        };
        if index < same_time.len() {
            same_time.swap_remove(index);
        }
        // The last one has taken its place.
        if let Some(moved) = same_time.get(index).and_then(Weak::upgrade) {
            moved.keep_alive.scheduled.set(Some((at, index)));
        }
        if same_time.is_empty() {
            keep_alives.remove(&at);
        }
    }

    /// Does the work that is due. Returns true if there is more.
    pub(super) fn poll_time(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            let more_to_end = self.end_due(now);
            if now >= self.schedule.next_tick.get() {
                self.schedule.next_tick.set(now + TICK);
                self.tick();
            }
            if now >= self.schedule.next_maintenance.get() {
                self.schedule.next_maintenance.set(now + MAINTENANCE);
                self.maintain();
            }
            if self.send_due_keep_alives() || more_to_end {
                return true;
            }
            let tick = (self.cursors.get() > 0).then(|| self.schedule.next_tick.get());
            let deadline = self.schedule.deadlines.borrow().keys().next().map(|(at, _)| *at);
            let keep_alive = self.schedule.keep_alives.borrow().keys().next().copied();
            let keep_alive = keep_alive.map(|at| self.schedule.began + Duration::from_millis(at));
            let due = tick.into_iter().chain(deadline).chain(keep_alive);
            let next = due.fold(self.schedule.next_maintenance.get(), Instant::min);
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
    }

    /// Ends streams whose deadline has passed. Returns true if there are more of them.
    fn end_due(&self, now: Instant) -> bool {
        let mut due = Vec::new();
        {
            let mut deadlines = self.schedule.deadlines.borrow_mut();
            while due.len() < SUBSCRIBERS_PER_TURN
                && let Some(first) = deadlines.first_entry()
                && first.key().0 <= now
            {
                due.push(first.remove());
            }
        }
        let more = due.len() >= SUBSCRIBERS_PER_TURN;
        for (subscriber, reason) in due {
            let Some(subscriber) = subscriber.upgrade() else {
                continue;
            };
            subscriber.poll_state.deadline.set(None);
            self.evict(&subscriber, reason);
        }
        more
    }

    /// Sends the keep-alives that are due. Returns true if there are more of them.
    fn send_due_keep_alives(&self) -> bool {
        let now = self.millis();
        let mut due = Vec::new();
        {
            let mut keep_alives = self.schedule.keep_alives.borrow_mut();
            while due.len() < SUBSCRIBERS_PER_TURN
                && let Some(mut first) = keep_alives.first_entry()
                && *first.key() <= now
            {
                let subscribers_due = first.get_mut();
                due.extend(
                    subscribers_due.drain(subscribers_due.len().saturating_sub(SUBSCRIBERS_PER_TURN)..),
                );
                if subscribers_due.is_empty() {
                    first.remove();
                }
            }
        }
        let more = due.len() >= SUBSCRIBERS_PER_TURN;
        for subscriber in due.iter().filter_map(Weak::upgrade) {
            subscriber.keep_alive.scheduled.set(None);
            let silent_until =
                subscriber.keep_alive.last_write.get() + u64::from(subscriber.keep_alive.silence.get());
            if subscriber.is_over() {
            } else if subscriber.rounded(silent_until) > now {
                self.keep_alive_at(&subscriber, silent_until);
            } else if subscriber.poll_state.is_waiting.get() {
                subscriber.keep_alive.is_due.set(true);
                subscriber.drive_or_wake(
                    subscriber.direct_connection().as_deref(),
                    self.schedule.ticks.get(),
                );
            } else {
                // It was woken and has not sent anything yet: its client reads slowly.
                self.keep_alive_at(&subscriber, now + u64::from(subscriber.keep_alive.silence.get()));
            }
        }
        more
    }

    /// True if a subscriber's keep-alive is due. The first call schedules the keep-alives.
    pub(in crate::hub) fn keep_alive_due(
        &self,
        subscriber: &Rc<Subscriber>,
        after: Duration,
        wrote: bool,
    ) -> bool {
        let is_due = subscriber.keep_alive.is_due.take();
        let first = subscriber.keep_alive.silence.get() == 0;
        if first {
            let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
            subscriber.keep_alive.silence.set(after.max(1));
        }
        if wrote || is_due || first {
            subscriber
                .keep_alive
                .last_write
                .set(self.schedule.cached_millis.get().unwrap_or_else(|| self.millis()));
        }
        if is_due || first {
            self.keep_alive_at(
                subscriber,
                subscriber.keep_alive.last_write.get() + u64::from(subscriber.keep_alive.silence.get()),
            );
        }
        is_due && !wrote
    }

    fn keep_alive_at(&self, subscriber: &Rc<Subscriber>, at: u64) {
        // It has left, so nothing would remove the entry.
        if subscriber.is_over() {
            return;
        }
        let at = subscriber.rounded(at);
        let mut keep_alives = self.schedule.keep_alives.borrow_mut();
        let earliest = keep_alives.keys().next().is_none_or(|first| at < *first);
        let same_time = keep_alives.entry(at).or_default();
        subscriber.keep_alive.scheduled.set(Some((at, same_time.len())));
        same_time.push(Rc::downgrade(subscriber));
        drop(keep_alives);
        if earliest {
            self.wake_task();
        }
    }

    /// Milliseconds since it began.
    pub(super) fn millis(&self) -> u64 {
        u64::try_from(self.schedule.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) {
        self.schedule.ticks.set(self.schedule.ticks.get() + 1);
        let stall = u32::try_from(self.hub.settings.stall_timeout.as_secs()).unwrap_or(u32::MAX);
        let min_bytes_read = min_bytes_read(self.hub.settings.stall_timeout);
        let mut stalled = Vec::new();
        for (_, topic) in self.topics.by_slot.borrow().iter() {
            topic.report_counts(self);
            for (_, (subscriber, _)) in &topic.subscribers {
                if subscriber.poll_state.accepted_bytes.get() >= min_bytes_read {
                    subscriber.poll_state.accepted_bytes.set(0);
                    subscriber.poll_state.last_active.set(self.schedule.ticks.get());
                }
                if subscriber.poll_state.was_returned.get()
                    && !subscriber.poll_state.is_waiting.get()
                    && self
                        .schedule
                        .ticks
                        .get()
                        .saturating_sub(subscriber.poll_state.last_active.get())
                        > stall
                {
                    stalled.push(Rc::clone(subscriber));
                }
            }
        }
        for subscriber in stalled {
            self.evict(&subscriber, Eviction::Stalled);
        }
    }

    /// Deletes old data. A user's log may panic here: then the streams continue without its maintenance.
    fn maintain(&self) {
        let log = &self.hub.log;
        let maintained = catch_unwind(AssertUnwindSafe(|| log.maintain(clock::wall())));
        if let Err(panic) = maintained {
            HubShared::report_log_panic("maintain", &*panic);
        }
        #[cfg(feature = "rate-limit")]
        self.hub.limits.maintain();
    }

    pub(in crate::hub) fn tick_count(&self) -> u32 {
        self.schedule.ticks.get()
    }
}

#[cfg(test)]
mod tests;
