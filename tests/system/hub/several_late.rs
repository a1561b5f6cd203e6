//! Several topics on one stream, of which the log answers for one later than for the other.

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, SystemTime},
};

use actix_web::web;
use sse_actix::{
    AppendError, Appended, Batch, CombineError, Completion, Hub, KeepAlive, Limit, Log, LogError, LogStats,
    MemoryLog, Position, Positions, Record, Retention, Start, Subscription, TopicName, TopicOptions, Watch,
};
use sse_tests::patience::within;
use tokio::{sync::watch, time::sleep};

use super::{Reader, count, data, gap, id_of, serve_hub, sibling};

/// A log in memory that answers reads of the topic `b` while its gate is open.
#[derive(Debug, Clone)]
struct LateForB {
    log: Arc<MemoryLog>,
    gate: watch::Sender<bool>,
}

impl LateForB {
    fn new() -> Self {
        Self {
            log: Arc::new(MemoryLog::new()),
            gate: watch::Sender::new(true),
        }
    }
}

impl Log for LateForB {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        self.log.append(topic, record, retention, now)
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        if topic.as_str() != "b" {
            return self.log.read(topic, start, limit, now);
        }
        let (log, topic, mut gate) = (Arc::clone(&self.log), topic.clone(), self.gate.subscribe());
        Completion::later(async move {
            gate.wait_for(|is_open| *is_open).await.unwrap();
            log.read(&topic, start, limit, now).into_ready().unwrap()
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

async fn both(hub: web::Data<Hub>) -> Result<Subscription, CombineError> {
    let both = hub.subscribe("a").and(hub.subscribe("b"))?;
    Ok(both.keep_alive(KeepAlive::comment(Duration::from_millis(200))))
}

/// An id without `b` makes `b` new for the client: what it has missed of `b` would be lost.
#[tokio::test]
async fn no_id_is_sent_before_the_log_has_answered_for_each() {
    let log = LateForB::new();
    let gate = log.gate.clone();
    let hub = Hub::builder().log(log).build().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
    let mut reader = Reader::new(serving.addr(), "/").await;
    count(&hub, "a", 1..=1).await;
    reader.next().await;
    count(&hub, "b", 51..=51).await;
    let last = id_of(&reader.next().await).to_owned();
    drop(reader);

    count(&hub, "a", 2..=3).await;
    count(&hub, "b", 52..=53).await;
    gate.send_replace(false);
    let mut back = Reader::back(serving.addr(), "/", &last).await;
    // Neither events nor positions, but the stream is kept alive.
    for _ in 0..2 {
        assert_eq!(back.next_with_positions().await, ":\n");
    }
    gate.send_replace(true);
    let mut rest = back.take(4).await;
    rest.sort_by_key(|event| data(std::slice::from_ref(event))[0].len());
    assert_eq!(data(&rest), ["2", "3", "52", "53"]);
}

/// The event of a gap has an id like any other: without `b` in it, what is published to `b` until the reader comes back would be lost.
#[tokio::test]
async fn no_gap_is_told_before_the_log_has_answered_for_each() {
    let log = LateForB::new();
    let gate = log.gate.clone();
    let short = TopicOptions::log().max_events(1);
    let hub = Hub::builder().log(log).topic("a", short).build().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
    let of_a = count(&hub, "a", 1..=3).await;

    // It knows its place in `a`, which is deleted by now; `b` is new to it.
    gate.send_replace(false);
    let mut back = Reader::back(serving.addr(), "/", sibling(&of_a[0], 1)).await;
    for _ in 0..2 {
        assert_eq!(back.next_with_positions().await, ":\n");
    }
    gate.send_replace(true);
    let told = back.next().await;
    let id = id_of(&told).to_owned();
    assert_eq!(told, gap(&id, Some(1)));
    let known = Positions::parse(&id);
    assert!(
        ["a", "b"]
            .map(TopicName::from_static)
            .iter()
            .all(|topic| known.of(topic).is_some()),
        "{told}"
    );
    drop(back);

    count(&hub, "b", 51..=51).await;
    let mut later = Reader::back(serving.addr(), "/", &id).await;
    let mut rest = later.take(2).await;
    rest.sort_by_key(|event| data(std::slice::from_ref(event))[0].len());
    assert_eq!(data(&rest), ["3", "51"]);
}

/// What was published before the end is delivered, also by a log that answers a little later. One that does not answer at all does not
/// prevent the end.
#[tokio::test]
async fn an_end_waits_a_little_for_the_log() {
    for answers in [true, false] {
        let log = LateForB::new();
        let gate = log.gate.clone();
        let hub = Hub::builder().log(log).build().unwrap();
        let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
        let mut reader = Reader::new(serving.addr(), "/").await;
        count(&hub, "b", 1..=1).await;
        assert_eq!(data(&reader.take(1).await), ["1"]);

        gate.send_replace(false);
        count(&hub, "b", 2..=2).await;
        serving.shutdown().fire();
        sleep(Duration::from_millis(50)).await;
        gate.send_replace(answers);
        let rest = within("the end", reader.rest()).await;
        assert_eq!(rest.contains("data: 2\n"), answers, "{rest}");
        assert!(rest.contains("retry: "), "{rest}");
    }
}
