//! The workers of this thread, and their tasks.

use std::{cell::RefCell, collections::HashMap, future::Future, rc::Rc};

use super::Worker;

thread_local! {
    static WORKERS: RefCell<HashMap<(u64, ThreadId), Rc<Worker>>> = RefCell::new(HashMap::new());
}

/// Distinguishes the simulated threads, which all run on one thread.
#[cfg(sse_sim)]
pub(super) type ThreadId = u64;
#[cfg(not(sse_sim))]
pub(super) type ThreadId = ();

#[cfg(sse_sim)]
pub(super) fn this() -> ThreadId {
    crate::simulation::thread()
}
#[cfg(not(sse_sim))]
pub(super) fn this() -> ThreadId {}

/// This thread's worker of a hub.
pub(super) fn find(hub: u64) -> Option<Rc<Worker>> {
    WORKERS.with_borrow(|workers| workers.get(&(hub, this())).cloned())
}

pub(super) fn register(worker: &Rc<Worker>) {
    let key = (worker.hub.id, worker.thread);
    WORKERS.with_borrow_mut(|workers| workers.insert(key, Rc::clone(worker)));
}

/// Forgets a worker. It may be forgotten already, and another may have its place.
pub(super) fn remove(worker: &Worker) {
    let removed = WORKERS.try_with(|workers| {
        let mut workers = workers.try_borrow_mut().ok()?;
        let key = (worker.hub.id, worker.thread);
        let is_this = workers.get(&key).is_some_and(|known| known.id == worker.id);
        is_this.then(|| workers.remove(&key))
    });
    drop(removed);
}

/// True if a task can be spawned on this thread: the thread belongs to an actix system, or polls a task of a
/// `LocalSet`. The threads of an actix server under `#[tokio::main]` do the latter.
#[cfg(not(sse_sim))]
pub(super) fn may_spawn() -> bool {
    actix_web::rt::System::try_current().is_some() || tokio::task::try_id().is_some()
}

#[cfg(sse_sim)]
pub(super) fn may_spawn() -> bool {
    true
}

/// Runs a task on this thread; `None` where none can be spawned.
#[cfg(not(sse_sim))]
pub(super) fn spawn(task: impl Future<Output = ()> + 'static) -> Option<()> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // `spawn_local` panics if a task of a multi-threaded runtime polls a subscription.
    catch_unwind(AssertUnwindSafe(|| drop(tokio::task::spawn_local(task)))).ok()
}

#[cfg(sse_sim)]
pub(super) fn spawn(task: impl Future<Output = ()> + 'static) -> Option<()> {
    crate::simulation::spawn(task);
    Some(())
}
