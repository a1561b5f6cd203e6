//! From a connection's hand-over to its end.

use std::{fs, future::ready, time::Duration};

use actix_web::{
    App, HttpResponse,
    dev::{Service as _, ServiceResponse},
    middleware::{Compress, Logger},
    web,
};
use sse_actix::{Event, Hub, Server, sse_stream, test::Serving};
use sse_tests::{
    certified::{certified, connect_for},
    http2::Http2,
    patience::{until, within},
    wire::Wire,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::super::{Reader, count, data, event};
use crate::log::Log;

#[sse_stream]
async fn emitting() {
    emit!("first");
    std::future::pending::<()>().await;
}

/// `/` is a hub's stream, for any method; `/emit` is none.
macro_rules! app {
    ($hub:expr) => {{
        let hub = web::Data::new($hub.clone());
        move || {
            App::new()
                .app_data(hub.clone())
                .route(
                    "/",
                    web::route().to(async |hub: web::Data<Hub>| hub.subscribe("n")),
                )
                .route("/emit", web::get().to(emitting))
        }
    }};
}

/// What usual applications have around them.
#[tokio::test]
async fn with_the_usual_middleware_it_is_handed_over() {
    let hub = Hub::new().unwrap();
    let shared = web::Data::new(hub.clone());
    let serving = Serving::start(move || {
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
            .wrap(Compress::default())
            .wrap(Logger::default())
    });
    let mut reader = Reader::with(serving.addr(), "/", b"Accept-Encoding: gzip\r\n").await;
    until("a hand-over", async || hub.stats().handed_over == 1).await;
    let ids = count(&hub, "n", 1..=2).await;
    assert_eq!(reader.take(2).await, [event(&ids[0], 1), event(&ids[1], 2)]);
}

/// Middleware that makes a new response, and one that says how long the body is: nothing is handed over, and the log says so.
#[tokio::test]
async fn what_keeps_a_stream_from_it_is_logged() {
    let log = Log::start_everywhere();
    let hub = Hub::new().unwrap();
    let shared = web::Data::new(hub.clone());
    let serving = Serving::start(move || {
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
            .wrap_fn(|request, service| {
                let call = service.call(request);
                async move {
                    let (request, response) = call.await?.into_parts();
                    let fresh = HttpResponse::Ok()
                        .content_type("text/event-stream")
                        .body(response.into_body());
                    Ok(ServiceResponse::new(request, fresh))
                }
            })
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    until("a reader", async || hub.stats().streams == 1).await;
    let lines = log.take();
    let about = lines
        .iter()
        .filter(|(_, fields)| fields.get("message").contains("stays in actix's dispatcher"));
    assert_eq!(about.count(), 1, "{lines:?}");
    assert_eq!(hub.stats().handed_over, 0);
}

/// What a whole server does not hand over is said once, when it starts.
#[tokio::test]
async fn a_server_that_hands_nothing_over_says_so() {
    let log = Log::start_everywhere();
    let hub = Hub::new().unwrap();
    let said = |log: &Log| {
        let lines = log.take().into_iter();
        lines
            .filter(|(_, fields)| fields.get("message").contains("not handed over"))
            .map(|(_, fields)| fields.get("because").to_owned())
            .collect::<Vec<_>>()
    };
    drop(Serving::with(app!(hub), |server: Server<_>| server));
    assert!(said(&log).is_empty());
    drop(Serving::with(app!(hub), |server: Server<_>| {
        server.on_connect(|_, _| {})
    }));
    assert_eq!(said(&log), ["there is an `on_connect` hook"]);
    drop(Serving::with(app!(hub), |server: Server<_>| {
        server.direct_fan_out(false)
    }));
    assert_eq!(said(&log), ["`direct_fan_out(false)`"]);
}

#[tokio::test]
async fn it_is_counted_who_was_handed_over() {
    let hub = Hub::new().unwrap();
    let serving = Serving::with(app!(hub), |server: Server<_>| {
        server.bind_auto_h2c(("127.0.0.1", 0)).unwrap()
    });
    let hooked = Serving::with(app!(hub), |server: Server<_>| server.on_connect(|_, _| {}));
    let usual = Serving::with(app!(hub), |server: Server<_>| server.direct_fan_out(false));
    let counts = async |streams, handed_over| {
        until("figures", async || {
            let stats = hub.stats();
            (stats.streams, stats.handed_over) == (streams, handed_over)
        })
        .await;
    };

    let first = Reader::new(serving.addr(), "/").await;
    counts(1, 1).await;
    let mut others = Vec::new();
    for (addr, request) in [
        (serving.addr(), "POST / HTTP/1.1\r\nContent-Length: 0"),
        (serving.addr(), "GET / HTTP/1.0"),
        (serving.addr(), "GET / HTTP/1.1\r\nContent-Length: 1"),
        (serving.addr(), "GET /emit HTTP/1.1"),
        (hooked.addr(), "GET / HTTP/1.1"),
        (usual.addr(), "GET / HTTP/1.1"),
    ] {
        let mut wire = Wire::connect(addr).await;
        wire.send(format!("{request}\r\nHost: test\r\n\r\n")).await;
        assert_eq!(
            wire.head().await.status_line().split(' ').nth(1),
            Some("200"),
            "{request}"
        );
        others.push(wire);
    }
    let mut http2 = Http2::connect(serving.addr()).await;
    let answer = http2.get("/").await;
    counts(7, 1).await;
    drop(first);
    counts(6, 0).await;
    for serving in [&serving, &hooked, &usual] {
        serving.shutdown().fire();
    }
    counts(0, 0).await;
    drop((others, answer));
}

#[tokio::test]
async fn over_tls_it_is_the_same_and_ends_with_close_notify() {
    let hub = Hub::new().unwrap();
    let (config, certificate) = certified(["localhost"]);
    let serving = Serving::with(app!(hub), |server: Server<_>| {
        server.bind_rustls_0_23(("127.0.0.1", 0), config).unwrap()
    });
    let socket = TcpStream::connect(serving.addr()).await.unwrap();
    let mut socket = connect_for(b"http/1.1", socket, certificate).await;
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    until("a hand-over", async || hub.stats().handed_over == 1).await;
    let mut expected = String::new();
    for number in 1..=3 {
        let ids = count(&hub, "n", number..=number).await;
        expected += &event(&ids[0], number);
    }
    let large = "x".repeat(1_000_000);
    let id = hub.raw("n").publish(Event::data(large.clone())).await.unwrap();
    serving.shutdown().fire();
    let mut received = String::new();
    // Without `close_notify` this is an error.
    within("everything", socket.read_to_string(&mut received))
        .await
        .unwrap();
    let (_, chunks) = received.split_once("\r\n\r\n").unwrap();
    let mut body = String::new();
    let mut rest = chunks;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let (chunk, after) = after.split_at(usize::from_str_radix(size, 16).unwrap());
        body += chunk;
        rest = after.strip_prefix("\r\n").unwrap();
    }
    let body = super::super::without_positions(&body);
    let events = body.strip_prefix("retry: 3000\n").unwrap();
    let events = events.strip_prefix(&expected).unwrap();
    let rest = events.strip_prefix(&event(&id, large)).unwrap();
    assert!(rest.starts_with("retry: "), "{rest}");
}

/// Some in the middle of the head, some before the hand-over, some after it.
#[tokio::test]
async fn nothing_is_left_of_many_that_were_cut() {
    const STREAMS: usize = 2_000;

    let hub = Hub::new().unwrap();
    let serving = Serving::start(app!(hub));
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    // All that a server opens with its first connection is there.
    drop(Reader::new(serving.addr(), "/").await);
    until("its end", async || hub.stats().streams == 0).await;
    let before = descriptors();
    for number in 0..STREAMS {
        let mut socket = TcpStream::connect(serving.addr()).await.unwrap();
        socket
            .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            .await
            .unwrap();
        let mut some = vec![0; [0, 1, 100, 4096][number % 4]];
        if !some.is_empty() {
            assert!(within("bytes", socket.read(&mut some)).await.unwrap() > 0);
        }
        if number % 3 == 0 {
            count(&hub, "n", 1..=1).await;
        }
        if number % 5 == 0 {
            socket.set_zero_linger().unwrap();
        }
    }
    until("the end of all", async || {
        let stats = hub.stats();
        (stats.streams, stats.handed_over) == (0, 0) && descriptors() <= before + 2
    })
    .await;
    // It still serves.
    let mut reader = Reader::new(serving.addr(), "/").await;
    count(&hub, "n", 1..=1).await;
    assert_eq!(data(&[reader.next().await]), ["1"]);
}

/// Where a shutdown, a revocation or its age end a stream while its connection is on its way.
#[tokio::test]
async fn an_end_during_the_hand_over_is_an_end() {
    for step in 0..60 {
        let delay = Duration::from_micros(step * 33);
        let hub = Hub::new().unwrap();
        let shared = web::Data::new(hub.clone());
        let serving = Serving::start(move || {
            let tagged = move |hub: web::Data<Hub>| {
                let tagged = hub.subscribe("n").tag("ann");
                ready(if step % 3 == 0 {
                    tagged.max_age(delay)
                } else {
                    tagged
                })
            };
            App::new()
                .app_data(shared.clone())
                .route("/", web::get().to(tagged))
        });
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
        let revokes = step % 3 == 1;
        if step % 3 != 0 {
            tokio::time::sleep(delay).await;
        }
        if revokes {
            until("a stream to revoke", async || hub.revoke("ann") == 1).await;
        } else if step % 3 == 2 {
            serving.shutdown().fire();
        }
        let (rest, end) = wire.rest().await;
        end.unwrap();
        let rest = String::from_utf8(rest.to_vec()).unwrap();
        assert!(
            rest.ends_with("\r\n0\r\n\r\n") || rest.contains("content-length"),
            "{rest}"
        );
        assert!(!revokes || rest.contains("event: sse-end"), "{rest}");
    }
}

/// The offer to hand it over stands until it can be flushed.
#[tokio::test]
async fn a_client_that_does_not_take_the_first_bytes_gets_all_of_them_later() {
    const EVENTS: u64 = 2_000;

    let hub = Hub::new().unwrap();
    count(&hub, "n", 1..=EVENTS).await;
    let shared = web::Data::new(hub.clone());
    let app = move || {
        let all = async |hub: web::Data<Hub>| hub.subscribe("n").history(usize::MAX);
        App::new().app_data(shared.clone()).route("/", web::get().to(all))
    };
    let serving = Serving::with(app, |server: Server<_>| server.send_buffer(1));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut socket = socket.connect(serving.addr()).await.unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Something wakes the connection's task, which still cannot write.
    count(&hub, "n", EVENTS + 1..=EVENTS + 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let last = format!("data: {}\n\n\r\n", EVENTS + 1);
    let mut received = Vec::new();
    within("all events", async {
        while !received.ends_with(last.as_bytes()) {
            assert!(socket.read_buf(&mut received).await.unwrap() > 0, "it has ended");
        }
    })
    .await;
    let received = String::from_utf8(received).unwrap();
    let data = received.lines().filter_map(|line| line.strip_prefix("data: "));
    assert!(data.eq((1..=EVENTS + 1).map(|number| number.to_string())));
}
