//! What a worker does when its time has come: ends, keep-alives, and a look around each second.

use std::{
    pin::Pin,
    rc::{Rc, Weak},
    sync::atomic::{AtomicU64, Ordering},
    task::Context,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, Sleep};

use super::{SLICE, TICK, Worker, member::Member};
use crate::hub::stats::Eviction;

impl Worker {
    /// Ends a member at a time, for a reason.
    pub(in crate::hub) fn end_at(&self, member: &Rc<Member>, at: Instant, reason: Eviction) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = (at, NEXT.fetch_add(1, Ordering::Relaxed));
        self.deadlines
            .borrow_mut()
            .insert(key, (Rc::downgrade(member), reason));
        self.wake_pump();
    }

    /// Does what is due. Whether there is more.
    pub(super) fn poll_time(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            self.end_due(now);
            if now >= self.next_tick.get() {
                self.next_tick.set(now + TICK);
                self.tick();
            }
            if self.beat_due() {
                return true;
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
            } else if member.waiting.get() {
                member.beat.set(true);
                member.go_on(member.connection().as_deref(), self.ticks.get());
            } else {
                // What it was woken for it has not sent: its client reads slowly.
                self.beat_at(&member, now + u64::from(member.silence.get()));
            }
        }
        more
    }

    /// Whether a member is to be kept alive now. From when it is first asked, the member is woken for it.
    pub(in crate::hub) fn beats(&self, member: &Rc<Member>, after: Duration, wrote: bool) -> bool {
        let beat = member.beat.take();
        let first = member.silence.get() == 0;
        if first {
            let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
            member.silence.set(after.max(1));
        }
        if wrote || beat || first {
            member.wrote.set(self.now.get().unwrap_or_else(|| self.clock()));
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
    pub(super) fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) {
        self.ticks.set(self.ticks.get() + 1);
        let stall = u32::try_from(self.state.settings.stall_timeout.as_secs()).unwrap_or(u32::MAX);
        let mut stalled = Vec::new();
        for (_, local) in self.topics.borrow().iter() {
            local.tell(self);
            for (_, (member, _)) in &local.readers {
                if member.answers.get()
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

    pub(in crate::hub) fn now(&self) -> u32 {
        self.ticks.get()
    }
}
