//! What a worker does when its time has come: ends, keep-alives, and a look around each second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    pin::Pin,
    rc::{Rc, Weak},
    sync::atomic::{AtomicU64, Ordering},
    task::Context,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, Sleep};

use super::{SLICE, TICK, Worker, subscriber::Subscriber};
use crate::hub::stats::Eviction;

/// When what is due.
pub(super) struct Schedule {
    began: Instant,
    next_tick: Cell<Instant>,
    /// Seconds, about, since it began.
    ticks: Cell<u32>,
    /// Milliseconds since then, while readers go on: the clock is read once for many.
    pub(super) now: Cell<Option<u64>>,
    deadlines: RefCell<Deadlines>,
    /// Whom to look at for a keep-alive, by time in milliseconds.
    beats: RefCell<BTreeMap<u64, Vec<Weak<Subscriber>>>>,
}

/// Whom to end when and why; told from others at the same instant by a number.
type Deadlines = BTreeMap<(Instant, u64), (Weak<Subscriber>, Eviction)>;

impl Schedule {
    pub(super) fn new() -> Self {
        let began = Instant::now();
        Self {
            began,
            next_tick: Cell::new(began + TICK),
            ticks: Cell::new(0),
            now: Cell::new(None),
            deadlines: RefCell::default(),
            beats: RefCell::default(),
        }
    }
}

impl Worker {
    /// Ends a member at a time, for a reason.
    pub(in crate::hub) fn end_at(&self, member: &Rc<Subscriber>, at: Instant, reason: Eviction) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = (at, NEXT.fetch_add(1, Ordering::Relaxed));
        self.schedule
            .deadlines
            .borrow_mut()
            .insert(key, (Rc::downgrade(member), reason));
        self.wake_pump();
    }

    /// Does what is due. Whether there is more.
    pub(super) fn poll_time(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            self.end_due(now);
            if now >= self.schedule.next_tick.get() {
                self.schedule.next_tick.set(now + TICK);
                self.tick();
            }
            if self.beat_due() {
                return true;
            }
            let tick = (self.readers.get() > 0).then(|| self.schedule.next_tick.get());
            let deadline = self.schedule.deadlines.borrow().keys().next().map(|(at, _)| *at);
            let beat = self.schedule.beats.borrow().keys().next().copied();
            let beat = beat.map(|at| self.schedule.began + Duration::from_millis(at));
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
            let mut deadlines = self.schedule.deadlines.borrow_mut();
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
            let mut beats = self.schedule.beats.borrow_mut();
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
            let silent_until = member.keep_alive.wrote.get() + u64::from(member.keep_alive.silence.get());
            if member.is_over() {
            } else if member.rounded(silent_until) > now {
                self.beat_at(&member, silent_until);
            } else if member.turn.waiting.get() {
                member.keep_alive.is_due.set(true);
                member.go_on(member.connection().as_deref(), self.schedule.ticks.get());
            } else {
                // What it was woken for it has not sent: its client reads slowly.
                self.beat_at(&member, now + u64::from(member.keep_alive.silence.get()));
            }
        }
        more
    }

    /// Whether a member is to be kept alive now. From when it is first asked, the member is woken for it.
    pub(in crate::hub) fn beats(&self, member: &Rc<Subscriber>, after: Duration, wrote: bool) -> bool {
        let beat = member.keep_alive.is_due.take();
        let first = member.keep_alive.silence.get() == 0;
        if first {
            let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
            member.keep_alive.silence.set(after.max(1));
        }
        if wrote || beat || first {
            member
                .keep_alive
                .wrote
                .set(self.schedule.now.get().unwrap_or_else(|| self.clock()));
        }
        if beat || first {
            self.beat_at(
                member,
                member.keep_alive.wrote.get() + u64::from(member.keep_alive.silence.get()),
            );
        }
        beat && !wrote
    }

    fn beat_at(&self, member: &Rc<Subscriber>, at: u64) {
        let at = member.rounded(at);
        let mut beats = self.schedule.beats.borrow_mut();
        let earliest = beats.keys().next().is_none_or(|first| at < *first);
        beats.entry(at).or_default().push(Rc::downgrade(member));
        drop(beats);
        if earliest {
            self.wake_pump();
        }
    }

    /// Milliseconds since it began.
    pub(super) fn clock(&self) -> u64 {
        u64::try_from(self.schedule.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) {
        self.schedule.ticks.set(self.schedule.ticks.get() + 1);
        let stall = u32::try_from(self.state.settings.stall_timeout.as_secs()).unwrap_or(u32::MAX);
        let mut stalled = Vec::new();
        for (_, local) in self.topics.by_key.borrow().iter() {
            local.tell(self);
            for (_, (member, _)) in &local.readers {
                if member.turn.is_answer.get()
                    && !member.turn.waiting.get()
                    && self
                        .schedule
                        .ticks
                        .get()
                        .saturating_sub(member.turn.touched.get())
                        > stall
                {
                    stalled.push(Rc::clone(member));
                }
            }
        }
        for member in stalled {
            self.evict(&member, Eviction::Stalled);
        }
        if self.schedule.ticks.get().is_multiple_of(10) {
            self.state.log.maintain(SystemTime::now());
            self.state.limits.maintain();
        }
    }

    pub(in crate::hub) fn now(&self) -> u32 {
        self.schedule.ticks.get()
    }
}
