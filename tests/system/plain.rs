//! Streams for clients other than `EventSource`: what is in them, and how they end.

mod end;
mod late;
mod limits;

use std::net::SocketAddr;

use actix_web::{
    Error, HttpRequest,
    error::ErrorBadGateway,
    http::header,
    web::{self, ServiceConfig},
};
use futures_util::{Stream, StreamExt as _, stream};
use sse_actix::{Event, EventId, EventName, KeepAlive, LastEventId, Sse, sse_stream};
use sse_tests::{http2::Http2, serve::serve, wire::Wire};

type Item = Result<Event, Error>;

/// Two events.
fn answer() -> impl Stream<Item = Item> {
    stream::iter([Ok(Event::data("one").id(1)), Ok(Event::data("two").event("x"))])
}

/// They, and a failure.
fn failing() -> impl Stream<Item = Item> {
    answer().chain(stream::iter([Err(ErrorBadGateway("the model is gone"))]))
}

fn error_event(error: &Error) -> Event {
    Event::data(error.to_string()).event(EventName::not_for_browsers("error").unwrap())
}

const ANSWER: &str = "id: 1\ndata: one\n\nevent: x\ndata: two\n\n";
const ERROR: &str = "event: error\ndata: the model is gone\n\n";

fn routes(app: &mut ServiceConfig) {
    app.route("/", web::route().to(async || Sse::new(answer()).finite()))
        .route("/plain", web::route().to(async || Sse::new(answer()).plain(true)))
        .route(
            "/browsers",
            web::route().to(async || Sse::new(answer()).finite().plain(false)),
        )
        .route(
            "/retry",
            web::route().to(async || Sse::new(answer()).retry(std::time::Duration::from_secs(7))),
        )
        .route(
            "/no-retry",
            web::route().to(async || Sse::new(answer()).no_retry()),
        )
        .route(
            "/failing",
            web::route().to(async || Sse::new(failing()).on_error(error_event)),
        )
        .route(
            "/other-names",
            web::route().to(async || {
                let error = Event::data("x").event(EventName::not_for_browsers("error").unwrap());
                let id = Event::data("y").id(EventId::not_for_browsers("a b ").unwrap());
                Sse::new(stream::iter([error, id]))
            }),
        )
        .route("/last", web::route().to(last))
        .route("/last-plain", web::route().to(last_plain))
        .route("/finite", web::route().to(finite));
}

/// A reconnect after its end does not run it.
#[sse_stream(finite, plain = false)]
async fn finite(request: HttpRequest) {
    let last = request.headers().get("last-event-id");
    assert!(last.is_none(), "run again after its end");
    emit!("one");
}

#[sse_stream]
async fn last(last: LastEventId) -> Result<(), Error> {
    emit!(format!("after {:?}", last.as_str()));
    Ok(())
}

#[sse_stream(plain)]
async fn last_plain(_: HttpRequest, last: Option<LastEventId>) {
    emit!(format!("after {:?}", last.as_ref().and_then(LastEventId::as_str)));
}

async fn ask(addr: SocketAddr, request: &str) -> (String, String) {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!("{request}\r\nHost: test\r\n\r\n")).await;
    let head = wire.head().await;
    let status = head.status_line().to_owned();
    let body = if head.values("transfer-encoding").is_empty() {
        String::new()
    } else {
        wire.body().await
    };
    (status, body)
}

#[tokio::test]
async fn it_holds_what_its_author_sends_and_nothing_else() {
    let serving = serve(routes);
    let ends = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n";
    for (request, expected) in [
        ("POST / HTTP/1.1", ANSWER.to_owned()),
        ("PUT / HTTP/1.1", ANSWER.to_owned()),
        ("GET / HTTP/1.1", format!("retry: 3000\n{ANSWER}{ends}")),
        ("GET /plain HTTP/1.1", ANSWER.to_owned()),
        ("POST /browsers HTTP/1.1", format!("retry: 3000\n{ANSWER}{ends}")),
        ("POST /retry HTTP/1.1", format!("retry: 7000\n{ANSWER}")),
        ("POST /no-retry HTTP/1.1", ANSWER.to_owned()),
        // Firefox fires `onopen` with the first byte.
        ("GET /no-retry HTTP/1.1", format!(":\n{ANSWER}")),
        (
            "POST /other-names HTTP/1.1",
            "event: error\ndata: x\n\nid: a b \ndata: y\n\n".to_owned(),
        ),
    ] {
        let (status, body) = ask(serving.addr(), request).await;
        assert_eq!((&*status, &*body), ("HTTP/1.1 200 OK", &*expected), "{request}");
    }
    let mut client = Http2::connect(serving.addr()).await;
    let mut answer = client.get("/plain").await;
    assert_eq!(answer.body().await, ANSWER);
}

#[tokio::test]
async fn the_reserved_id_ends_nothing() {
    let serving = serve(routes);
    for (request, status, expected) in [
        ("POST / HTTP/1.1", "HTTP/1.1 200 OK", ANSWER),
        ("GET /plain HTTP/1.1", "HTTP/1.1 200 OK", ANSWER),
        (
            "POST /last HTTP/1.1",
            "HTTP/1.1 200 OK",
            "data: after Some(\"sse-end\")\n\n",
        ),
        (
            "GET /last-plain HTTP/1.1",
            "HTTP/1.1 200 OK",
            "data: after Some(\"sse-end\")\n\n",
        ),
        ("GET / HTTP/1.1", "HTTP/1.1 204 No Content", ""),
        ("GET /last HTTP/1.1", "HTTP/1.1 204 No Content", ""),
        ("POST /browsers HTTP/1.1", "HTTP/1.1 204 No Content", ""),
        ("POST /finite HTTP/1.1", "HTTP/1.1 204 No Content", ""),
    ] {
        let (seen, body) = ask(serving.addr(), &format!("{request}\r\nLast-Event-ID: sse-end")).await;
        assert_eq!((&*seen, &*body), (status, expected), "{request}");
    }
}

#[tokio::test]
async fn head_is_answered_as_get_would_be() {
    let serving = serve(routes);
    let mut wire = Wire::connect(serving.addr()).await;
    for path in ["/", "/plain"] {
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(head.values("content-type"), ["text/event-stream"]);
    }
}

#[tokio::test]
async fn keep_alives_stay_and_have_no_empty_line() {
    let serving = serve(|app| {
        let silent = async || {
            let every = KeepAlive::comment(std::time::Duration::from_millis(100));
            Sse::new(stream::pending::<Event>()).keep_alive(every)
        };
        app.route("/", web::post().to(silent));
    });
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("POST / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = wire.head().await;
    assert_eq!(head.values("sse-keep-alive"), ["100"]);
    assert_eq!(head.values(header::CONTENT_TYPE.as_str()), ["text/event-stream"]);
    for _ in 0..2 {
        assert_eq!(wire.chunk().await.unwrap(), ":\n");
    }
}

#[tokio::test]
async fn what_is_not_for_browsers_is_refused_to_them() {
    let serving = serve(|app| {
        routes(app);
        app.route(
            "/later",
            web::get().to(async || {
                let name = EventName::not_for_browsers("error").unwrap();
                Sse::new(stream::iter([Event::data("one"), Event::data("two").event(name)]))
            }),
        )
        .route("/prologue", web::route().to(prologue))
        .route(
            "/default",
            web::route().to(async || Sse::new(answer()).event(EventName::not_for_browsers("open").unwrap())),
        );
    });
    let (_, body) = ask(serving.addr(), "GET /later HTTP/1.1").await;
    let failed = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n";
    assert_eq!(body, format!("retry: 3000\ndata: one\n\n{failed}"));
    for path in ["/prologue", "/default"] {
        let (status, _) = ask(serving.addr(), &format!("GET {path} HTTP/1.1")).await;
        assert_eq!(status, "HTTP/1.1 500 Internal Server Error", "{path}");
        let (status, _) = ask(serving.addr(), &format!("POST {path} HTTP/1.1")).await;
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
    }
}

#[sse_stream]
async fn prologue() -> Result<(), Error> {
    let error = EventName::not_for_browsers("error")?;
    emit!(Event::data("x").event(error));
    Ok(())
}
