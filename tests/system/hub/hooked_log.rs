//! A log in memory that calls a function of the test's before it does anything.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, SystemTime},
};

use sse_actix::{
    AppendError, Appended, Batch, Completion, Limit, Log, LogError, LogStats, MemoryLog, Position, Record,
    Retention, Start, TopicName, Watch,
};

/// What the log is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Append,
    Read,
    /// A read that answers later is polled.
    PollRead,
    Watch,
    Stats,
    Behind,
    Maintain,
}

type Hook = Box<dyn FnMut(Call) + Send>;

#[derive(Clone)]
pub(crate) struct Hooked {
    pub(crate) inner: Arc<MemoryLog>,
    hook: Arc<Mutex<Option<Hook>>>,
    answers_later: bool,
    wakers: Arc<Mutex<Vec<Waker>>>,
    /// How far its clock is behind.
    clock_is_behind: Arc<Mutex<Duration>>,
    /// How many of the next reads fail.
    fails: Arc<AtomicUsize>,
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl Hooked {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(MemoryLog::new()),
            hook: Arc::default(),
            answers_later: false,
            wakers: Arc::default(),
            clock_is_behind: Arc::default(),
            fails: Arc::default(),
        }
    }

    /// Reads are ready at their first poll, and not before.
    pub(crate) fn answers_later(mut self) -> Self {
        self.answers_later = true;
        self
    }

    /// Calls `hook` before each call from now on.
    pub(crate) fn hook(&self, hook: impl FnMut(Call) + Send + 'static) {
        *self
            .hook
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Box::new(hook));
    }

    pub(crate) fn unhook(&self) {
        *self
            .hook
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// The wakers of all who have watched.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        self.wakers.lock().unwrap().clone()
    }

    /// Lets the next reads fail.
    pub(crate) fn fail_reads(&self, number: usize) {
        self.fails.store(number, Ordering::SeqCst);
    }

    /// Sets the clock back, as seen by what is appended from now on.
    pub(crate) fn set_clock_back(&self, by: Duration) {
        *self.clock_is_behind.lock().unwrap() = by;
    }

    fn call(&self, call: Call) {
        let mut hook = self
            .hook
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(hook) = &mut *hook {
            hook(call);
        }
    }
}

impl Log for Hooked {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        self.call(Call::Append);
        let now = now - *self.clock_is_behind.lock().unwrap();
        self.inner.append(topic, record, retention, now)
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        self.call(Call::Read);
        let one_less = |fails: usize| fails.checked_sub(1);
        if self
            .fails
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
        {
            return Completion::ready(Err(LogError::new("as the test wants")));
        }
        if !self.answers_later {
            return self.inner.read(topic, start, limit, now);
        }
        let (this, topic) = (self.clone(), topic.clone());
        Completion::later(async move {
            this.call(Call::PollRead);
            this.inner.read(&topic, start, limit, now).into_ready().unwrap()
        })
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.call(Call::Watch);
        self.wakers.lock().unwrap().push(waker.clone());
        self.inner.watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.call(Call::Stats);
        self.inner.stats(topic)
    }

    fn behind(&self, topic: &TopicName, position: Position) -> u64 {
        self.call(Call::Behind);
        self.inner.behind(topic, position)
    }

    fn maintain(&self, now: SystemTime) {
        self.call(Call::Maintain);
        self.inner.maintain(now);
    }
}
