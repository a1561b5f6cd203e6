//! `Shutdown` and `StreamControl` in the program's own hands.

use std::{thread, time::Duration};

use actix_web::{App, HttpServer, web};
use futures_util::stream;
use sse_actix::{Ending, Event, KeepAlive, Shutdown, Sse, StreamControl};
use sse_tests::{guard::Guards, http2::Http2, serve::serve, wire::Wire};
use tokio::sync::oneshot;

use super::{assert_jitter, retry};

const OPENED: &str = "retry: 3000\n";

fn silence() -> Sse<stream::Pending<Event>> {
    Sse::new(stream::pending()).keep_alive(KeepAlive::OFF)
}

#[tokio::test]
async fn fired_every_stream_ends_and_what_it_holds_is_dropped() {
    let (guards, mut drops) = Guards::new();
    let held = guards.clone();
    let serving = serve(move |app| {
        let held = held.clone();
        let handler = move || {
            let events = held.held_by(stream::pending::<Event>());
            async { Sse::new(events).keep_alive(KeepAlive::OFF) }
        };
        app.route("/", web::get().to(handler));
    });
    let mut client = Http2::connect(serving.addr()).await;
    let (mut wires, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut wire = Wire::get(serving.addr(), "/").await;
        wire.head().await;
        assert_eq!(wire.chunk().await.unwrap(), OPENED);
        wires.push(wire);
        let mut answer = client.get("/").await;
        assert_eq!(answer.frame().await.unwrap(), OPENED);
        answers.push(answer);
    }
    assert_eq!(
        (serving.shutdown().open_streams(), serving.shutdown().is_fired()),
        (40, false)
    );

    serving.shutdown().fire();
    let mut retries = Vec::new();
    for (wire, answer) in wires.iter_mut().zip(&mut answers) {
        retries.push(retry(&wire.body().await));
        retries.push(retry(&answer.body().await));
        drops.next().await;
        drops.next().await;
    }
    assert_jitter(retries);
    assert_eq!((guards.held(), serving.shutdown().open_streams()), (0, 0));

    // One that is opened now, over a connection from before, is answered the same way at once.
    let mut late = client.get("/").await;
    assert_eq!(
        (late.status().as_u16(), late.headers()[2].as_str()),
        (200, "content-length: 12")
    );
    assert_jitter(vec![retry(&late.body().await)]);
    drop(drops);
}

/// A plain actix server with its `Shutdown` among the application's data.
#[tokio::test]
async fn fired_without_our_server() {
    let shutdown = Shutdown::with_retry(Duration::from_millis(1_500)..=Duration::from_millis(1_500));
    let data = shutdown.clone();
    let (sender, started) = oneshot::channel();
    let thread = thread::spawn(move || {
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route("/", web::get().to(async || silence()))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let addr = server.addrs()[0];
        let server = server.run();
        sender.send((addr, server.handle())).unwrap();
        actix_web::rt::System::new().block_on(server).unwrap();
    });
    let (addr, server) = started.await.unwrap();
    let mut wire = Wire::get(addr, "/").await;
    wire.head().await;
    assert_eq!(wire.chunk().await.unwrap(), OPENED);
    shutdown.fire();
    assert_eq!(wire.body().await, "retry: 1500\n");

    // This server goes on, and so does the connection, once.
    wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(
        head.headers(),
        [
            "cache-control: no-store, no-transform",
            "connection: close",
            "content-encoding: identity",
            "content-length: 12",
            "content-type: text/event-stream",
            "x-accel-buffering: no",
        ]
    );
    let (body, ended) = wire.rest().await;
    assert_eq!(body, "retry: 1500\n");
    ended.unwrap();

    server.stop(false).await;
    thread.join().unwrap();
}

#[tokio::test]
async fn a_stream_or_all_with_a_tag_can_be_ended() {
    let (sender, controls) = std::sync::mpsc::channel();
    let serving = serve(move |app| {
        let sender = sender.clone();
        let handler = move |user: web::Path<String>, control: StreamControl| {
            control.tag(format!("user:{user}"));
            sender.send(control).unwrap();
            async { silence() }
        };
        app.route("/{user}", web::get().to(handler));
    });
    let mut client = Http2::connect(serving.addr()).await;
    let (mut wires, mut answers) = (Vec::new(), Vec::new());
    for path in ["/ann", "/bob", "/bob", "/cid"] {
        let mut wire = Wire::get(serving.addr(), path).await;
        wire.head().await;
        assert_eq!(wire.chunk().await.unwrap(), OPENED);
        wires.push(wire);
        let mut answer = client.get(path).await;
        assert_eq!(answer.frame().await.unwrap(), OPENED);
        answers.push(answer);
    }
    let shutdown = serving.shutdown();
    let end = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n";
    let [ann, bob, bob_too, cid] = &mut wires[..] else {
        panic!()
    };
    let [ann_2, bob_2, bob_too_2, cid_2] = &mut answers[..] else {
        panic!()
    };

    assert_eq!(shutdown.end_tagged("user:ann", Ending::Final), 2);
    assert_eq!(ann.body().await, end);
    assert_eq!(ann_2.body().await, end);
    assert_eq!(shutdown.end_tagged("user:bob", Ending::Reconnect), 4);
    let ends = [
        bob.body().await,
        bob_too.body().await,
        bob_2.body().await,
        bob_too_2.body().await,
    ];
    assert_jitter(ends.iter().map(|end| retry(end)).collect());
    assert_eq!(
        shutdown.end_tagged("user:bob", Ending::Final),
        0,
        "they have ended"
    );
    assert_eq!(shutdown.end_tagged("user:b", Ending::Final), 0);
    assert_eq!((shutdown.open_streams(), shutdown.is_fired()), (2, false));

    // The last two one by one. What is final stays final.
    let controls: Vec<_> = controls.try_iter().collect();
    let [.., control, control_2] = &controls[..] else {
        panic!()
    };
    control.end(Ending::Reconnect);
    retry(&cid.body().await);
    control_2.end(Ending::Final);
    control_2.end(Ending::Reconnect);
    assert_eq!(cid_2.body().await, end);

    // A tag concerns open streams alone.
    let mut later = client.get("/ann").await;
    assert_eq!(later.frame().await.unwrap(), OPENED);
}

#[tokio::test]
async fn what_was_given_is_delivered_first() {
    let serving = serve(|app| {
        let handler = |control: StreamControl| {
            // Ended before it is asked for the first time.
            control.end(Ending::Final);
            async { Sse::new(stream::iter(["one", "two"])) }
        };
        app.route("/", web::get().to(handler));
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    let body = wire.body().await;
    assert!(
        body.starts_with("retry: 3000\ndata: one\n\ndata: two\n\n"),
        "{body}"
    );
}
