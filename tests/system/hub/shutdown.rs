//! When the server ends, what was published before it is delivered first.

use std::{future::poll_fn, pin::pin, time::Duration};

use actix_web::{Responder as _, body::MessageBody as _, test::TestRequest, web};
use futures_util::{
    FutureExt as _,
    future::{join, join_all},
};
use h2::client;
use sse_actix::{CombineError, Event, Hub, Shutdown, Subscription, TopicOptions};
use sse_tests::{http2::Http2, patience::until, wire::Wire};
use tokio::{net::TcpSocket, time::sleep};

use super::{Reader, count, serve_hub, sibling, without_positions};

/// The numbers of a stream's events, which has to end with a `retry` and no more.
fn numbers(body: &str) -> Vec<u64> {
    let (events, retry) = body.rsplit_once("retry: ").unwrap_or_else(|| panic!("{body:?}"));
    let millis: u32 = retry.strip_suffix('\n').unwrap().parse().unwrap();
    assert!((1_000..=5_000).contains(&millis), "{retry:?}");
    let data = events.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|number| number.parse().unwrap()).collect()
}

#[tokio::test]
async fn everything_that_was_published_before_is_delivered() {
    async fn both(hub: web::Data<Hub>) -> Result<Subscription, CombineError> {
        hub.subscribe("n").and(hub.subscribe("m"))
    }
    let hub = Hub::builder()
        .topic("fleeting", TopicOptions::transient().max_events(5_000))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
            .route("/both", web::get().to(both))
            .route(
                "/fleeting",
                web::get().to(async |hub: web::Data<Hub>| hub.subscribe("fleeting")),
            )
            .route(
                "/even",
                web::get()
                    .to(async |hub: web::Data<Hub>| hub.subscribe("n").filter(|n: &u64| n.is_multiple_of(2))),
            );
    });
    let before = count(&hub, "n", 1..=10).await;
    let mut readers = Vec::new();
    for path in ["/", "/both", "/even", "/fleeting"] {
        for _ in 0..10 {
            readers.push((path, Reader::new(serving.addr(), path).await));
        }
    }
    // One that has not got through what it had missed.
    readers.push((
        "/back",
        Reader::back(serving.addr(), "/", sibling(&before[0], 0)).await,
    ));
    // Its windows hold everything. One that has to make room first is waited for as long as it does so in time.
    let mut settings = client::Builder::new();
    settings.data_frame_budget(usize::MAX);
    settings
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20);
    let mut client = Http2::with(serving.addr(), &settings).await;
    let mut over_http2 = client.get("/").await;

    // Much more than a chunk, and than a worker's look takes in.
    for n in 11..=4_000_u64 {
        for topic in ["n", "fleeting"] {
            hub.topic(topic).publish(&n).await.unwrap();
        }
        if n > 3_900 {
            hub.topic("m").publish(&n).await.unwrap();
        }
    }
    serving.shutdown().fire();
    let all: Vec<u64> = (11..=4_000).collect();
    // All read at the same time: a client that takes nothing for half a second is not waited for.
    let readers = readers
        .into_iter()
        .map(async |(path, mut reader)| (path, reader.rest().await));
    let (bodies, body) = join(join_all(readers), over_http2.body()).await;
    for (path, body) in bodies {
        let mut received = numbers(&body);
        match path {
            "/back" => assert_eq!(received, (1..=4_000).collect::<Vec<_>>()),
            "/both" => {
                received.sort_unstable();
                let mut expected = [&all[..], &(3_901..=4_000).collect::<Vec<_>>()].concat();
                expected.sort_unstable();
                assert_eq!(received, expected);
            }
            "/even" => {
                let even: Vec<_> = all.iter().copied().filter(|n| n % 2 == 0).collect();
                assert_eq!(received, even);
            }
            _ => assert_eq!(received, all, "{path}"),
        }
    }
    let body = without_positions(&body);
    assert_eq!(numbers(body.strip_prefix("retry: 3000\n").unwrap()), all);
}

/// Its worker has not even heard of the last events when the stream ends.
#[actix_web::test]
async fn what_the_worker_has_not_looked_at_yet_is_delivered_too() {
    for filtered in [false, true] {
        let (hub, shutdown) = (Hub::new().unwrap(), Shutdown::new());
        let request = TestRequest::get().app_data(shutdown.clone()).to_http_request();
        let mut subscription = hub.subscribe("n");
        if filtered {
            subscription = subscription.filter(|_: &u64| true);
        }
        let mut body = pin!(subscription.respond_to(&request).into_body());
        let mut next = async || poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        let opening = next().await.unwrap().unwrap();
        assert_eq!(
            without_positions(str::from_utf8(&opening).unwrap()),
            "retry: 3000\n"
        );
        // It waits, and so does its worker.
        for _ in 0..10 {
            assert!(next().now_or_never().is_none());
            tokio::task::yield_now().await;
        }

        count(&hub, "n", 1..=3_000).await;
        shutdown.fire();
        let mut received = String::new();
        while let Some(chunk) = next().await {
            received += str::from_utf8(&chunk.unwrap()).unwrap();
        }
        assert_eq!(
            numbers(&received),
            (1..=3_000).collect::<Vec<_>>(),
            "filtered: {filtered}"
        );
    }
}

/// Eight megabytes, which a client takes for seconds after the shutdown: as long as it takes them, it gets them.
#[tokio::test]
async fn who_reads_slowly_gets_what_was_published_before() {
    const EVENTS: usize = 400;
    let large = "x".repeat(20_000);
    let options = TopicOptions::log().max_bytes(16 * 1024 * 1024);
    let hub = Hub::builder().topics(options).build().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")));
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut over_http1 = Wire::over(socket.connect(serving.addr()).await.unwrap());
    over_http1.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    over_http1.head().await;
    let settings = &mut client::Builder::new();
    let settings = settings
        .initial_window_size(65_535)
        .initial_connection_window_size(65_535);
    let mut client = Http2::with(serving.addr(), settings).await;
    let mut over_http2 = client.get("/").await;
    until("two readers", async || hub.stats().streams == 2).await;
    for _ in 0..EVENTS {
        hub.raw("n").publish(Event::data(large.as_str())).await.unwrap();
    }
    serving.shutdown().fire();

    let slow = async {
        let mut body = Vec::new();
        while let Some(chunk) = over_http1.chunk().await {
            body.extend_from_slice(&chunk);
            sleep(Duration::from_millis(chunk.len() as u64 / 4_000)).await;
        }
        body
    };
    let slow_too = async {
        let mut body = Vec::new();
        while let Some(frame) = over_http2.frame().await {
            body.extend_from_slice(&frame);
            sleep(Duration::from_millis(frame.len() as u64 / 4_000)).await;
        }
        body
    };
    let (one, other) = join(slow, slow_too).await;
    for body in [one, other] {
        let body = without_positions(&String::from_utf8(body).unwrap());
        let event = format!("data: {large}\n\n");
        assert_eq!(body.matches(&event).count(), EVENTS);
        assert!(body.lines().last().unwrap().starts_with("retry: "));
    }
}
