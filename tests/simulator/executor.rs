//! Who may go on. A task or a client is polled when the run chooses it, in whatever order.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use fastrand::Rng;
use futures_util::task::AtomicWaker;
use sse_actix::simulation::{on_thread, spawned};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Task(usize),
    Client(usize),
}

#[derive(Default)]
struct Ready {
    /// Each once.
    who: Mutex<Vec<Who>>,
    run: AtomicWaker,
}

struct Woken {
    who: Who,
    is_ready: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::SeqCst) {
            self.ready.who.lock().unwrap().push(self.who);
        }
        self.ready.run.wake();
    }
}

struct Task {
    thread: u64,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

#[derive(Default)]
pub(crate) struct Executor {
    ready: Arc<Ready>,
    wakers: BTreeMap<Who, Arc<Woken>>,
    tasks: BTreeMap<usize, Task>,
    next: usize,
}

impl Executor {
    /// The waker of a client or a task; one that was asked for is ready.
    pub(crate) fn waker(&mut self, who: Who) -> Waker {
        let woken = self.wakers.entry(who).or_insert_with(|| {
            Arc::new(Woken {
                who,
                is_ready: AtomicBool::new(false),
                ready: Arc::clone(&self.ready),
            })
        });
        Waker::from(Arc::clone(woken))
    }

    pub(crate) fn spawn(&mut self, thread: u64, future: Pin<Box<dyn Future<Output = ()>>>) -> usize {
        self.next += 1;
        self.tasks.insert(self.next, Task { thread, future });
        self.waker(Who::Task(self.next)).wake();
        self.next
    }

    /// Takes over what the hub has spawned.
    pub(crate) fn adopt(&mut self) {
        for task in spawned() {
            self.spawn(task.thread, task.future);
        }
    }

    /// Chooses somebody who is ready.
    pub(crate) fn choose(&self, rng: &mut Rng) -> Option<Who> {
        let mut ready = self.ready.who.lock().unwrap();
        if ready.is_empty() {
            return None;
        }
        let chosen = rng.usize(..ready.len());
        let who = ready.swap_remove(chosen);
        if let Some(woken) = self.wakers.get(&who) {
            woken.is_ready.store(false, Ordering::SeqCst);
        }
        Some(who)
    }

    /// Polls a task; `true` if it has ended.
    pub(crate) fn poll(&mut self, task: usize) -> bool {
        let waker = self.waker(Who::Task(task));
        let Some(running) = self.tasks.get_mut(&task) else {
            return true;
        };
        let mut cx = Context::from_waker(&waker);
        let ended = on_thread(running.thread, || {
            running.future.as_mut().poll(&mut cx).is_ready()
        });
        if ended {
            self.tasks.remove(&task);
            self.wakers.remove(&Who::Task(task));
        }
        ended
    }

    /// Drops a task.
    pub(crate) fn kill(&mut self, task: usize) {
        self.tasks.remove(&task);
        self.wakers.remove(&Who::Task(task));
    }

    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }
}
