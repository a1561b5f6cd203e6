//! How events become chunks and frames.

use actix_web::web;
use futures_util::stream;
use sse_actix::{Decoded, Decoder, Event, Sse};
use sse_tests::{http2::Http2, serve::serve, wire::Wire};

fn numbered(count: u32, padding: usize) -> impl Iterator<Item = Event> + Clone {
    (0..count).map(move |n| Event::data(format!("{n}{}", "x".repeat(padding))))
}

fn as_text(count: u32, padding: usize) -> String {
    let events = (0..count).map(|n| ["data: ", &n.to_string(), &"x".repeat(padding), "\n\n"].concat());
    format!("retry: 3000\n{}", events.collect::<String>())
}

#[tokio::test]
async fn ready_events_are_one_chunk_and_one_frame() {
    let serving = serve(|app| {
        app.route(
            "/",
            web::get().to(async || Sse::new(stream::iter(numbered(100, 100)))),
        );
    });

    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    assert_eq!(wire.chunk().await.unwrap(), as_text(100, 100));
    assert_eq!(wire.chunk().await, None);

    let mut client = Http2::connect(serving.addr()).await;
    let mut answer = client.get("/").await;
    assert_eq!(answer.frame().await.unwrap(), as_text(100, 100));
    assert_eq!(answer.frame().await, None);
}

#[tokio::test]
async fn more_events_than_fit_are_cut_between_events() {
    let serving = serve(|app| {
        app.route(
            "/",
            web::get().to(async || Sse::new(stream::iter(numbered(1_000, 100)))),
        );
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;

    let (mut body, mut chunks) = (Vec::new(), 0);
    while let Some(chunk) = wire.chunk().await {
        assert!(chunk.ends_with(b"\n\n"));
        // Half of what actix writes at a time, and an event.
        assert!(chunk.len() < 16 * 1024 + 120, "{}", chunk.len());
        chunks += 1;
        body.extend_from_slice(&chunk);
    }
    assert_eq!(String::from_utf8(body).unwrap(), as_text(1_000, 100));
    assert_eq!(chunks, 7);

    let mut client = Http2::connect(serving.addr()).await;
    assert_eq!(client.get("/").await.body().await, as_text(1_000, 100));
}

#[tokio::test]
async fn a_huge_event_arrives_whole() {
    fn lines() -> String {
        "0123456789\n".repeat(500_000)
    }
    let serving = serve(|app| {
        app.route(
            "/",
            web::get().to(async || Sse::new(stream::iter([Event::data(lines())]))),
        );
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    let on_http_1 = wire.body().await;
    let on_http_2 = Http2::connect(serving.addr()).await.get("/").await.body().await;

    assert_eq!(on_http_1, on_http_2);
    let mut decoder = Decoder::new().max_event_size(usize::MAX);
    decoder.feed(on_http_1.into_bytes());
    assert!(matches!(decoder.next(), Some(Ok(Decoded::Retry(_)))));
    let Some(Ok(Decoded::Message(message))) = decoder.next() else {
        panic!("no event")
    };
    assert!(message.data == lines(), "5.5 MB of data, unchanged");
    assert!(decoder.next().is_none());
}
