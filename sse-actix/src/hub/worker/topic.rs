//! A topic on one thread: its window, and its subscribers there.

use std::{
    cell::Cell,
    future::Future,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use slab::Slab;
use sse_actix_core::{Batch, Completion, Limit, LogError, Position, Resume, Start, Watch, Window};
use tokio::time::Sleep;

use super::{ReadySubscribers, SUBSCRIBERS_PER_TURN, Worker, subscriber::Subscriber};
use crate::{
    clock,
    hub::shared::{HubShared, TopicState},
};

/// How long to wait after a failed read.
pub(in crate::hub) const READ_RETRY_PAUSE: Duration = Duration::from_millis(500);

const WINDOW_READ: Limit = Limit {
    events: NonZeroUsize::new(Window::MAX).unwrap(),
    bytes: 256 * 1024,
};

pub(in crate::hub) struct WorkerTopic {
    pub(in crate::hub) topic: Arc<TopicState>,
    pub(in crate::hub) window: Window,
    pub(in crate::hub) delivered: Cell<u64>,
    pub(super) subscribers: Slab<(Rc<Subscriber>, usize)>,
    #[expect(dead_code, reason = "held for its drop")]
    watch: Watch,
    log_read: LogRead,
    /// True if the log has more entries than the window.
    pub(super) has_new_entries: bool,
    /// The slot of the next reader to wake; `None` when all have been woken.
    pub(super) next_to_wake: Option<usize>,
    /// Readers were woken, and get one turn before the window is cleared.
    woke_readers: bool,
    pub(super) is_queued: bool,
}

enum LogRead {
    Idle,
    /// A read after this position.
    Reading(Completion<Result<Batch, LogError>>, Position),
    Pausing(Pin<Box<Sleep>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicTurn {
    /// Nothing more to do.
    Done,
    /// It waits for the log.
    WaitsForLog,
    /// It continues in the next turn.
    Again,
}

impl WorkerTopic {
    pub(super) fn new(topic: &Arc<TopicState>, watch: Watch) -> Self {
        Self {
            topic: Arc::clone(topic),
            window: Window::new(topic.options.retention.keeps()),
            delivered: Cell::new(0),
            subscribers: Slab::new(),
            watch,
            log_read: LogRead::Idle,
            has_new_entries: false,
            next_to_wake: None,
            woke_readers: false,
            is_queued: false,
        }
    }

    /// Reads new entries into the window, and adds to `ready` the readers that wait for them.
    pub(super) fn take_turn(
        &mut self,
        worker: &Worker,
        ready: &mut ReadySubscribers,
        cx: &mut Context<'_>,
    ) -> TopicTurn {
        let waits = self.poll_log_read(worker, cx);
        while let Some(next) = self.next_to_wake {
            if ready.len() >= SUBSCRIBERS_PER_TURN {
                return TopicTurn::Again;
            }
            let Some(head) = self.window.head() else { break };
            self.next_to_wake = self.find_ready(next, head, ready);
            self.woke_readers = true;
        }
        // Without a head, the window has not started: no reader has reached the newest entry yet. Then new entries are
        // not read into it.
        let reads_on = self.has_new_entries && !waits && self.window.head().is_some();
        if self.next_to_wake.is_some() || reads_on {
            return TopicTurn::Again;
        }
        if self.woke_readers {
            self.woke_readers = false;
            return TopicTurn::Again;
        }
        // Every reader has had a turn. One that has not read by now has fallen behind.
        self.window.clear();
        if waits {
            TopicTurn::WaitsForLog
        } else {
            TopicTurn::Done
        }
    }

    /// Adds to `ready` the readers, from slot `next` on, that wait and have not read up to `head`. Returns the slot at
    /// which to continue, if there may be more such readers.
    fn find_ready(&self, mut next: usize, head: Position, ready: &mut ReadySubscribers) -> Option<usize> {
        // A slot may be empty; there are never more slots than there were readers at once.
        while next < self.subscribers.capacity() && ready.len() < SUBSCRIBERS_PER_TURN {
            if let Some((subscriber, topic_index)) = self.subscribers.get(next)
                && let Some(cursor) = subscriber.cursors.get(*topic_index)
                && subscriber.waits_for_entries_up_to(cursor, head)
            {
                ready.push(Rc::clone(subscriber));
            }
            next += 1;
        }
        (next < self.subscribers.capacity()).then_some(next)
    }

    /// Reads the new entries. Returns true if it waits for the log.
    fn poll_log_read(&mut self, worker: &Worker, cx: &mut Context<'_>) -> bool {
        loop {
            match &mut self.log_read {
                LogRead::Idle => {
                    let Some(head) = self.window.head().filter(|_| self.has_new_entries) else {
                        return false;
                    };
                    self.has_new_entries = false;
                    let start = Start::After(head);
                    let read = worker
                        .hub
                        .log
                        .read(&self.topic.name, start, WINDOW_READ, clock::wall());
                    match read.into_ready() {
                        Ok(batch) => return self.apply_batch(batch, head, cx),
                        Err(later) => self.log_read = LogRead::Reading(later, head),
                    }
                }
                LogRead::Reading(reading, after) => {
                    let after = *after;
                    let Poll::Ready(batch) = Pin::new(reading).poll(cx) else {
                        return true;
                    };
                    self.log_read = LogRead::Idle;
                    return self.apply_batch(batch, after, cx);
                }
                LogRead::Pausing(pause) => {
                    if pause.as_mut().poll(cx).is_pending() {
                        return true;
                    }
                    self.log_read = LogRead::Idle;
                }
            }
        }
    }

    /// Applies the log's answer to a read after the position `after`. Returns true if it waits for the log.
    ///
    /// | answer | window | then |
    /// |---|---|---|
    /// | complete, from `after` | still at the batch's start | the window gets the entries, and readers are woken if it has grown |
    /// | complete, in a new epoch | still at `after` | the window starts again in the new epoch, and all readers are woken |
    /// | complete | elsewhere, because a reader has begun another meanwhile | the batch is dropped; the log is read again |
    /// | a gap, or `after` is unknown | anywhere | the window starts again where the batch begins, and all readers are woken |
    /// | an error | unchanged | the log is read again after a pause |
    fn apply_batch(&mut self, batch: Result<Batch, LogError>, after: Position, cx: &mut Context<'_>) -> bool {
        match batch {
            Ok(batch) => {
                // The log continued in a new epoch: readers continue without a gap, under new ids.
                let continues_in_new_epoch = batch.resume == Resume::Complete && batch.start != after;
                if batch.resume != Resume::Complete
                    || continues_in_new_epoch && self.window.head() == Some(after)
                {
                    // The batch does not continue the window. Each reader reads the log itself, and learns there
                    // whether it has a gap, or continues under new ids.
                    self.window.start_at(batch.start);
                } else if self.window.head() != Some(batch.start) {
                    // Meanwhile a reader has found another epoch of the log, and the window begins there.
                    self.has_new_entries = true;
                    return false;
                }
                self.has_new_entries |= batch.more;
                let known = self.window.head();
                self.window.extend(batch.entries, batch.end.sequence);
                if batch.resume != Resume::Complete || continues_in_new_epoch || self.window.head() != known {
                    self.next_to_wake = Some(0);
                }
                false
            }
            Err(error) => {
                self.topic.warn_read_error(&error);
                self.has_new_entries = true;
                let mut pause = Box::pin(tokio::time::sleep(READ_RETRY_PAUSE));
                let waits = pause.as_mut().poll(cx).is_pending();
                self.log_read = LogRead::Pausing(pause);
                waits
            }
        }
    }

    /// Adds this thread's counts to the counts of the topic.
    pub(super) fn report_counts(&self, worker: &Worker) {
        self.topic
            .counts
            .delivered
            .fetch_add(self.delivered.take(), Ordering::Relaxed);
        let positions = self
            .subscribers
            .iter()
            .filter_map(|(_, (subscriber, topic_index))| {
                subscriber.cursors.get(*topic_index)?.position.get()
            });
        let epoch = self.window.head().map(|head| head.epoch);
        let slowest = positions
            .filter(|position| epoch.is_none_or(|epoch| epoch == position.epoch))
            .min_by_key(|position| position.sequence);
        // A user's log may panic. Then one count is missing, and no stream ends.
        let behind = |slowest| {
            let asked = AssertUnwindSafe(|| worker.hub.log.behind(&self.topic.name, slowest));
            catch_unwind(asked)
                .inspect_err(|panic| HubShared::report_log_panic("behind", &**panic))
                .ok()
        };
        let lag = slowest.and_then(behind);
        let mut lags = self.topic.lags.write().unwrap_or_else(PoisonError::into_inner);
        match lag {
            Some(lag) => lags.insert(worker.id, lag),
            None => lags.remove(&worker.id),
        };
    }
}
