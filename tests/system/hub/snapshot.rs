//! The state first, then every change.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use actix_web::{error::ErrorInternalServerError, web};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use sse_actix::{Event, EventId, Hub, KeepAlive, TopicOptions};
use sse_tests::patience::within;
use tokio::time::sleep;

use super::{Reader, count, data, event, gap, id_of, serve_hub, sibling};

#[tokio::test]
async fn a_new_client_gets_the_state_and_then_what_comes_after_it() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().event("tick"))
        .build()
        .unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count_taken = Arc::clone(&taken);
    let serving = serve_hub(&hub, move |app| {
        let taken = Arc::clone(&count_taken);
        app.route(
            "/",
            web::get().to(move |hub: web::Data<Hub>| {
                let taken = Arc::clone(&taken);
                async move {
                    let inner = hub.clone();
                    hub.subscribe("n").snapshot(async move |at: EventId| {
                        taken.fetch_add(1, Ordering::SeqCst);
                        // While it is taken, more is published.
                        inner.topic("n").publish(&"meanwhile").await.unwrap();
                        vec![
                            Event::data(format!("at {at}")).event("snapshot"),
                            Event::data("without a name"),
                        ]
                    })
                }
            }),
        );
    });
    let ids = count(&hub, "n", 1..=3).await;
    let mut reader = Reader::new(serving.addr(), "/").await;
    let (at, meanwhile) = (&ids[2], sibling(&ids[0], 4));
    assert_eq!(
        reader.take(3).await.concat(),
        format!(
            "event: snapshot\ndata: at {at}\n\nid: {at}\nevent: tick\ndata: without a name\n\n\
             id: {meanwhile}\nevent: tick\ndata: \"meanwhile\"\n\n"
        )
    );
    // Who comes back has it already.
    let mut back = Reader::back(serving.addr(), "/", at).await;
    assert_eq!(id_of(&back.next().await), meanwhile);
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    let mut up_to_date = Reader::back(serving.addr(), "/", &meanwhile).await;
    let ids = count(&hub, "n", 5..=5).await;
    for reader in [&mut reader, &mut back, &mut up_to_date] {
        assert_eq!(
            reader.next().await,
            format!("id: {}\nevent: tick\ndata: 5\n\n", ids[0])
        );
    }
}

#[tokio::test]
async fn who_has_missed_something_gets_the_state_too() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(2))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get()
                .to(async |hub: web::Data<Hub>| hub.subscribe("n").snapshot(async |_| Event::data("state"))),
        );
    });
    let ids = count(&hub, "n", 1..=5).await;
    let restarted = count(&Hub::new().unwrap(), "n", 1..=1).await;
    for (brought, missed) in [
        (ids[0].as_str(), "2"),
        ("17", "null"),
        (restarted[0].as_str(), "null"),
    ] {
        let mut reader = Reader::back(serving.addr(), "/", brought).await;
        assert_eq!(
            reader.take(2).await,
            [
                // Without an id: whoever loses the state is told again.
                format!("event: sse-gap\ndata: {{\"missed\":{missed}}}\n\n"),
                event(&ids[4], "state"),
            ]
        );
    }
    let mut reader = Reader::back(serving.addr(), "/", &ids[3]).await;
    assert_eq!(reader.next().await, event(&ids[4], 5));
}

#[derive(Debug, Serialize, Deserialize)]
struct Change {
    key: usize,
    value: u64,
}

const READERS: usize = 30;

/// Readers come while a thread changes the state and publishes the changes: what each has put together is the
/// state in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_falls_between_the_state_and_what_comes_after_it() {
    // However long a worker waits for the processor, it finds all that was published meanwhile.
    let options = TopicOptions::log().max_events(1_000_000).max_bytes(64 << 20);
    let hub = Hub::builder().topic("changes", options).build().unwrap();
    let state = Arc::new(Mutex::new(BTreeMap::<usize, u64>::new()));
    let known = Arc::clone(&state);
    let serving = serve_hub(&hub, move |app| {
        let state = Arc::clone(&known);
        app.route(
            "/",
            web::get().to(move |hub: web::Data<Hub>| {
                let state = Arc::clone(&state);
                async move {
                    hub.subscribe("changes").snapshot(async move |_| {
                        // As if from a database: some time passes.
                        tokio::task::yield_now().await;
                        let state = state.lock().unwrap().clone();
                        Event::json(&state).map(|event| event.event("state"))
                    })
                }
            }),
        );
    });

    let goes_on = Arc::new(AtomicBool::new(true));
    // What each reader has seen last. None is left far behind: readers that are flooded come to nothing else on a busy machine.
    let seen: Arc<[AtomicU64; READERS]> = Arc::new(std::array::from_fn(|_| AtomicU64::new(u64::MAX)));
    let (on, changes, of) = (Arc::clone(&goes_on), hub.topic("changes"), Arc::clone(&state));
    let slowest = Arc::clone(&seen);
    let publisher = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let mut value = 0;
            while on.load(Ordering::SeqCst) {
                value += 1;
                let key = fastrand::usize(..50);
                // First it is so, then it is said.
                of.lock().unwrap().insert(key, value);
                changes.publish(&Change { key, value }).await.unwrap();
                tokio::task::yield_now().await;
                let is_far_behind = || {
                    let seen = slowest.iter().map(|seen| seen.load(Ordering::SeqCst));
                    seen.min().is_some_and(|seen| seen.saturating_add(500) < value)
                };
                while value % 64 == 0 && is_far_behind() && on.load(Ordering::SeqCst) {
                    thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            changes.publish(&Change { key: 50, value: 0 }).await.unwrap();
        });
    });

    let mut readers = Vec::new();
    for nth in 0..READERS {
        // Each reads from the beginning, and holds up nobody: one that waits for the others does not read, and is given up in time.
        readers.push(tokio::spawn(put_together(
            Reader::new(serving.addr(), "/").await,
            Arc::clone(&seen),
            nth,
        )));
    }
    goes_on.store(false, Ordering::SeqCst);
    tokio::task::spawn_blocking(|| publisher.join().unwrap())
        .await
        .unwrap();
    let state = state.lock().unwrap().clone();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), state);
    }
}

/// The state that a reader is given, and what becomes of it by the changes behind it.
async fn put_together(
    mut reader: Reader,
    seen: Arc<[AtomicU64; READERS]>,
    nth: usize,
) -> BTreeMap<usize, u64> {
    let first = reader.next().await;
    assert!(first.contains("event: state\n"), "{first}");
    let mut built: BTreeMap<usize, u64> = serde_json::from_str(data(&[first])[0]).unwrap();
    loop {
        let event = reader.next().await;
        let Change { key, value } = serde_json::from_str(data(&[event])[0]).unwrap();
        if key == 50 {
            return built;
        }
        built.insert(key, value);
        seen[nth].store(value, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_snapshot_that_fails_fails_its_stream() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| {
                hub.subscribe("n")
                    .snapshot(async |_| Err::<Event, _>(ErrorInternalServerError("the password is 1234")))
            }),
        )
        .route(
            "/id",
            web::get().to(async |hub: web::Data<Hub>| {
                hub.subscribe("n").snapshot(async |_| Event::data("x").id(7))
            }),
        );
    });
    for path in ["/", "/id"] {
        let mut reader = Reader::new(serving.addr(), path).await;
        assert_eq!(
            reader.rest().await,
            "event: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n"
        );
    }
    assert_eq!(hub.stats().streams, 0);
}

#[tokio::test]
async fn an_empty_state_is_one() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").snapshot(async |_| None::<Event>)),
        );
    });
    count(&hub, "n", 1..=2).await;
    let mut reader = Reader::new(serving.addr(), "/").await;
    let ids = count(&hub, "n", 3..=3).await;
    assert_eq!(reader.next().await, event(&ids[0], 3));
}

#[tokio::test]
async fn a_new_client_gets_so_much_history() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(2_000))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/{events}",
            web::get().to(async |hub: web::Data<Hub>, events: web::Path<usize>| {
                hub.subscribe("n").history(*events)
            }),
        );
    });
    let ids = count(&hub, "n", 1..=2_100).await;
    let all: Vec<_> = ids.iter().zip(1..).map(|(id, n)| event(id, n)).collect();
    let mut none = Reader::new(serving.addr(), "/0").await;
    for (asked, given) in [(1, 1), (5, 5), (1_500, 1_500), (2_000, 2_000), (9_999, 2_000)] {
        let mut reader = Reader::new(serving.addr(), &format!("/{asked}")).await;
        assert_eq!(reader.take(given).await, all[2_100 - given..], "{asked}");
    }
    // Who comes back gets what is later, be it more or less.
    let mut back = Reader::back(serving.addr(), "/3", &ids[2_098]).await;
    assert_eq!(back.next().await, all[2_099]);
    let mut long_away = Reader::back(serving.addr(), "/3", &ids[50]).await;
    assert_eq!(
        long_away.take(2).await,
        [gap(&ids[99], Some(49)), all[100].clone()]
    );
    let more = count(&hub, "n", 1..=1).await;
    assert_eq!(none.next().await, event(&more[0], 1));
    assert_eq!(back.next().await, event(&more[0], 1));
}

/// A thread that counts on a topic, so many numbers each millisecond, until it is stopped.
struct Publisher {
    goes_on: Arc<AtomicBool>,
    thread: thread::JoinHandle<u64>,
}

impl Publisher {
    fn start(hub: &Hub, each_millisecond: u64) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let (is_wanted, topic) = (Arc::clone(&goes_on), hub.topic("n"));
        let thread = thread::spawn(move || {
            let mut number = 0_u64;
            while is_wanted.load(Ordering::SeqCst) {
                for _ in 0..each_millisecond {
                    number += 1;
                    topic.publish_blocking(&number).unwrap();
                }
                thread::sleep(Duration::from_millis(1));
            }
            number
        });
        Self { goes_on, thread }
    }

    /// The last number.
    fn stop(self) -> u64 {
        self.goes_on.store(false, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Retention is shorter than a snapshot takes, so each snapshot is overtaken. Live events come all the same.
#[tokio::test]
async fn who_is_overtaken_by_each_snapshot_gets_live_events_between() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(10))
        .build()
        .unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count_taken = Arc::clone(&taken);
    let serving = serve_hub(&hub, move |app| {
        let taken = Arc::clone(&count_taken);
        app.route(
            "/",
            web::get().to(move |hub: web::Data<Hub>| {
                let taken = Arc::clone(&taken);
                ready(hub.subscribe("n").snapshot(async move |_| {
                    taken.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_millis(50)).await;
                    Event::data("state").event("snapshot")
                }))
            }),
        );
    });
    let publisher = Publisher::start(&hub, 20);

    let mut reader = Reader::new(serving.addr(), "/").await;
    let (mut live, mut last) = (0, 0);
    while live < 500 || taken.load(Ordering::SeqCst) < 3 {
        let frame = reader.next().await;
        let number = frame
            .rsplit_once("data: ")
            .and_then(|(_, data)| data.trim_end().parse::<u64>().ok());
        if let Some(number) = number {
            assert!(number > last, "{number} after {last}");
            last = number;
            live += 1;
        }
    }
    // Two thousand events and more were published in the time of one snapshot.
    assert!(
        live > taken.load(Ordering::SeqCst) * 10,
        "{live} live, {taken:?} snapshots"
    );
    let number = publisher.stop();

    // Once it is quiet, the last snapshot is the newest state, and says where it is.
    let head = count(&hub, "n", [number + 1]).await.remove(0);
    let snapshots = taken.load(Ordering::SeqCst);
    loop {
        let frame = reader.next().await;
        if frame.contains(head.as_str()) {
            break;
        }
    }
    assert!(taken.load(Ordering::SeqCst) <= snapshots + 1);
    let mut back = Reader::back(serving.addr(), "/", &head).await;
    let next = count(&hub, "n", [number + 2]).await.remove(0);
    assert_eq!(back.next().await, event(&next, number + 2));
}

/// Several events of a snapshot, polled one by one, with another topic beside it.
#[actix_web::test]
async fn each_event_of_a_snapshot_comes_also_one_by_one() {
    let hub = Hub::new().unwrap();
    let state = async |_| ["one", "two", "three"].map(Event::data).to_vec();
    let both = hub
        .subscribe("a")
        .and(hub.subscribe("b").snapshot(state))
        .unwrap();
    let frames = both.map(|frame| format!("{:?}", frame.unwrap()));
    let of_snapshot = frames.filter(|frame| ready(!frame.contains("sse-position")));
    let frames: Vec<_> = within("the snapshot", of_snapshot.take(3).collect()).await;
    let order: Vec<_> = frames
        .iter()
        .filter_map(|frame| {
            ["one", "two", "three"]
                .into_iter()
                .find(|data| frame.contains(data))
        })
        .collect();
    assert_eq!(order, ["one", "two", "three"], "{frames:?}");
}

/// A snapshot that is larger than a chunk comes whole, without an event or a keep-alive that would wake its reader.
#[tokio::test]
async fn a_large_snapshot_comes_whole() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| {
                let large = async |_| {
                    sleep(Duration::from_millis(20)).await;
                    (0..200)
                        .map(|n| Event::data(format!("{n} {}", "x".repeat(1_000))))
                        .collect::<Vec<_>>()
                };
                hub.subscribe("n").snapshot(large).keep_alive(KeepAlive::OFF)
            }),
        );
    });
    let mut reader = Reader::new(serving.addr(), "/").await;
    for n in 0..200 {
        assert!(reader.next().await.contains(&format!("data: {n} x")));
    }
}

/// However long a snapshot takes, live events come between two.
#[tokio::test]
async fn a_slow_snapshot_leaves_room_for_events_too() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(3))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| {
                hub.subscribe("n").snapshot(async |_| {
                    sleep(Duration::from_millis(1_200)).await;
                    Event::data("state").event("snapshot")
                })
            }),
        );
    });
    let publisher = Publisher::start(&hub, 1);
    let mut reader = Reader::new(serving.addr(), "/").await;
    let mut live = 0;
    while live < 20 {
        let frame = reader.next().await;
        live += usize::from(!frame.contains("event: "));
    }
    publisher.stop();
}
