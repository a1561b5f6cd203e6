//! What every log promises, of the log in memory: as it is, and behind something that answers later.

mod faults;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, SystemTime},
};

use sse_actix_core::{
    AppendError, Appended, Batch, Completion, DeleteError, Limit, Log, LogError, LogStats, MemoryLog,
    Position, Record, Retention, Start, TopicName, Watch, log_suite::LogFactory,
};

use crate::at;

/// Time stands still but where the suite lets it pass.
#[derive(Debug, Default)]
struct Time(AtomicU64);

impl Time {
    fn now(&self) -> SystemTime {
        at(self.0.load(Ordering::SeqCst))
    }

    fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
struct InMemory(Time);

impl LogFactory for InMemory {
    type Log = MemoryLog;

    async fn open(&self) -> MemoryLog {
        MemoryLog::new()
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }

    async fn pass(&self, time: Duration) {
        self.0.pass(time);
    }
}

/// A log in memory that completes when it was polled a few times: it does what it is asked for before the last one.
#[derive(Debug, Default)]
struct Later {
    log: Arc<MemoryLog>,
    asked: AtomicU64,
}

/// Pending so many times.
async fn pending(mut times: u64) {
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Later {
    /// How often what is asked for now is polled before it is done, and after.
    fn polls(&self) -> (u64, u64) {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        (asked % 3, asked % 5)
    }
}

impl Log for Later {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let ((before, after), log) = (self.polls(), Arc::clone(&self.log));
        let (topic, retention) = (topic.clone(), retention.clone());
        Completion::later(async move {
            pending(before).await;
            let appended = log.append(&topic, record, &retention, now).await;
            pending(after).await;
            appended
        })
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let ((before, after), log) = (self.polls(), Arc::clone(&self.log));
        let topic = topic.clone();
        Completion::later(async move {
            pending(before).await;
            let batch = log.read(&topic, start, limit, now).await;
            pending(after).await;
            batch
        })
    }

    fn delete(&self, topic: &TopicName, now: SystemTime) -> Completion<Result<(), DeleteError>> {
        let ((before, after), log) = (self.polls(), Arc::clone(&self.log));
        let topic = topic.clone();
        Completion::later(async move {
            pending(before).await;
            let deleted = log.delete(&topic, now).await;
            pending(after).await;
            deleted
        })
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.log.watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.log.stats(topic)
    }

    fn behind(&self, topic: &TopicName, position: Position) -> u64 {
        self.log.behind(topic, position)
    }

    fn maintain(&self, now: SystemTime) {
        self.log.maintain(now);
    }
}

#[derive(Debug, Default)]
struct CompletesLater(Time);

impl LogFactory for CompletesLater {
    type Log = Later;

    async fn open(&self) -> Later {
        Later::default()
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }

    async fn pass(&self, time: Duration) {
        self.0.pass(time);
    }
}

mod memory {
    sse_actix_core::log_suite!(pollster::block_on, super::InMemory::default());
}

mod later {
    sse_actix_core::log_suite!(pollster::block_on, super::CompletesLater::default());
}
