//! The log begins another life while there are readers, and does not say so.

use std::{
    sync::{Arc, Mutex},
    task::Waker,
    time::SystemTime,
};

use sse_actix::{
    AppendError, Appended, Batch, Completion, Hub, Limit, Log, LogError, LogStats, MemoryLog, Record,
    Retention, Start, TopicName, Watch,
};
use sse_tests::patience::within;

use super::{Reader, count, event, gap, id_of, serve_topic};

/// Logs in memory, one after the other.
#[derive(Debug, Clone, Default)]
struct Lives(Arc<Mutex<Arc<MemoryLog>>>);

impl Lives {
    fn now(&self) -> Arc<MemoryLog> {
        Arc::clone(&self.0.lock().unwrap())
    }

    /// Everything is gone, and nobody is woken.
    fn begin_another(&self) {
        *self.0.lock().unwrap() = Arc::default();
    }
}

impl Log for Lives {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        self.now().append(topic, record, retention, now)
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        self.now().read(topic, start, limit, now)
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.now().watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.now().stats(topic)
    }
}

#[tokio::test]
async fn who_finds_another_life_first_is_told_and_so_is_everybody() {
    let log = Lives::default();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let serving = serve_topic(&hub, "n");
    let old = count(&hub, "n", 1..=2).await;
    let mut before = Reader::back(serving.addr(), "/", &old[0]).await;
    assert_eq!(before.next().await, event(&old[1], 2));

    log.begin_another();
    let new = count(&hub, "n", 3..=3).await;
    let mut back = Reader::back(serving.addr(), "/", &old[1]).await;
    for reader in [&mut back, &mut before] {
        let told = within("a gap", reader.next()).await;
        assert_eq!(told, gap(id_of(&told), None));
        assert_eq!(within("what there is", reader.next()).await, event(&new[0], 3));
    }
}
