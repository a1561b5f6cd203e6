//! A log that answers later, and sometimes not at all, as one behind a network does.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, SystemTime},
};

use actix_web::test::TestRequest;
use fastrand::Rng;
use futures_util::future::{join, join_all};
use sse_actix::{
    AppendError, Appended, Batch, Completion, Event, Hub, Keep, Limit, Log, LogError, LogStats, MemoryLog,
    Position, PublishError, Record, Retention, Start, TopicName, TopicOptions, Watch,
    test::{TestStream, respond},
};
use tokio::time::sleep;

use super::{Reader, count, event, serve_topic};

/// A log in memory, behind a bad line.
#[derive(Debug, Clone)]
pub(crate) struct Slow(Arc<Line>);

#[derive(Debug)]
struct Line {
    log: MemoryLog,
    random: Mutex<Rng>,
    /// At most, in milliseconds.
    delay: u64,
    /// One of so many operations fails; 0 for none.
    failures: usize,
    is_down: AtomicBool,
    reads_failed: AtomicUsize,
}

impl Slow {
    pub(crate) fn new(seed: u64, delay: u64, failures: usize) -> Self {
        Self(Arc::new(Line {
            log: MemoryLog::new(),
            random: Mutex::new(Rng::with_seed(seed)),
            delay,
            failures,
            is_down: AtomicBool::new(false),
            reads_failed: AtomicUsize::new(0),
        }))
    }

    /// How long it takes on the way there and back, and whether it is lost on either.
    fn ways(&self) -> [(Duration, bool); 2] {
        let mut random = self.0.random.lock().unwrap();
        [(); 2].map(|()| {
            let delay = Duration::from_millis(random.u64(0..=self.0.delay));
            let is_lost = self.0.failures > 0 && random.usize(0..self.0.failures * 2) == 0;
            (delay, is_lost || self.0.is_down.load(Ordering::SeqCst))
        })
    }

    /// All that a topic holds.
    fn all(&self, topic: &TopicName) -> Batch {
        let limit = Limit {
            events: std::num::NonZeroUsize::MAX,
            bytes: usize::MAX,
        };
        let all = self.0.log.read(topic, Start::Oldest, limit, SystemTime::now());
        all.into_ready().unwrap().unwrap()
    }
}

impl Log for Slow {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Appended, AppendError>> {
        let ([(there, lost_there), (back, lost_back)], log) = (self.ways(), self.clone());
        let (topic, retention) = (topic.clone(), retention.clone());
        Completion::later(async move {
            sleep(there).await;
            if lost_there {
                return Err(AppendError::Refused("no way".into()));
            }
            let appended = log.0.log.append(&topic, record, &retention, now);
            let appended = appended.into_ready().unwrap();
            sleep(back).await;
            if lost_back {
                return Err(AppendError::OutcomeUnknown("no answer".into()));
            }
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
        let ([(there, lost_there), (back, lost_back)], log) = (self.ways(), self.clone());
        let topic = topic.clone();
        Completion::later(async move {
            sleep(there).await;
            let batch = log.0.log.read(&topic, start, limit, now).into_ready().unwrap();
            sleep(back).await;
            if lost_there || lost_back {
                log.0.reads_failed.fetch_add(1, Ordering::SeqCst);
                return Err(LogError::new("the line is bad"));
            }
            batch
        })
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.0.log.watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.0.log.stats(topic)
    }
}

const TOPIC: TopicName = TopicName::from_static("n");
const LAST: &str = "\"the last\"";

fn seed() -> u64 {
    let seed =
        std::env::var("SLOW_LOG_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SLOW_LOG_SEED={seed}");
    seed
}

/// Reads everything from the first event to the last, and leaves and comes back now and then.
async fn read(hub: &Hub, mut random: Rng, cuts: usize) -> Vec<(String, String)> {
    let mut received: Vec<(String, String)> = Vec::new();
    loop {
        let mut request = TestRequest::get();
        if let Some((id, _)) = received.last() {
            request = request.insert_header(("last-event-id", id.as_str()));
        }
        let mut stream: TestStream = respond(hub.subscribe(TOPIC).history(100_000), request);
        let stay = if random.usize(..10) < cuts {
            random.usize(0..20)
        } else {
            usize::MAX
        };
        for _ in 0..stay {
            let message = stream.next().await.expect("it stays open, whatever the log does");
            received.push((message.last_event_id.to_string(), message.data.to_string()));
            if &*message.data == LAST {
                return received;
            }
            if random.usize(..4) == 0 {
                sleep(Duration::from_millis(random.u64(..50))).await;
            }
        }
    }
}

/// What became of what was published.
#[derive(Debug, Default)]
struct Published {
    is_there: Vec<(String, String)>,
    is_not: Vec<String>,
    unknown: Vec<String>,
}

async fn publish(hub: &Hub, who: usize, events: usize) -> Published {
    let topic = hub.topic(TOPIC);
    let mut published = Published::default();
    for n in 0..events {
        let value = format!("{who}/{n}");
        let json = format!("\"{value}\"");
        match topic.publish(&value).await {
            Ok(id) => published.is_there.push((id.to_string(), json)),
            Err(PublishError::Append(AppendError::Refused(_))) => published.is_not.push(json),
            Err(PublishError::Append(AppendError::OutcomeUnknown(_))) => published.unknown.push(json),
            Err(error) => panic!("{error}"),
        }
    }
    published
}

#[actix_web::test]
async fn nothing_is_lost_and_nothing_comes_twice() {
    tokio::time::pause();
    let seed = seed();
    for (run, (delay, failures)) in [(0, 0), (20, 0), (20, 10), (3, 4), (200, 6)]
        .into_iter()
        .enumerate()
    {
        let log = Slow::new(seed.wrapping_add(run as u64), delay, failures);
        let hub = Hub::builder()
            .log(log.clone())
            .topic(TOPIC, TopicOptions::log())
            .build()
            .unwrap();
        let readers = (0..24_u64).map(|nth| {
            read(
                &hub,
                Rng::with_seed(seed ^ nth),
                usize::try_from(nth % 8).unwrap(),
            )
        });
        let publishing = async {
            let published = join_all((0..4).map(|who| publish(&hub, who, 60))).await;
            // Until it is there, be it twice.
            while hub.topic(TOPIC).publish(&"the last").await.is_err() {}
            published
        };
        let (records, published) = join(join_all(readers), publishing).await;

        let all = log.all(&TOPIC);
        let truth: Vec<_> = all
            .entries
            .iter()
            .map(|entry| {
                let id = Position {
                    epoch: all.end.epoch,
                    sequence: entry.sequence(),
                };
                (id.to_string(), entry.data())
            })
            .collect();
        let end = truth.iter().position(|(_, data)| data == LAST).unwrap();
        for (nth, record) in records.iter().enumerate() {
            assert_eq!(record, &truth[..=end], "run {run}, reader {nth}");
        }

        let times = |json: &String| truth.iter().filter(|(_, data)| data == json).count();
        let ids: HashMap<_, _> = truth.iter().cloned().collect();
        let mut outcomes = [0; 3];
        for published in published {
            for (id, json) in &published.is_there {
                assert_eq!((times(json), &ids[id]), (1, json));
            }
            assert!(published.is_not.iter().all(|json| times(json) == 0));
            assert!(
                published.unknown.iter().all(|json| times(json) == 1),
                "this log has them"
            );
            outcomes[0] += published.is_there.len();
            outcomes[1] += published.is_not.len();
            outcomes[2] += published.unknown.len();
        }
        let failed = log.0.reads_failed.load(Ordering::SeqCst);
        println!("run {run}: published, refused, unknown: {outcomes:?}; reads that failed: {failed}");
        assert_eq!(failures > 0, failed > 0 && outcomes[1] > 0 && outcomes[2] > 0);
        assert_eq!(hub.stats().topic("n").unwrap().published, outcomes[0] as u64 + 1);
    }
}

/// Through sockets: the line is down for a while, and nobody is sent away.
#[tokio::test]
async fn streams_stay_open_while_the_log_cannot_be_read() {
    let log = Slow::new(seed(), 2, 0);
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=3).await;
    let mut before = Reader::back(serving.addr(), "/", &ids[0]).await;
    assert_eq!(before.take(2).await, [event(&ids[1], 2), event(&ids[2], 3)]);

    log.0.is_down.store(true, Ordering::SeqCst);
    let error = hub.topic("n").publish(&4).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Append(AppendError::Refused(_))),
        "{error}"
    );
    assert_eq!(error.to_string(), "the log did not store the event");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("no way"));
    // Another node publishes.
    let record = Record::event(&Event::data("5"), None).unwrap();
    let appended = log.0.log.append(
        &TOPIC,
        record,
        &Retention::new().keep(Keep::Every),
        SystemTime::now(),
    );
    let position = appended.into_ready().unwrap().unwrap().position;
    // The head comes, whatever the log does.
    let mut meanwhile = Reader::back(serving.addr(), "/", &ids[1]).await;
    sse_tests::patience::until("reads to fail", async || {
        log.0.reads_failed.load(Ordering::SeqCst) > 2
    })
    .await;
    assert_eq!(hub.stats().streams, 2);
    log.0.is_down.store(false, Ordering::SeqCst);

    let five = event(position.to_string(), 5);
    assert_eq!(before.next().await, five);
    assert_eq!(meanwhile.take(2).await, [event(&ids[2], 3), five]);
    let ids = count(&hub, "n", 6..=6).await;
    for reader in [&mut before, &mut meanwhile] {
        assert_eq!(reader.next().await, event(&ids[0], 6));
    }
}

/// Two topics, one of which answers late: the id tells of both what was received.
#[actix_web::test]
async fn several_topics_behind_a_bad_line() {
    const LAST_OF: [(&str, u64); 2] = [("a", 1_999), ("b", 2_999)];
    tokio::time::pause();
    let seed = seed();
    let log = Slow::new(seed, 30, 8);
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let mut random = Rng::with_seed(seed);
    let publishing = async {
        for n in 0..150_u64 {
            for topic in ["a", "b"] {
                // Told by its first digit.
                let value = n + if topic == "a" { 1_000 } else { 2_000 };
                let _ = hub.topic(topic).publish(&value).await;
            }
        }
        for (topic, last) in LAST_OF {
            // It may be there more than once.
            while hub.topic(topic).publish(&last).await.is_err() {}
        }
    };
    let reading = async {
        let (mut received, mut last) = (Vec::new(), String::new());
        let mut ended = HashSet::new();
        loop {
            let mut request = TestRequest::get();
            if !last.is_empty() {
                request = request.insert_header(("last-event-id", last.as_str()));
            }
            let subscription = hub.subscribe("a").and(hub.subscribe("b")).unwrap();
            let mut stream = respond(subscription.history(100_000), request);
            for _ in 0..random.usize(1..15) {
                let message = stream.next().await.unwrap();
                last = message.last_event_id.to_string();
                received.push(message.data.to_string());
                if message.data.ends_with("999") {
                    ended.insert(message.data.to_string());
                }
                if ended.len() == LAST_OF.len() {
                    return received;
                }
            }
        }
    };
    let (received, ()) = join(reading, publishing).await;
    for ((topic, _), digit) in LAST_OF.into_iter().zip(['1', '2']) {
        let name = TopicName::try_from(topic).unwrap();
        let truth: Vec<_> = log.all(&name).entries.iter().map(|entry| entry.data()).collect();
        let of_topic: Vec<_> = received
            .iter()
            .filter(|data| data.starts_with(digit))
            .cloned()
            .collect();
        // What comes after the last is not waited for.
        assert_eq!(of_topic, truth[..of_topic.len()], "{topic}");
        assert!(of_topic.iter().any(|data| data.ends_with("999")), "{topic}");
    }
}
