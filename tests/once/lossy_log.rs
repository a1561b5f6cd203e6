//! A log whose answers are lost: the hub says that the outcome is unknown, and publishing again with the same key is safe.

use std::{
    sync::{Arc, Mutex},
    task::Waker,
    time::SystemTime,
};

use fastrand::Rng;
use futures_util::future::join_all;
use sse_actix::{
    AppendError, Appended, Batch, Completion, Hub, IdempotencyKey, Limit, Log, LogError, LogStats, MemoryLog,
    PublishError, Record, Retention, Start, TopicName, Watch,
};

/// A log in memory, of whose answers half are lost, on the way there or back.
#[derive(Debug, Clone)]
struct Lossy {
    log: Arc<MemoryLog>,
    random: Arc<Mutex<Rng>>,
}

impl Log for Lossy {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let fate = self.random.lock().unwrap().u8(..4);
        let lost = || Completion::ready(Err(AppendError::OutcomeUnknown("no answer".into())));
        if fate == 0 {
            return lost();
        }
        let appended = self.log.append(topic, record, retention, now);
        if fate == 1 {
            drop(appended);
            return lost();
        }
        appended
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        self.log.read(topic, start, limit, now)
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.log.watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.log.stats(topic)
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_published_again() {
    const EVENTS: usize = 200;
    let seed = std::env::var("ONCE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("ONCE_SEED={seed}");
    let log = Lossy {
        log: Arc::default(),
        random: Arc::new(Mutex::new(Rng::with_seed(seed))),
    };
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let publish = async |nth: usize| {
        let key = IdempotencyKey::try_from(nth.to_string()).unwrap();
        let orders = hub.topic("orders");
        let order = orders.once(&key);
        let mut unknown = 0;
        loop {
            match order.publish(&nth).await {
                Ok(published) => return (published.id.to_string(), nth.to_string(), unknown),
                Err(PublishError::Append(AppendError::OutcomeUnknown(_))) => unknown += 1,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let published = join_all((0..EVENTS).map(publish)).await;
    let unknown: usize = published.iter().map(|(_, _, unknown)| unknown).sum();
    let stats = hub.stats();
    let topic = stats.topic("orders").unwrap();
    println!(
        "{EVENTS} events, {unknown} unknown outcomes, {} repetitions",
        topic.repeated
    );
    assert!(unknown > EVENTS / 4 && topic.repeated > 0);
    assert_eq!(topic.published + topic.repeated, EVENTS as u64);

    let orders = TopicName::from_static("orders");
    let batch = log.read(&orders, Start::Oldest, Limit::DEFAULT, SystemTime::now());
    let batch = batch.into_ready().unwrap().unwrap();
    let there: Vec<_> = batch
        .entries
        .iter()
        .map(|entry| (format!("{}-{}", batch.end.epoch, entry.sequence()), entry.data()))
        .collect();
    let mut expected: Vec<_> = published.into_iter().map(|(id, data, _)| (id, data)).collect();
    expected.sort_by_key(|(id, _)| {
        id.rsplit('-')
            .next()
            .map(|sequence| sequence.parse::<u64>().unwrap())
    });
    assert_eq!(
        there, expected,
        "each is there once, under the id that its publisher was told"
    );
}
