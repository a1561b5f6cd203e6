//! What a reconnect brings.

use actix_web::web;
use futures_util::stream;
use sse_actix::{Event, KeepAlive, LastEventId, Sse};
use sse_tests::{http2::Http2, serve::serve, wire::Wire};

/// Says which id it was given.
async fn tell(last: LastEventId) -> Sse<impl futures_util::Stream<Item = Event>> {
    let told = match last.as_str() {
        Some(id) => format!("id {id}"),
        None if last.is_unknown() => "unknown".to_owned(),
        None => "none".to_owned(),
    };
    Sse::new(stream::iter([Event::data(told)])).keep_alive(KeepAlive::OFF)
}

#[tokio::test]
async fn any_id_is_heard_and_none_is_an_error() {
    let serving = serve(|app| _ = app.route("/", web::get().to(tell)));
    let long = [&b"Last-Event-ID: "[..], &[b'x'; 5_000], b"\r\n"].concat();
    for (path, headers, told) in [
        ("/", &b""[..], "none"),
        ("/", b"Last-Event-ID: 42\r\n", "id 42"),
        (
            "/",
            "last-event-id: \u{e9}\u{2013}\u{1f600} 7\r\n".as_bytes(),
            "id \u{e9}\u{2013}\u{1f600} 7",
        ),
        ("/", b"Last-Event-ID:\r\n", "none"),
        ("/", b"Last-Event-ID: \xFF\xFE\r\n", "unknown"),
        ("/", &long, "unknown"),
        ("/?lastEventId=4%C3%A9", b"", "id 4\u{e9}"),
        ("/?lastEventId=4", b"Last-Event-ID: 5\r\n", "id 5"),
        ("/?lastEventId=%FF", b"", "unknown"),
    ] {
        let mut wire = Wire::get_with(serving.addr(), path, headers).await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK", "{told}");
        assert_eq!(wire.body().await, format!("retry: 3000\ndata: {told}\n\n"));
    }
}

#[tokio::test]
async fn a_reconnect_after_the_end_is_answered_204() {
    let serving = serve(|app| {
        app.route(
            "/",
            web::get().to(async || Sse::new(stream::iter(["one"])).finite()),
        );
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    let end = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n";
    assert_eq!(wire.body().await, format!("retry: 3000\ndata: one\n\n{end}"));

    for (path, headers) in [
        ("/", &b"Last-Event-ID: sse-end\r\n"[..]),
        ("/?lastEventId=sse-end", b""),
    ] {
        let mut wire = Wire::get_with(serving.addr(), path, headers).await;
        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 204 No Content");
        assert_eq!(head.headers(), ["cache-control: no-store, no-transform"]);
        // Nothing follows: the connection can be used again.
        wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    }
    let mut answer = Http2::connect(serving.addr())
        .await
        .get("/?lastEventId=sse-end")
        .await;
    assert_eq!((answer.status().as_u16(), answer.frame().await), (204, None));
}
