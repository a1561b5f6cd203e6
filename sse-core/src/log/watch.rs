use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
};

/// The wakers of a topic, which are woken when the topic grows. Use it to implement a [`Log`](crate::Log).
///
/// ```
/// use std::task::Waker;
/// use sse_actix_core::Watchers;
///
/// let watchers = Watchers::default();
/// let watch = watchers.add(Waker::noop().clone());
/// assert!(!watchers.is_empty());
/// watchers.wake();
///
/// drop(watch);
/// assert!(watchers.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Watchers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    // Copied when it changes, which is rare, so that waking holds no lock. Woken in the order of their registration.
    wakers: Mutex<Arc<BTreeMap<u64, Waker>>>,
}

impl Watchers {
    /// Registers a waker until the returned value is dropped.
    pub fn add(&self, waker: Waker) -> Watch {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        Arc::make_mut(&mut self.0.wakers()).insert(key, waker);
        Watch {
            watchers: self.clone(),
            key,
        }
    }

    /// Wakes all wakers. Call it after the new entry is visible to readers.
    pub fn wake(&self) {
        let wakers = Arc::clone(&self.0.wakers());
        for waker in wakers.values() {
            waker.wake_by_ref();
        }
    }

    /// True if there is no waker.
    pub fn is_empty(&self) -> bool {
        self.0.wakers().is_empty()
    }
}

impl Shared {
    fn wakers(&self) -> MutexGuard<'_, Arc<BTreeMap<u64, Waker>>> {
        // No code that could panic runs under this lock.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({})", self.0.wakers().len())
    }
}

/// A waker's registration, which ends when this is dropped. See [`Watchers`]'s example.
#[derive(Debug)]
#[must_use = "the waker is not woken once this is dropped"]
pub struct Watch {
    watchers: Watchers,
    key: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let waker = Arc::make_mut(&mut self.watchers.0.wakers()).remove(&self.key);
        // Dropped outside of the lock, because a waker may own anything.
        drop(waker);
    }
}
