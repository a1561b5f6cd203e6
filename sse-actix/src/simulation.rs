//! What the simulator of `tests/simulator` decides in the place of the system: the wall clock, on which thread code runs, and
//! which task goes on. Compiled with `--cfg sse_sim` alone.
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

/// A task that the hub has spawned, and the simulator polls.
#[doc(hidden)]
pub struct Task {
    /// The thread that it is on.
    pub thread: u64,
    /// What it does.
    pub future: Pin<Box<dyn Future<Output = ()>>>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

/// Sets the wall clock, which goes on from there with tokio's.
#[doc(hidden)]
pub fn set_wall(now: SystemTime) {
    WALL.set(Some((now, Instant::now())));
}

/// What the wall clock shows.
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

/// The tasks that were spawned since this was last asked.
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
