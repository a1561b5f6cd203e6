//! The queue from which a worker learns which topics have grown. A topic is queued at most once until the worker has
//! looked.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
};

#[cfg(sse_loom)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
#[cfg(not(sse_loom))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// The keys of the topics that have changed, from many publishers to one worker.
///
/// Each topic has a [`TopicWaker`]. If it is woken once or a thousand times before the worker looks, the topic is
/// queued once; if it is woken after that, the topic is queued again. So no change is missed if (1) the change is
/// visible before the waker is woken, and (2) the worker takes the key before it looks.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use sse_actix_core::WakeQueue;
///
/// let queue = WakeQueue::new();
/// let waker = Waker::from(queue.waker(7));
/// let mut cx = Context::from_waker(Waker::noop());
/// assert_eq!(queue.poll_next(&mut cx), Poll::Pending);
///
/// waker.wake_by_ref();
/// waker.wake_by_ref();
/// assert_eq!(queue.poll_next(&mut cx), Poll::Ready(7));
/// assert_eq!(queue.poll_next(&mut cx), Poll::Pending);
/// ```
#[derive(Clone)]
pub struct WakeQueue(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    woken: VecDeque<Arc<TopicWaker>>,
    worker: Option<Waker>,
}

/// Wakes one [`WakeQueue`]'s worker for one key, usually a topic. See [`WakeQueue`]'s example.
pub struct TopicWaker {
    queue: Weak<Shared>,
    key: usize,
    is_queued: AtomicBool,
}

impl WakeQueue {
    /// An empty queue.
    #[allow(
        clippy::new_without_default,
        reason = "a queue is not a value that has a default"
    )]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
        }))
    }

    /// A waker that queues `key`.
    pub fn waker(&self, key: usize) -> Arc<TopicWaker> {
        Arc::new(TopicWaker {
            queue: Arc::downgrade(&self.0),
            key,
            is_queued: AtomicBool::new(false),
        })
    }

    /// Takes the next key. Only one worker may poll: the waker of the last poll is woken.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut queue = self.0.queue();
        let Some(waker) = queue.woken.pop_front() else {
            if !queue
                .worker
                .as_ref()
                .is_some_and(|worker| worker.will_wake(cx.waker()))
            {
                queue.worker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        // Cleared before the worker looks: a later change queues the key again.
        waker.is_queued.store(false, Ordering::SeqCst);
        Poll::Ready(waker.key)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code that could panic runs under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TopicWaker {
    /// Queues this waker, unless it is queued, and wakes the worker.
    fn enqueue(self: &Arc<Self>) {
        if self.is_queued.swap(true, Ordering::SeqCst) {
            return;
        }
        let Some(shared) = self.queue.upgrade() else {
            return;
        };
        let worker = {
            let mut queue = shared.queue();
            queue.woken.push_back(Arc::clone(self));
            // Only the first key wakes the worker: it takes all keys before it waits again, in one turn or in several.
            (queue.woken.len() == 1).then(|| queue.worker.clone()).flatten()
        };
        if let Some(worker) = worker {
            worker.wake();
        }
    }
}

impl Wake for TopicWaker {
    fn wake(self: Arc<Self>) {
        self.enqueue();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.enqueue();
    }
}

impl fmt::Debug for WakeQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WakeQueue({})", self.0.queue().woken.len())
    }
}

impl fmt::Debug for TopicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicWaker")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Every order in which two publishers and a worker can meet. Run by
/// `RUSTFLAGS="--cfg sse_loom" cargo test -p sse-actix-core --lib --release wake_queue`.
#[cfg(all(test, sse_loom))]
mod model {
    use std::{future::poll_fn, sync::Arc};

    use loom::{
        future::block_on,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::WakeQueue;

    #[test]
    fn no_growth_is_missed_and_none_is_told_twice() {
        let mut model = loom::model::Builder::new();
        // Beyond this the number of orders explodes, and nothing new is found.
        model.preemption_bound = Some(3);
        model.check(|| {
            let queue = WakeQueue::new();
            let logs = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let publishers: Vec<_> = logs
                .iter()
                .enumerate()
                .map(|(key, log)| {
                    let (waker, log) = (queue.waker(key), Arc::clone(log));
                    thread::spawn(move || {
                        for _ in 0..=key {
                            // As a log does: first it can be read, then its watchers are woken.
                            log.fetch_add(1, Ordering::SeqCst);
                            waker.enqueue();
                        }
                    })
                })
                .collect();

            let mut seen = [0, 0];
            let mut keys = 0;
            while seen != [1, 2] {
                let key = block_on(poll_fn(|cx| queue.poll_next(cx)));
                seen[key] = logs[key].load(Ordering::SeqCst);
                keys += 1;
            }
            // At most one key for each publish. One key may be left whose change the worker has already seen.
            assert!(keys <= 3);
            for publisher in publishers {
                publisher.join().unwrap();
            }
        });
    }
}
