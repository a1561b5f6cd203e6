//! The head of the answer, and the first bytes after it.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
    web,
};
use futures_util::stream;
use http::Method;
use sse_actix::{Event, Sse};
use sse_tests::{
    http2::{Answer, Http2},
    serve::serve,
    wire::Wire,
};

/// A stream that has nothing to say yet.
fn silence() -> Sse<stream::Pending<Event>> {
    Sse::new(stream::pending())
}

/// The headers of every stream and these, sorted.
fn headers(further: &[&'static str]) -> Vec<&'static str> {
    let mut headers = vec![
        "cache-control: no-store, no-transform",
        "content-encoding: identity",
        "content-type: text/event-stream",
        "sse-keep-alive: 15000",
        "x-accel-buffering: no",
    ];
    headers.extend(further);
    headers.sort_unstable();
    headers
}

#[tokio::test]
async fn on_http_1_1() {
    let serving = serve(|app| _ = app.route("/", web::get().to(async || silence())));
    let mut wire = Wire::get(serving.addr(), "/").await;

    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(head.headers(), headers(&["transfer-encoding: chunked"]));
    // Firefox takes a stream as open only when the first byte of its body is there.
    assert_eq!(wire.exactly(17).await, "C\r\nretry: 3000\n\r\n");
    assert_eq!(wire.arrived(), "");
}

#[tokio::test]
async fn on_http_2() {
    let serving = serve(|app| _ = app.route("/", web::get().to(async || silence())));
    let mut client = Http2::connect(serving.addr()).await;

    let mut answer = client.get("/").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers(), headers(&[]));
    assert_eq!(answer.frame().await.unwrap(), "retry: 3000\n");
}

#[tokio::test]
async fn on_http_1_0_there_is_no_chunking_and_the_connection_ends_with_the_stream() {
    let serving = serve(|app| _ = app.route("/", web::get().to(async || Sse::new(stream::iter(["one"])))));
    for wish in ["", "Connection: keep-alive\r\n"] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!("GET / HTTP/1.0\r\n{wish}\r\n")).await;

        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.0 200 OK");
        assert_eq!(
            head.headers(),
            headers(&[]),
            "closing is what HTTP/1.0 does unless told otherwise"
        );
        let (body, ended) = wire.rest().await;
        assert_eq!(body, "retry: 3000\ndata: one\n\n");
        ended.unwrap();
    }
}

#[tokio::test]
async fn head_is_answered_with_the_head_alone_and_the_connection_goes_on() {
    let serving = serve(|app| {
        app.route("/", web::route().to(async || silence()))
            .route("/next", web::get().to(HttpResponse::Ok));
    });
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\nGET /next HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;

    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(head.headers(), headers(&["transfer-encoding: chunked"]));
    let next = wire.head().await;
    assert_eq!(
        (next.status_line(), next.headers()),
        ("HTTP/1.1 200 OK", vec!["content-length: 0"])
    );

    let mut client = Http2::connect(serving.addr()).await;
    let (answer, _) = client.request(Method::HEAD, "/", true).await;
    let mut answer = Answer::to(answer).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers().join("\n")),
        (200, headers(&[]).join("\n"))
    );
    assert_eq!(answer.frame().await, None);
    assert_eq!(serving.shutdown().open_streams(), 0);
}

#[tokio::test]
async fn further_headers_are_sent_and_replace_nothing_that_makes_a_stream() {
    let serving = serve(|app| {
        let handler = async || {
            let headers = [
                (HeaderName::from_static("x-shard"), "7"),
                (header::SET_COOKIE, "a=1"),
                (header::SET_COOKIE, "b=2"),
                (header::CONTENT_TYPE, "text/plain"),
                (header::CACHE_CONTROL, "max-age=60"),
                (header::CONTENT_ENCODING, "br"),
                (header::CONTENT_LENGTH, "5"),
                (header::CONNECTION, "upgrade"),
                (header::TRANSFER_ENCODING, "gzip"),
            ];
            headers.into_iter().fold(silence(), |sse, (name, value)| {
                sse.header(name, HeaderValue::from_static(value))
            })
        };
        app.route("/", web::get().to(handler));
    });
    let further = ["set-cookie: a=1", "set-cookie: b=2", "x-shard: 7"];

    let mut wire = Wire::get(serving.addr(), "/").await;
    let head = wire.head().await;
    assert_eq!(
        head.headers(),
        headers(&[&further[..], &["transfer-encoding: chunked"]].concat())
    );
    assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\n");

    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.head().await.headers(), headers(&further));

    let mut answer = Http2::connect(serving.addr()).await.get("/").await;
    assert_eq!(answer.headers(), headers(&further));
    // A length would make the client refuse the body.
    assert_eq!(answer.frame().await.unwrap(), "retry: 3000\n");
}
