//! What the simulator of `tests/simulator` decides instead of the system: the time of the wall clock, the thread on
//! which code runs, and the task that continues. Compiled only with `--cfg sse_sim`.
//!
//! Timers are those of tokio, whose clock the simulator pauses; random numbers are those of `fastrand`, which it seeds.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    pin::Pin,
    time::SystemTime,
};

use tokio::time::Instant;

thread_local! {
    static WALL: Cell<Option<(SystemTime, Instant)>> = const { Cell::new(None) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
    static SPAWNED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

/// A task that the hub spawns and the simulator polls.
#[doc(hidden)]
pub struct Task {
    /// The thread on which the task runs.
    pub thread: u64,
    /// The task itself.
    pub future: Pin<Box<dyn Future<Output = ()>>>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

/// Sets the wall clock. From there it advances with tokio's clock.
#[doc(hidden)]
pub fn set_wall(now: SystemTime) {
    WALL.set(Some((now, Instant::now())));
}

/// The time of the wall clock.
#[doc(hidden)]
pub fn wall() -> SystemTime {
    let (then, at) = WALL.get().unwrap_or((SystemTime::UNIX_EPOCH, Instant::now()));
    then + at.elapsed()
}

/// Runs code as if it was on another thread: workers are found and started there.
#[doc(hidden)]
pub fn on_thread<T>(thread: u64, run: impl FnOnce() -> T) -> T {
    let before = THREAD.replace(thread);
    let result = run();
    THREAD.set(before);
    result
}

/// The tasks that were spawned since the last call.
#[doc(hidden)]
pub fn spawned() -> Vec<Task> {
    SPAWNED.take()
}

pub(crate) fn thread() -> u64 {
    THREAD.get()
}

pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    let task = Task {
        thread: thread(),
        future: Box::pin(future),
    };
    SPAWNED.with_borrow_mut(|spawned| spawned.push(task));
}
