//! Readers of one topic that come, read slowly, are cut and resume at random, while many publish; and the
//! check of what each of them has received against the log.
//!
//! Works with any hub: in the process, or through sockets.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    collections::HashMap,
    fmt, future, iter,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use actix_web::{rt::System, test::TestRequest};
use bytes::Bytes;
use fastrand::Rng;
use futures_util::{Stream, StreamExt as _, future::join_all, stream};
use sse_actix::{Decoded, Decoder, Event, Hub, Position, Subscription, TopicName};

use crate::{patience::while_progress, wire::Wire};

/// How a topic keeps its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every event, and all of them fit.
    Log,
    /// The same, and readers begin with what comes next: their position is all they know before their first event.
    Live,
    /// Every event, but readers are overtaken.
    ShortLog,
    /// The newest of each key.
    Latest,
    /// None.
    Transient,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How the topic keeps its events; the hub has to be set up so.
    pub mode: Mode,
    /// Threads on which readers run.
    pub workers: usize,
    /// Readers in all.
    pub readers: usize,
    /// Threads that publish.
    pub publishers: usize,
    /// Events that each of them publishes.
    pub events: usize,
    /// What everything random follows from, but the interleaving of threads.
    pub seed: u64,
}

/// The topic of a run.
pub const TOPIC: TopicName = TopicName::from_static("turmoil");
const KEYS: usize = 7;

/// What one reader has received.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// It has connected.
    Connected,
    /// This data.
    Event(String),
    /// A gap of so many.
    Gap(Option<u64>),
    /// It is right after this sequence.
    Position(u64),
}

/// What was published, by data: its sequence.
type Truth = HashMap<String, u64>;

/// A place to read from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The hub itself.
    Hub(&'a Hub),
    /// A server that serves a subscription with all history under `/`, and one without under `/live`.
    Server(SocketAddr),
}

/// Runs a plan, and checks every reader's record.
pub fn run(hub: &Hub, source: Source<'_>, plan: Plan) {
    let truth = Mutex::new(Truth::new());
    let last = AtomicU64::new(0);
    let left = AtomicUsize::new(plan.publishers);
    let received = AtomicU64::new(0);
    let begin = Barrier::new(plan.publishers + plan.workers);

    let records = thread::scope(|scope| {
        for publisher in 0..plan.publishers {
            let (truth, last, left, begin) = (&truth, &last, &left, &begin);
            scope.spawn(move || {
                begin.wait();
                System::new().block_on(publish(hub, plan, publisher, truth));
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    let newest = truth.lock().unwrap().values().copied().max();
                    last.store(newest.expect("something was published"), Ordering::SeqCst);
                }
            });
        }
        let workers: Vec<_> = (0..plan.workers)
            .map(|worker| {
                let (last, truth, begin, received) = (&last, &truth, &begin, &received);
                scope.spawn(move || {
                    begin.wait();
                    let readers = (worker..plan.readers).step_by(plan.workers);
                    let readers = readers.map(|reader| read(source, plan, reader, last, truth, received));
                    System::new().block_on(while_progress(
                        "all readers to have read everything",
                        || received.load(Ordering::Relaxed),
                        join_all(readers),
                    ))
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("readers read"))
            .collect::<Vec<_>>()
    });

    let truth = truth.into_inner().unwrap();
    assert_eq!(truth.len(), plan.publishers * plan.events, "{plan:?}");
    let mut order: Vec<_> = truth.iter().map(|(data, sequence)| (*sequence, data)).collect();
    order.sort_unstable();
    for (reader, record) in records.iter().enumerate() {
        if let Err(fault) = check(plan.mode, &truth, &order, record) {
            panic!("{plan:?}: reader {reader}: {fault}: {record:?}");
        }
    }
}

async fn publish(hub: &Hub, plan: Plan, publisher: usize, truth: &Mutex<Truth>) {
    let mut rng = Rng::with_seed(plan.seed ^ (publisher as u64) << 32);
    let topic = hub.raw(TOPIC);
    for nth in 0..plan.events {
        let key = format!("k{}", rng.usize(..KEYS));
        let data = format!("{key} {publisher} {nth}");
        let event = Event::data(&data);
        let appended = match plan.mode {
            Mode::Latest => topic.publish_keyed(&key, event).await,
            _ => topic.publish(event).await,
        };
        let position = Position::parse(appended.expect("it is published").as_str()).unwrap();
        truth.lock().unwrap().insert(data, position.sequence);
        if rng.u8(..8) == 0 {
            thread::yield_now();
        }
    }
}

async fn read(
    source: Source<'_>,
    plan: Plan,
    reader: usize,
    last: &AtomicU64,
    truth: &Mutex<Truth>,
    received: &AtomicU64,
) -> Vec<Seen> {
    let mut rng = Rng::with_seed(plan.seed.wrapping_mul(31) ^ reader as u64);
    let mut record = Vec::new();
    let mut id = String::new();
    loop {
        let over = last.load(Ordering::SeqCst) > 0;
        if over && plan.mode == Mode::Transient {
            // Nothing comes any more, and nothing is kept.
            return record;
        }
        record.push(Seen::Connected);
        let mut connection = connect(source, plan.mode, &id).await;
        let mut until_cut = rng.usize(1..40);
        while until_cut > 0 {
            let newest = last.load(Ordering::SeqCst);
            if newest > 0 && last_of(&record, truth) == Some(newest) {
                return record;
            }
            // A reader looks up now and then, since the last event may have been published long ago.
            let Ok(event) = tokio::time::timeout(Duration::from_millis(2), connection.next()).await else {
                if newest > 0 && plan.mode == Mode::Transient {
                    // It may have connected after the last event.
                    return record;
                }
                continue;
            };
            let event = event.expect("a subscription does not end");
            received.fetch_add(1, Ordering::Relaxed);
            until_cut -= 1;
            if let Some(brought) = event.id {
                id = brought;
            }
            record.push(match event.name.as_str() {
                "sse-gap" => Seen::Gap(
                    serde_json::from_str::<serde_json::Value>(&event.data).unwrap()["missed"].as_u64(),
                ),
                "sse-position" => Seen::Position(Position::parse(&id).unwrap().sequence),
                _ => Seen::Event(event.data),
            });
            match rng.u8(..32) {
                0 => tokio::time::sleep(Duration::from_millis(rng.u64(1..4))).await,
                1..8 => tokio::task::yield_now().await,
                _ => {}
            }
        }
    }
}

/// The sequence of the newest event in a record.
fn last_of(record: &[Seen], truth: &Mutex<Truth>) -> Option<u64> {
    let newest = record.iter().rev().find_map(|seen| match seen {
        Seen::Event(data) => Some(truth.lock().unwrap().get(data).copied()),
        Seen::Position(sequence) => Some(Some(*sequence)),
        _ => None,
    });
    newest.flatten()
}

struct Received {
    id: Option<String>,
    name: String,
    data: String,
}

type Connection<'a> = Pin<Box<dyn Stream<Item = Received> + 'a>>;

async fn connect<'a>(source: Source<'a>, mode: Mode, id: &str) -> Connection<'a> {
    match source {
        Source::Hub(hub) => {
            let request = TestRequest::get()
                .insert_header(("last-event-id", id))
                .to_http_request();
            let frames = match mode {
                Mode::Live => hub.subscribe(TOPIC),
                _ => everything(hub),
            };
            let frames = frames.on(&request);
            Box::pin(decode(
                frames.map(|frame| frame.expect("no snapshot fails").into_bytes()),
            ))
        }
        Source::Server(addr) => {
            let header = format!("Last-Event-ID: {id}\r\n");
            let path = if mode == Mode::Live { "/live" } else { "/" };
            let mut wire = Wire::get_with(addr, path, header.as_bytes()).await;
            let head = wire.head().await;
            assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
            let chunks = stream::unfold(wire, async |mut wire| {
                let chunk = wire.chunk().await?;
                Some((chunk, wire))
            });
            Box::pin(decode(chunks))
        }
    }
}

/// What a server has to serve for [`Source::Server`].
pub fn everything(hub: &Hub) -> Subscription {
    hub.subscribe(TOPIC).history(usize::MAX)
}

fn decode(chunks: impl Stream<Item = Bytes>) -> impl Stream<Item = Received> {
    let mut decoder = Decoder::new();
    let events = chunks.map(move |chunk| {
        decoder.feed(chunk);
        let items = iter::from_fn(|| decoder.next());
        let items = items.map(|item| item.expect("what is sent can be decoded"));
        let events = items.filter_map(|item| match item {
            Decoded::Message(message) => Some(Received {
                id: Some(message.last_event_id.to_string()).filter(|id| !id.is_empty()),
                name: message.event.to_string(),
                data: message.data.to_string(),
            }),
            _ => None,
        });
        stream::iter(events.collect::<Vec<_>>())
    });
    events
        .flatten()
        .filter(|event| future::ready(!event.name.is_empty()))
}

/// Why a record is wrong.
struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(mode: Mode, truth: &Truth, order: &[(u64, &String)], record: &[Seen]) -> Result<(), Fault> {
    let fault = |text: String| Err(Fault(text));
    // Where the next event has to be, if that is known.
    let mut next = 0;
    let mut known = mode == Mode::Log;
    let mut newest_of_key = HashMap::new();
    for seen in record {
        match seen {
            Seen::Connected => known &= mode != Mode::Transient,
            Seen::Gap(missed) => {
                if matches!(mode, Mode::Log | Mode::Live | Mode::Latest) {
                    return fault(format!("a gap of {missed:?} where everything fits"));
                }
                match missed {
                    Some(missed) => next += usize::try_from(*missed).unwrap(),
                    None => known = false,
                }
            }
            Seen::Position(_) if mode == Mode::Transient => {
                return fault("a position where nothing is kept".to_owned());
            }
            Seen::Position(_) if mode == Mode::Latest => {}
            Seen::Position(sequence) => {
                let place = order.partition_point(|(known, _)| known <= sequence);
                if place < next || known && place > next {
                    return fault(format!("a position after {place} events, not after {next}"));
                }
                (next, known) = (place, true);
            }
            Seen::Event(data) => {
                let Some(sequence) = truth.get(data) else {
                    return fault(format!("`{data}` was never published"));
                };
                let place = order.binary_search_by_key(sequence, |(sequence, _)| *sequence);
                let place = place.expect("what is true is in order");
                if place < next {
                    return fault(format!("`{data}` is repeated, or late"));
                }
                if known && place > next && mode != Mode::Latest {
                    return fault(format!("{} are missing before `{data}`", place - next));
                }
                next = place + 1;
                known = mode != Mode::Latest;
                newest_of_key.insert(data.split(' ').next().unwrap(), data);
            }
        }
    }
    if mode == Mode::Latest {
        let mut newest = HashMap::new();
        for (_, data) in order {
            newest.insert(data.split(' ').next().unwrap(), *data);
        }
        if newest != newest_of_key {
            return fault(format!("the newest are {newest:?}, not {newest_of_key:?}"));
        }
    } else if mode != Mode::Transient && next != order.len() {
        return fault(format!("{} are missing at the end", order.len() - next));
    }
    Ok(())
}
