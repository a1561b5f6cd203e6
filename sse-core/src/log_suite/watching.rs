//! Watching: a reader that registers first and then reads misses nothing.

use std::{
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};

use super::{
    LogFactory,
    tested_topic::{TestedTopic, Woken, data, record},
};
use crate::{Log, Resume, Retention, Start, TopicName};

/// All watchers are woken each time the topic grows, until their watch is dropped.
pub async fn watchers_are_woken_as_long_as_they_watch<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let woken: [Arc<Woken>; 3] = Default::default();
    let mut watches: Vec<_> = woken
        .iter()
        .map(|woken| {
            tested
                .log
                .watch(&tested.topic, Waker::from(Arc::clone(woken)), factory.now())
        })
        .collect();
    // A log behind a network may begin to follow a topic with the first read.
    tested.read(Start::Head).await;
    for nth in 0..5 {
        let before = woken.each_ref().map(|woken| woken.times());
        tested.append(record(&nth.to_string())).await;
        tested
            .until("all watchers to be woken", || {
                woken
                    .iter()
                    .zip(before)
                    .all(|(woken, before)| woken.times() > before)
            })
            .await;
        assert!(tested.data().await.ends_with(&[nth.to_string()]));
    }
    drop(watches.remove(0));
    let before = woken.each_ref().map(|woken| woken.times());
    tested.append(record("last")).await;
    tested
        .until("the others to be woken", || {
            woken
                .iter()
                .zip(before)
                .skip(1)
                .all(|(woken, before)| woken.times() > before)
        })
        .await;
    assert_eq!(woken[0].times(), before[0], "it does not watch any more");
}

/// A reader that is woken and reads on finds every event once, and gets no gap.
pub async fn a_reader_that_registers_first_misses_nothing<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let woken = Arc::new(Woken::default());
    let watch = tested
        .log
        .watch(&tested.topic, Waker::from(Arc::clone(&woken)), factory.now());
    let mut batch = tested.read(Start::Head).await;
    let mut received = Vec::new();
    let mut seen = woken.times();
    for nth in 0..20 {
        tested.append(record(&nth.to_string())).await;
        if nth % 3 == 0 {
            tested.until("a wake", || woken.times() > seen).await;
            seen = woken.times();
            batch = tested.read(Start::After(batch.end)).await;
            assert_eq!(batch.resume, Resume::Complete);
            received.extend(data(&batch));
        }
    }
    batch = tested.read(Start::After(batch.end)).await;
    received.extend(data(&batch));
    assert_eq!(received, tested.after(0));
    drop(watch);
}

/// A waker that calls the log at once, while the log wakes it.
struct AsksAtOnce<L> {
    log: Arc<L>,
    topic: TopicName,
    heads: Mutex<Vec<u64>>,
}

impl<L: Log> Wake for AsksAtOnce<L> {
    fn wake(self: Arc<Self>) {
        let head = self.log.stats(&self.topic).map_or(0, |stats| stats.head);
        drop(self.log.watch(
            &self.topic,
            Waker::noop().clone(),
            std::time::SystemTime::UNIX_EPOCH,
        ));
        self.heads.lock().unwrap().push(head);
    }
}

/// The log holds no lock while it wakes, and the new event is already visible.
pub async fn a_waker_may_use_the_log<F: LogFactory>(factory: &F) {
    let mut tested = TestedTopic::new(factory, Retention::new()).await;
    let asks = Arc::new(AsksAtOnce {
        log: Arc::clone(&tested.log),
        topic: tested.topic.clone(),
        heads: Mutex::default(),
    });
    let watch = tested
        .log
        .watch(&tested.topic, Waker::from(Arc::clone(&asks)), factory.now());
    tested.read(Start::Head).await;
    tested.append_numbers(3).await;
    let last = tested.position(2).sequence;
    let heads = || asks.heads.lock().unwrap().clone();
    tested
        .until("a wake that sees the last event", || heads().contains(&last))
        .await;
    assert!(heads().is_sorted());
    drop(watch);
}
