//! What a plain stream ends with: its end, or an abort that no client takes for it.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use actix_web::{
    Error,
    error::ErrorBadGateway,
    web::{self, Data},
};
use futures_util::{StreamExt as _, stream};
use http::Method;
use sse_actix::{
    Ending, Event, Hub, Server, Shutdown, Sse, StreamControl, TopicOptions, stream_counts, test::Serving,
};
use sse_tests::{
    http2::{Answer, Http2},
    patience::until,
    serve::serve,
    wire::Wire,
};
use tokio::sync::Notify;

use super::{ANSWER, ERROR, answer, error_event, routes};
use crate::hub::{count, serve_hub};

async fn post(addr: SocketAddr, path: &str) -> Wire {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
        .await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    wire
}

/// What is left of a chunked body, which has to be cut.
async fn cut(wire: &mut Wire) -> String {
    let (rest, _) = wire.rest().await;
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert!(!rest.ends_with("0\r\n\r\n"), "{rest:?} is no end");
    let mut chunks = &*rest;
    let mut body = String::new();
    while let Some((size, after)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, after) = after.split_at(size);
        body += chunk;
        chunks = after.strip_prefix("\r\n").unwrap();
    }
    body
}

#[tokio::test]
async fn a_failure_is_told_and_then_the_stream_is_cut() {
    let serving = serve(routes);
    let mut wire = post(serving.addr(), "/failing").await;
    assert_eq!(cut(&mut wire).await, format!("{ANSWER}{ERROR}"));

    let mut client = Http2::connect(serving.addr()).await;
    let (answer, _) = client.request(Method::POST, "/failing", true).await;
    let mut answer = Answer::to(answer).await;
    let (mut body, mut error) = (String::new(), None);
    while error.is_none() {
        match answer.try_frame().await {
            Ok(frame) => body += str::from_utf8(&frame.expect("no clean end")).unwrap(),
            Err(reset) => error = Some(reset),
        }
    }
    assert_eq!(body, format!("{ANSWER}{ERROR}"));
    // Node.js takes any other code for a clean end.
    assert_eq!(error.unwrap().reason(), Some(h2::Reason::INTERNAL_ERROR));

    // Where the end of the connection is that of the stream, the connection is reset.
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("POST /failing HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
        .await;
    wire.head().await;
    let (body, ended) = wire.rest().await;
    assert_eq!(body, format!("{ANSWER}{ERROR}"));
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let counts = stream_counts();
    assert_eq!((counts.opened, counts.failed), (3, 3));
}

/// A stream that gives one event and waits.
fn waiting() -> Sse<impl futures_util::Stream<Item = Event>> {
    Sse::new(stream::iter([Event::data("one")]).chain(stream::pending()))
}

#[tokio::test]
async fn whatever_else_ends_it_cuts_it() {
    let serving = serve(|app| {
        let tagged = async |control: StreamControl| {
            control.tag("ann");
            waiting()
        };
        app.route("/", web::post().to(tagged));
    });
    for ending in [Ending::Final, Ending::Reconnect] {
        let mut wire = post(serving.addr(), "/").await;
        assert_eq!(wire.chunk().await.unwrap(), "data: one\n\n");
        assert_eq!(serving.shutdown().end_tagged("ann", ending), 1);
        assert_eq!(cut(&mut wire).await, "");
    }
    assert_eq!(stream_counts().aborted, 2);
}

#[tokio::test]
async fn a_hub_cuts_it_where_a_browser_would_come_back() {
    let hub = Hub::builder()
        .topic("short", TopicOptions::log().max_events(2).gap_event("lost"))
        .topic("nameless", TopicOptions::log().max_events(2))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/tagged",
            web::post().to(async |hub: Data<Hub>| hub.subscribe("n").tag("ann")),
        )
        .route(
            "/expired",
            web::post().to(async |hub: Data<Hub>| {
                hub.subscribe("n")
                    .valid_until(SystemTime::now() + Duration::from_millis(300))
            }),
        )
        .route(
            "/aged",
            web::post().to(async |hub: Data<Hub>| hub.subscribe("n").max_age(Duration::from_millis(300))),
        )
        .route(
            "/short",
            web::post().to(async |hub: Data<Hub>| hub.subscribe("short")),
        )
        .route(
            "/nameless",
            web::post().to(async |hub: Data<Hub>| hub.subscribe("nameless")),
        );
    });
    let mut revoked = post(serving.addr(), "/tagged").await;
    let ids = count(&hub, "n", 1..=1).await;
    // An id, and no position before it.
    assert_eq!(
        revoked.chunk().await.unwrap(),
        format!("id: {}\ndata: 1\n\n", ids[0])
    );
    assert_eq!(hub.revoke("ann"), 1);
    assert_eq!(cut(&mut revoked).await, "");
    for path in ["/expired", "/aged"] {
        let mut wire = post(serving.addr(), path).await;
        assert_eq!(cut(&mut wire).await, "", "{path}");
    }
    for (path, topic, told) in [
        ("/short", "short", "event: lost\ndata: {\"missed\":2}\n\n"),
        ("/nameless", "nameless", ""),
    ] {
        let ids = count(&hub, topic, 1..=5).await;
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nLast-Event-ID: {}\r\n\r\n",
            ids[0]
        ))
        .await;
        wire.head().await;
        assert_eq!(cut(&mut wire).await, told, "{path}");
    }
    assert_eq!(stream_counts().aborted, 5);
}

#[tokio::test]
async fn what_it_was_given_before_is_delivered_first_in_a_generator_too() {
    use sse_actix::sse_stream;

    #[sse_stream]
    async fn fails() -> Result<(), Error> {
        emit!("half");
        tokio::task::yield_now().await;
        emit!("more");
        Err(ErrorBadGateway("gone"))
    }
    let serving = serve(|app| _ = app.route("/", web::post().to(fails)));
    let mut wire = post(serving.addr(), "/").await;
    assert_eq!(cut(&mut wire).await, "data: half\n\ndata: more\n\n");
}

#[tokio::test]
async fn a_shutdown_lets_it_finish() {
    let (go_on, asked) = (Data::new(Notify::new()), Data::new(Notify::new()));
    let (rest, told) = (go_on.clone(), asked.clone());
    let serving = serve(move |app| {
        let (rest, told) = (rest.clone(), told.clone());
        let finishing = async |rest: Data<Notify>| {
            let last = stream::once(async move {
                rest.notified().await;
                Event::data("last")
            });
            Sse::new(stream::iter([Event::data("one")]).chain(last))
        };
        let opening_late = async |told: Data<(Notify, Notify)>| {
            told.0.notify_one();
            told.1.notified().await;
            Sse::new(stream::iter([Event::data("late")]))
        };
        let _ = told;
        app.app_data(rest)
            .app_data(Data::new((Notify::new(), Notify::new())))
            .route("/", web::route().to(finishing))
            .route("/late", web::route().to(opening_late));
    });
    drop(asked);
    let mut kept = post(serving.addr(), "/").await;
    assert_eq!(kept.chunk().await.unwrap(), "data: one\n\n");
    let mut browser = Wire::get(serving.addr(), "/").await;
    browser.head().await;
    assert_eq!(browser.chunk().await.unwrap(), "retry: 3000\ndata: one\n\n");

    serving.shutdown().fire();
    assert!(browser.body().await.starts_with("retry: "));
    go_on.notify_one();
    assert_eq!(kept.chunk().await.unwrap(), "data: last\n\n");
    assert_eq!(kept.chunk().await, None);
}

#[tokio::test]
async fn a_shutdown_cuts_it_when_its_time_is_over() {
    let app = || actix_web::App::new().route("/", web::post().to(async || waiting()));
    let serving = Serving::with(app, |server: Server<_>| {
        server.shutdown_timeout(Duration::from_millis(700))
    });
    let mut wire = post(serving.addr(), "/").await;
    let mut old = Wire::connect(serving.addr()).await;
    old.send("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n").await;
    old.head().await;
    assert_eq!(wire.chunk().await.unwrap(), "data: one\n\n");
    serving.shutdown().fire();
    assert_eq!(cut(&mut wire).await, "");
    let (body, ended) = old.rest().await;
    assert_eq!(body, "data: one\n\n");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_plain_subscription_is_cut_at_once_by_a_shutdown() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route("/", web::post().to(async |hub: Data<Hub>| hub.subscribe("n")));
    });
    let mut wire = post(serving.addr(), "/").await;
    until("a reader", async || hub.stats().streams == 1).await;
    count(&hub, "n", 1..=2).await;
    serving.shutdown().fire();
    let body = cut(&mut wire).await;
    assert!(body.ends_with("data: 2\n\n"), "{body:?}");
}

#[tokio::test]
async fn on_another_server_it_is_cut_after_what_the_socket_takes() {
    let server = actix_web::HttpServer::new(|| {
        actix_web::App::new()
            .app_data(Shutdown::new())
            .route(
                "/",
                web::post().to(async || Sse::new(super::failing()).on_error(error_event)),
            )
            .route("/whole", web::post().to(async || Sse::new(answer())))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let addr = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let running = tokio::task::LocalSet::new();
    running
        .run_until(async move {
            let server = tokio::task::spawn_local(server);
            let mut wire = post(addr, "/").await;
            assert_eq!(cut(&mut wire).await, format!("{ANSWER}{ERROR}"));
            let mut wire = post(addr, "/whole").await;
            assert_eq!(wire.body().await, ANSWER);
            handle.stop(false).await;
            server.await.unwrap().unwrap();
        })
        .await;
}
