//! Ended for good, with everything that a right to read had given.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    thread,
    time::{Instant, SystemTime},
};

use actix_web::{HttpRequest, test::TestRequest, web};
use futures_util::future::{join, join_all};
use sse_actix::{
    AppendError, Batch, Completion, Event, Hub, Limit, Log, LogError, LogStats, MemoryLog, Position, Record,
    Retention, Start, Subscription, TopicName, Watch, test::respond,
};
use sse_tests::{
    http2::Http2,
    patience::{until, within},
    wire::{Wire, report},
};
use tokio::sync::Notify;

use super::{Reader, count, data, event, serve_hub, sibling, without_positions};

const ENDED: &str = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n";

/// `/{tag}` is a stream with this tag.
async fn tagged(request: HttpRequest, hub: web::Data<Hub>, tag: web::Path<String>) -> Subscription {
    hub.admit(&request, tag.as_str());
    hub.subscribe("n")
}

#[tokio::test]
async fn a_revoked_stream_ends_for_good_and_later_log_ins_live() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route("/{tag}", web::get().to(tagged)).route(
            "/by-subscription/{tag}",
            web::get().to(async |hub: web::Data<Hub>, tag: web::Path<String>| {
                hub.subscribe("n").tag("other").tag(tag.as_str())
            }),
        );
    });
    let mut ann = Reader::new(serving.addr(), "/ann").await;
    let mut again = Reader::new(serving.addr(), "/by-subscription/ann").await;
    let mut bob = Reader::new(serving.addr(), "/bob").await;
    let ids = count(&hub, "n", 1..=1).await;
    let one = event(&ids[0], 1);
    for reader in [&mut ann, &mut again, &mut bob] {
        assert_eq!(reader.next().await, one);
    }
    assert_eq!(hub.revoke("carl"), 0);
    assert_eq!(hub.revoke("ann"), 2);
    assert_eq!(
        (ann.rest().await.as_str(), again.rest().await.as_str()),
        (ENDED, ENDED)
    );

    let mut back = Wire::get_with(serving.addr(), "/ann", b"Last-Event-ID: sse-end\r\n").await;
    assert_eq!(back.head().await.status_line(), "HTTP/1.1 204 No Content");
    let mut later = Reader::back(serving.addr(), "/ann", sibling(&ids[0], 0)).await;
    assert_eq!(later.next().await, one);
    let ids = count(&hub, "n", 2..=2).await;
    for reader in [&mut later, &mut bob] {
        assert_eq!(reader.next().await, event(&ids[0], 2));
    }
    let stats = hub.stats();
    assert_eq!((stats.evictions.revoked, stats.streams), (2, 2));
    // A client that has left is not counted.
    drop(bob);
    until("its client's leaving to be seen", async || {
        hub.stats().streams == 1
    })
    .await;
    assert_eq!(hub.revoke("bob"), 0);
}

/// A request that was let in, is revoked, and subscribes only then.
#[tokio::test]
async fn who_was_let_in_before_and_subscribes_after_is_ended_without_an_event() {
    #[derive(Default)]
    struct Door {
        admitted: Notify,
        opened: Notify,
    }
    let hub = Hub::new().unwrap();
    let door = Arc::new(Door::default());
    let of_handler = Arc::clone(&door);
    let serving = serve_hub(&hub, move |app| {
        let door = Arc::clone(&of_handler);
        let slow = move |request: HttpRequest, hub: web::Data<Hub>| {
            let door = Arc::clone(&door);
            async move {
                hub.admit(&request, "ann");
                door.admitted.notify_one();
                // Here the credential is looked at, and found good.
                door.opened.notified().await;
                hub.subscribe("n").history(9)
            }
        };
        app.route("/", web::get().to(slow));
    });
    count(&hub, "n", 1..=3).await;
    let mut revoked = Wire::get(serving.addr(), "/").await;
    within("a request", door.admitted.notified()).await;
    assert_eq!(hub.revoke("ann"), 1);
    door.opened.notify_one();
    revoked.head().await;
    assert_eq!(revoked.body().await, format!("retry: 3000\n{ENDED}"));

    let mut later = Wire::get(serving.addr(), "/").await;
    door.opened.notify_one();
    later.head().await;
    assert!(later.chunk().await.unwrap().ends_with(b"data: 3\n\n"));
    assert_eq!(hub.revoke("ann"), 1);
}

#[tokio::test]
async fn many_streams_under_load_are_closed_and_get_nothing_of_later() {
    const STREAMS: usize = 120;
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/{tag}", web::get().to(tagged)));
    let (goes_on, begun) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (on, number, topic) = (Arc::clone(&goes_on), Arc::clone(&begun), hub.topic("n"));
    let publisher = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            while on.load(Ordering::SeqCst) {
                let number = number.fetch_add(1, Ordering::SeqCst) + 1;
                topic.publish(&number).await.unwrap();
                thread::sleep(std::time::Duration::from_micros(200));
            }
        });
    });
    let mut over_http2 = Http2::connect(serving.addr()).await;
    let (mut revoked, mut answers, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STREAMS / 3 {
        revoked.push(Reader::new(serving.addr(), "/ann").await);
        answers.push(over_http2.get("/ann").await);
        kept.push(Reader::new(serving.addr(), "/bob").await);
    }
    until("a load", async || begun.load(Ordering::SeqCst) > 100).await;

    let start = Instant::now();
    let ended = hub.revoke("ann");
    // A publish that begins from now on has a greater number.
    let last = begun.load(Ordering::SeqCst);
    assert_eq!(ended, STREAMS / 3 * 2);
    let by_http1 = join_all(revoked.iter_mut().map(Reader::rest));
    let by_http2 = join_all(answers.iter_mut().map(sse_tests::http2::Answer::body));
    let (by_http1, by_http2) = join(by_http1, by_http2).await;
    report("80 streams of 120 revoked, the last byte read", start.elapsed());
    for body in by_http1.iter().chain(&by_http2) {
        let events = body.strip_suffix(ENDED).unwrap_or_else(|| panic!("{body:?}"));
        let events = without_positions(events);
        let numbers = events.lines().filter_map(|line| line.strip_prefix("data: "));
        for number in numbers.map(|number| number.parse::<u64>().unwrap()) {
            assert!(number <= last, "{number} was published after {last}");
        }
    }
    for reader in &mut kept {
        let mut number = 0;
        while number < last + 10 {
            let next = data(&[reader.next().await])[0].parse().unwrap();
            assert!(number == 0 || next == number + 1);
            number = next;
        }
    }
    goes_on.store(false, Ordering::SeqCst);
    publisher.join().unwrap();
    assert_eq!(hub.stats().streams, STREAMS / 3);
}

/// A log in which somebody else does something right before a read.
#[derive(Debug)]
struct Meanwhile {
    inner: MemoryLog,
    reads: AtomicU64,
    does: OnceLock<Does>,
}

struct Does(Mutex<Box<dyn FnMut(u64) + Send>>);

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Does")
    }
}

#[derive(Debug, Clone)]
struct Shared(Arc<Meanwhile>);

impl Log for Shared {
    fn append(
        &self,
        topic: &TopicName,
        record: Record,
        retention: &Retention,
        now: SystemTime,
    ) -> Completion<Result<Position, AppendError>> {
        self.0.inner.append(topic, record, retention, now)
    }

    fn read(
        &self,
        topic: &TopicName,
        start: Start,
        limit: Limit,
        now: SystemTime,
    ) -> Completion<Result<Batch, LogError>> {
        let read = self.0.reads.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(does) = self.0.does.get() {
            does.0.lock().unwrap()(read);
        }
        self.0.inner.read(topic, start, limit, now)
    }

    fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch {
        self.0.inner.watch(topic, waker, now)
    }

    fn stats(&self, topic: &TopicName) -> Option<LogStats> {
        self.0.inner.stats(topic)
    }
}

/// It is revoked, and something is published, while it reads.
#[actix_web::test]
async fn what_is_published_after_the_revocation_is_not_sent_even_to_who_reads_at_that_time() {
    const N: TopicName = TopicName::from_static("n");
    let log = Shared(Arc::new(Meanwhile {
        inner: MemoryLog::new(),
        reads: AtomicU64::new(0),
        does: OnceLock::new(),
    }));
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let first = hub
        .raw("n")
        .publish(Event::data("x".repeat(9_000)))
        .await
        .unwrap();
    hub.raw("n")
        .publish(Event::data("y".repeat(9_000)))
        .await
        .unwrap();
    let (inner, of_hook) = (log.clone(), hub.clone());
    let hook = move |read| {
        // The second piece of what it replays.
        if read == 2 {
            assert_eq!(of_hook.revoke("ann"), 1);
            let secret = Record::event(&Event::data("secret"), None).unwrap();
            let appended = inner.append(&N, secret, &Retention::new(), SystemTime::now());
            appended.into_ready().unwrap().unwrap();
        }
    };
    log.0.does.set(Does(Mutex::new(Box::new(hook)))).unwrap();
    let request = TestRequest::get().insert_header(("last-event-id", sibling(&first, 0)));
    let stream = respond(hub.subscribe("n").tag("ann"), request);
    let received = stream.collect().await;
    let names: Vec<_> = received.iter().map(|message| &*message.event).collect();
    assert!(
        !received.iter().any(|message| &*message.data == "secret"),
        "{names:?}"
    );
    assert_eq!(received.last().unwrap().last_event_id, "sse-end");
}
