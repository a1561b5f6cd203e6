//! The queue of events that wait to be written, bounded in events and bytes.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use sse_actix_core::{AppendError, Appended, DeleteError, Record, Retention};
use tokio::sync::oneshot;

use crate::{cause::Cause, settings::Pending, topic::Topic};

/// A command for the writer.
#[derive(Debug)]
pub(crate) enum Command {
    /// Appends a record.
    Append(Append),
    /// Notes that a topic is read.
    Touch(Arc<Topic>),
    /// Deletes a topic.
    Delete(Delete),
}

#[derive(Debug)]
pub(crate) struct Delete {
    pub(crate) topic: Arc<Topic>,
    pub(crate) now: SystemTime,
    pub(crate) reply: oneshot::Sender<Result<(), DeleteError>>,
}

#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) topic: Arc<Topic>,
    pub(crate) record: Record,
    pub(crate) retention: Retention,
    pub(crate) now: SystemTime,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
    pub(crate) permit: Permit,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// There is work for the writer.
    work: Condvar,
    /// Notified when a publisher begins to wait for room.
    publisher_waits: Condvar,
    limits: Pending,
}

#[derive(Debug, Default)]
struct State {
    commands: VecDeque<Command>,
    pending: Size,
    /// The publishers that wait for room, in order; all have the same time limit.
    waiting: VecDeque<Waiting>,
    /// The size of their events. A publisher that has stopped waiting counts until its turn would come.
    waiting_size: Size,
    is_closing: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    bytes: usize,
    until: Instant,
    admit: oneshot::Sender<Result<Permit, Cause>>,
}

/// Room in the queue, which is freed when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    /// `None` once it was given back.
    queue: Option<Arc<Queue>>,
    bytes: usize,
}

/// The queue's answer to an event that needs room.
#[derive(Debug)]
pub(crate) enum Admission {
    Open(Permit),
    /// There may be room later.
    Waiting(oneshot::Receiver<Result<Permit, Cause>>),
    Refused(Cause),
}

impl Queue {
    pub(crate) fn new(limits: Pending) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            work: Condvar::new(),
            publisher_waits: Condvar::new(),
            limits,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that could panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests room for an event of `bytes` bytes.
    pub(crate) fn enter(self: &Arc<Self>, bytes: usize) -> Admission {
        let mut state = self.state();
        if state.is_closing {
            return Admission::Refused(Cause::Closed);
        }
        if state.waiting.is_empty() && self.has_room(&state, bytes) {
            return Admission::Open(self.permit(&mut state, bytes));
        }
        // The events of publishers that wait take memory, too.
        let may_wait = self.fits(state.waiting_size, self.limits.waiting, bytes);
        if self.limits.wait.is_zero() || !may_wait {
            return Admission::Refused(state.busy());
        }
        let (admit, admitted) = oneshot::channel();
        let now = Instant::now();
        // A century stands for "forever".
        let until = now.checked_add(self.limits.wait);
        let until = until.unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 24 * 3_600));
        state.waiting.push_back(Waiting { bytes, until, admit });
        state.waiting_size.events += 1;
        state.waiting_size.bytes += bytes;
        self.publisher_waits.notify_one();
        Admission::Waiting(admitted)
    }

    /// Hands an event, or another command, to the writer.
    pub(crate) fn push(&self, command: Command) -> Result<(), Cause> {
        let mut state = self.state();
        if state.is_closing {
            return Err(Cause::Closed);
        }
        state.commands.push_back(command);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for commands, for at most `limit`. `None` once the log is closed and everything is done.
    pub(crate) fn take(&self, most: usize, limit: Duration) -> Option<Vec<Command>> {
        let mut state = self.state();
        if state.commands.is_empty() && !state.is_closing {
            let waited = self.work.wait_timeout(state, limit);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let taken = most.min(state.commands.len());
        if taken == 0 && state.is_closing {
            return None;
        }
        Some(state.commands.drain(..taken).collect())
    }

    /// Closes the queue. Events in it are still written; publishers that wait for room are refused.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closing = true;
        let waiting = mem::take(&mut state.waiting);
        state.waiting_size = Size::default();
        drop(state);
        for waiting in waiting {
            let _ = waiting.admit.send(Err(Cause::Closed));
        }
        self.work.notify_all();
        self.publisher_waits.notify_all();
    }

    /// The remaining commands, if the writer has ended early.
    pub(crate) fn take_rest(&self) -> VecDeque<Command> {
        mem::take(&mut self.state().commands)
    }

    /// Refuses publishers that have waited too long, until the log is closed.
    pub(crate) fn refuse_late(&self) {
        let mut state = self.state();
        while !state.is_closing {
            let now = Instant::now();
            let busy = state.busy();
            while state.waiting.front().is_some_and(|first| first.until <= now)
                && let Some(late) = state.next_waiting()
            {
                let _ = late.admit.send(Err(busy.clone()));
            }
            let next = state.waiting.front().map(|first| first.until - now);
            state = match next {
                Some(next) => {
                    let waited = self.publisher_waits.wait_timeout(state, next);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .publisher_waits
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().is_closing
    }

    pub(crate) fn pending(&self) -> Size {
        self.state().pending
    }

    fn has_room(&self, state: &State, bytes: usize) -> bool {
        self.fits(state.pending, self.limits.events, bytes)
    }

    /// True if an event of `bytes` bytes fits in addition to the events `beside`, which may be `most` together. A
    /// single event may be larger than the bound.
    fn fits(&self, beside: Size, most: usize, bytes: usize) -> bool {
        let Size { events, bytes: taken } = beside;
        events == 0 || events < most && taken.saturating_add(bytes) <= self.limits.bytes
    }

    fn permit(self: &Arc<Self>, state: &mut State, bytes: usize) -> Permit {
        state.pending.events += 1;
        state.pending.bytes += bytes;
        Permit {
            queue: Some(Arc::clone(self)),
            bytes,
        }
    }

    /// Frees room, and admits publishers that have waited for it.
    fn give_back(self: &Arc<Self>, mut freed: Size) {
        while freed.events > 0 {
            let mut admitted = Vec::new();
            let mut state = self.state();
            state.pending.events -= freed.events;
            state.pending.bytes -= freed.bytes;
            freed = Size::default();
            while let Some(first) = state.waiting.front()
                && (first.admit.is_closed() || self.has_room(&state, first.bytes))
                && let Some(first) = state.next_waiting()
            {
                // A publisher that has stopped waiting needs no room.
                if !first.admit.is_closed() {
                    let permit = self.permit(&mut state, first.bytes);
                    admitted.push((first.admit, permit));
                }
            }
            drop(state);
            for (admit, permit) in admitted {
                // If a publisher has stopped waiting since, its room goes to the next one in this loop, because
                // dropping the permit would recurse.
                if let Err(Ok(mut permit)) = admit.send(Ok(permit))
                    && permit.queue.take().is_some()
                {
                    freed.events += 1;
                    freed.bytes += permit.bytes;
                }
            }
        }
    }
}

impl State {
    /// Takes the first publisher that waits for room.
    fn next_waiting(&mut self) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        self.waiting_size.events -= 1;
        self.waiting_size.bytes -= first.bytes;
        Some(first)
    }

    fn busy(&self) -> Cause {
        Cause::Busy {
            events: self.pending.events,
            bytes: self.pending.bytes,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.give_back(Size {
                events: 1,
                bytes: self.bytes,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LIMITS: Pending = Pending {
        events: 1,
        bytes: 1_000,
        wait: Duration::from_secs(3_600),
        waiting: 2,
    };

    /// Permits are dropped one after another. If one were dropped inside the drop of another, the stack would overflow.
    #[test]
    fn many_who_wait_leave() {
        let queue = Queue::new(Pending {
            waiting: 20_001,
            bytes: 20_001,
            ..LIMITS
        });
        let Admission::Open(permit) = queue.enter(1) else {
            panic!("there is room")
        };
        let waiting: Vec<_> = (0..20_000).map(|_| queue.enter(1)).collect();
        drop(waiting);
        let Admission::Waiting(mut last) = queue.enter(1) else {
            panic!("there is no room")
        };
        let writer = thread::Builder::new().stack_size(128 * 1024);
        writer.spawn(|| drop(permit)).unwrap().join().unwrap();
        let admitted = last.try_recv().unwrap().unwrap();
        assert_eq!(queue.pending().events, 1);
        drop(admitted);
        assert_eq!(queue.pending().events, 0);
    }

    /// Publishers that wait hold their events in memory.
    #[test]
    fn not_all_may_wait_for_room() {
        let queue = Queue::new(Pending { events: 2, ..LIMITS });
        let enter = |bytes| queue.enter(bytes);
        let (Admission::Open(first), Admission::Open(second)) = (enter(600), enter(400)) else {
            panic!("there is room")
        };
        assert!(matches!(enter(1_001), Admission::Waiting(_)), "one may be larger");
        queue.state().next_waiting();
        let (Admission::Waiting(mut third), Admission::Waiting(mut fourth)) = (enter(600), enter(400)) else {
            panic!("they wait")
        };
        assert!(matches!(enter(1), Admission::Refused(Cause::Busy { .. })));
        drop(first);
        let third = third.try_recv().unwrap().unwrap();
        assert!(
            matches!(enter(601), Admission::Refused(Cause::Busy { .. })),
            "too many bytes"
        );
        assert!(matches!(enter(600), Admission::Waiting(_)));
        drop((second, third));
        assert!(fourth.try_recv().is_ok());
    }
}
