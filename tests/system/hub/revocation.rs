//! Ended for good, with everything that a right to read had given.

use std::{
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Instant, SystemTime},
};

use actix_web::{Error, HttpRequest, Responder as _, body::MessageBody as _, get, test::TestRequest, web};
use futures_util::{
    StreamExt as _,
    future::{join, join_all, pending, poll_fn},
    stream,
};
use sse_actix::{
    Event, EventId, Frame, Hub, Log as _, Message, Record, Retention, Sse, Subscription, TopicName,
    sse_stream, test::respond,
};
use sse_tests::{
    http2::Http2,
    patience::{until, within},
    wire::{Wire, report},
};
use tokio::sync::Notify;

use super::{
    Reader, count, data, event,
    hooked_log::{Call, Hooked},
    serve_hub, sibling, without_positions,
};

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

/// A hub with a topic, a log of it to whose second read by a stream something happens, and where to resume.
struct Revoked {
    hub: Hub,
    /// The id of the topic's first event.
    first: EventId,
}

impl Revoked {
    /// Right before the stream's second read its tag is revoked, and then something is published.
    async fn after(events: impl IntoIterator<Item = String>) -> Self {
        const N: TopicName = TopicName::from_static("n");
        let log = Hooked::new();
        let hub = Hub::builder().log(log.clone()).build().unwrap();
        let topic = hub.raw("n");
        let mut first = None;
        for event in events {
            let id = topic.publish(Event::data(event)).await.unwrap();
            first.get_or_insert(id);
        }
        let (inner, of_hook, mut reads) = (Arc::clone(&log.inner), hub.clone(), 0);
        log.hook(move |call| {
            reads += u64::from(call == Call::Read);
            // The second piece of what it replays.
            if call == Call::Read && reads == 2 {
                assert_eq!(of_hook.revoke("ann"), 1);
                let secret = Record::event(&Event::data("secret"), None).unwrap();
                let appended = inner.append(&N, secret, &Retention::new(), SystemTime::now());
                appended.into_ready().unwrap().unwrap();
            }
        });
        Self {
            hub,
            first: first.unwrap(),
        }
    }

    /// More small events than are read at once, so that the poll that has sent the last of them reads on, and has
    /// room for what it finds.
    async fn after_small_events() -> Self {
        Self::after((1..=1_010).map(|n| n.to_string())).await
    }

    fn last_event_id(&self) -> (&'static str, String) {
        ("last-event-id", sibling(&self.first, 0))
    }
}

/// The end frame is last, and what was published after the revocation is not there.
#[track_caller]
fn assert_ended(received: &[Message]) {
    let secret = received.iter().position(|message| &*message.data == "secret");
    assert_eq!(secret, None, "of {}", received.len());
    assert_eq!(received.last().unwrap().last_event_id, "sse-end");
}

/// A stream in which a function emits what it reads.
#[get("/emitted")]
#[sse_stream]
async fn emitted(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
    let mut events = hub.subscribe("n").tag("ann").on(&request);
    while let Some(frame) = events.next().await {
        emit!(frame?);
    }
    Ok(())
}

/// It is revoked, and something is published, while it reads.
#[actix_web::test]
async fn what_is_published_after_the_revocation_is_not_sent_even_to_who_reads_at_that_time() {
    let revoked = Revoked::after(["x".repeat(9_000), "y".repeat(9_000)]).await;
    let request = TestRequest::get().insert_header(revoked.last_event_id());
    let stream = respond(revoked.hub.subscribe("n").tag("ann"), request);
    assert_ended(&stream.collect().await);
}

#[actix_web::test]
async fn nor_if_the_poll_that_sends_has_read_it() {
    let revoked = Revoked::after_small_events().await;
    let request = TestRequest::get().insert_header(revoked.last_event_id());
    let stream = respond(revoked.hub.subscribe("n").tag("ann"), request);
    assert_ended(&stream.collect().await);
}

/// As [`what_is_published_after_the_revocation_is_not_sent_even_to_who_reads_at_that_time`], through a socket.
async fn assert_ended_over_http1(path: &str) {
    let revoked = Revoked::after_small_events().await;
    let serving = serve_hub(&revoked.hub, |app| {
        app.service(emitted).route("/{tag}", web::get().to(tagged));
    });
    let mut reader = Reader::back(serving.addr(), path, sibling(&revoked.first, 0)).await;
    let body = reader.rest().await;
    assert!(body.contains("data: 2\n\n"));
    assert!(body.ends_with(ENDED), "{body}");
    assert!(!body.contains("secret"));
}

#[actix_web::test]
async fn nor_through_a_socket() {
    assert_ended_over_http1("/ann").await;
}

#[actix_web::test]
async fn nor_if_a_function_emits_what_it_has_read() {
    assert_ended_over_http1("/emitted").await;
}

/// What a function emits before there is a body.
#[sse_stream]
async fn early(request: HttpRequest, hub: web::Data<Hub>) {
    hub.admit(&request, "ann");
    hub.revoke("ann");
    emit!("secret");
    pending::<()>().await;
}

#[actix_web::test]
async fn nor_what_was_emitted_before_the_head() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/early", web::get().to(early)));
    let mut reader = Reader::new(serving.addr(), "/early").await;
    assert_eq!(reader.rest().await, ENDED);
}

/// Polled by hand, without a body that would look as well.
#[actix_web::test]
async fn nor_given_by_a_subscription() {
    let revoked = Revoked::after_small_events().await;
    let request = TestRequest::get().insert_header(revoked.last_event_id());
    let request = request.to_http_request();
    let events = revoked.hub.subscribe("n").tag("ann").on(&request);
    let frames: Vec<_> = within("its end", events.map(Result::unwrap).collect()).await;
    let given: Vec<_> = frames
        .iter()
        .map(|frame| String::from_utf8_lossy(frame))
        .collect();
    assert!(given.first().unwrap().ends_with("data: 1\n\n"));
    assert!(given.len() > 900);
    assert!(!given.iter().any(|frame| frame.contains("secret")));
}

/// Where actix would copy it, a large event leaves in pieces.
#[actix_web::test]
async fn an_event_of_which_a_part_has_left_is_sent_to_its_end() {
    let hub = Hub::new().unwrap();
    let request = TestRequest::get().to_http_request();
    hub.admit(&request, "ann");
    let large = Frame::from(Event::data("x".repeat(100_000)));
    let frames = stream::iter([large.clone(), Frame::from(Event::data("later"))]);
    let held = Rc::new(());
    let of_stream = Rc::clone(&held);
    let frames = frames.chain(stream::pending()).inspect(move |_| _ = &of_stream);
    let response = Sse::new(frames).respond_to(&request);
    let mut body = pin!(response.into_body());

    let (mut sent, mut chunks) = (Vec::new(), 0);
    while let Some(chunk) = within("a chunk", poll_fn(|cx| body.as_mut().poll_next(cx))).await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() < 21 * 1024, "{}", chunk.len());
        sent.extend_from_slice(&chunk);
        chunks += 1;
        if chunks == 3 {
            assert_eq!(hub.revoke("ann"), 1);
        }
        // What the stream holds is released before the rest has left.
        assert_eq!(Rc::strong_count(&held), if chunks <= 3 { 2 } else { 1 });
    }
    let all = [b"retry: 3000\n", &*large, ENDED.as_bytes()].concat();
    assert!(sent == all, "{chunks} chunks of {} bytes", sent.len());
}

/// A stream may have as many tags and filters as it likes; they are dropped one by one, and not within each other.
#[tokio::test]
async fn thirty_thousand_tags_and_filters_harm_nobody() {
    const MANY: usize = 30_000;
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |request: HttpRequest, hub: web::Data<Hub>| {
                let mut stream = hub.subscribe("n");
                for n in 0..MANY {
                    hub.admit(&request, n.to_string());
                    stream = stream.filter(|_: &u64| true);
                }
                stream
            }),
        );
    });
    let mut first = Reader::new(serving.addr(), "/").await;
    let mut second = Reader::new(serving.addr(), "/").await;
    until("two readers", async || hub.stats().streams == 2).await;
    let ids = count(&hub, "n", 1..=1).await;
    assert_eq!(first.next().await, event(&ids[0], 1));
    drop(first);
    until("one reader", async || hub.stats().streams == 1).await;
    assert_eq!(second.next().await, event(&ids[0], 1));
    // The first one's tags may still be on their way out.
    assert!(hub.revoke(&(MANY - 1).to_string()) >= 1);
    assert_eq!(second.rest().await, ENDED);
    Reader::new(serving.addr(), "/").await;
}
