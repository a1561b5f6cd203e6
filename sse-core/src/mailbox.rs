//! How a worker learns which topics have grown: at most one message a topic until it has looked.

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

/// What one worker is told by many publishers: which of the things that it watches have changed.
///
/// Each has a [`Bell`]. Rung once or a thousand times before the worker looks, it is one message; rung after
/// that, it is another. So if what has changed can be seen before the bell is rung, and the worker looks
/// after it has taken the message, no change is missed.
///
/// ```
/// use std::{sync::Arc, task::{Context, Poll, Waker}};
/// use sse_actix_core::Mailbox;
///
/// let mailbox = Mailbox::new();
/// let bell = mailbox.bell(7);
/// let mut cx = Context::from_waker(Waker::noop());
/// assert_eq!(mailbox.poll_next(&mut cx), Poll::Pending);
///
/// // A bell is a waker, too.
/// Waker::from(Arc::clone(&bell)).wake();
/// bell.ring();
/// assert_eq!(mailbox.poll_next(&mut cx), Poll::Ready(7));
/// assert_eq!(mailbox.poll_next(&mut cx), Poll::Pending);
/// ```
#[derive(Clone)]
pub struct Mailbox(Arc<Shared>);

struct Shared {
    post: Mutex<Post>,
}

#[derive(Default)]
struct Post {
    rung: VecDeque<Arc<Bell>>,
    worker: Option<Waker>,
}

/// Tells one [`Mailbox`] of one thing. See [`Mailbox`]'s example.
pub struct Bell {
    mailbox: Weak<Shared>,
    key: usize,
    rung: AtomicBool,
}

impl Mailbox {
    /// An empty one.
    #[allow(
        clippy::new_without_default,
        reason = "a mailbox is no value that has a default"
    )]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            post: Mutex::new(Post::default()),
        }))
    }

    /// A bell whose message is `key`.
    pub fn bell(&self, key: usize) -> Arc<Bell> {
        Arc::new(Bell {
            mailbox: Arc::downgrade(&self.0),
            key,
            rung: AtomicBool::new(false),
        })
    }

    /// Takes the next message. For one worker: the last that asked is woken.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut post = self.0.post();
        let Some(bell) = post.rung.pop_front() else {
            if !post
                .worker
                .as_ref()
                .is_some_and(|worker| worker.will_wake(cx.waker()))
            {
                post.worker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        // Before the worker looks: a change that it does not see rings again.
        bell.rung.store(false, Ordering::SeqCst);
        Poll::Ready(bell.key)
    }
}

impl Shared {
    fn post(&self) -> MutexGuard<'_, Post> {
        // No code that could panic runs under this lock.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    /// Leaves a message, if there is none of this bell yet, and wakes the worker. See [`Mailbox`]'s example.
    pub fn ring(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        let Some(mailbox) = self.mailbox.upgrade() else {
            return;
        };
        let worker = {
            let mut post = mailbox.post();
            post.rung.push_back(Arc::clone(self));
            // A worker that has messages takes them all before it waits, in one turn or in several.
            (post.rung.len() == 1).then(|| post.worker.clone()).flatten()
        };
        if let Some(worker) = worker {
            worker.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({})", self.0.post().rung.len())
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Every order in which two publishers and a worker can meet. Run by
/// `RUSTFLAGS="--cfg sse_loom" cargo test -p sse-actix-core --lib --release mailbox`.
#[cfg(all(test, sse_loom))]
mod model {
    use std::{future::poll_fn, sync::Arc};

    use loom::{
        future::block_on,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::Mailbox;

    #[test]
    fn no_growth_is_missed_and_none_is_told_twice() {
        let mut model = loom::model::Builder::new();
        // Beyond this the number of orders explodes, and nothing new is found.
        model.preemption_bound = Some(3);
        model.check(|| {
            let mailbox = Mailbox::new();
            let logs = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let publishers: Vec<_> = logs
                .iter()
                .enumerate()
                .map(|(key, log)| {
                    let (bell, log) = (mailbox.bell(key), Arc::clone(log));
                    thread::spawn(move || {
                        for _ in 0..=key {
                            // As a log does: first it can be read, then its watchers are woken.
                            log.fetch_add(1, Ordering::SeqCst);
                            bell.ring();
                        }
                    })
                })
                .collect();

            let mut seen = [0, 0];
            let mut messages = 0;
            while seen != [1, 2] {
                let key = block_on(poll_fn(|cx| mailbox.poll_next(cx)));
                seen[key] = logs[key].load(Ordering::SeqCst);
                messages += 1;
            }
            // At most one a publish; one that tells of what was seen already may be left.
            assert!(messages <= 3);
            for publisher in publishers {
                publisher.join().unwrap();
            }
        });
    }
}
