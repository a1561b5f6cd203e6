//! With actix's `Compress` in front.

use std::{
    future::ready,
    io::Write as _,
    sync::{Arc, Mutex},
};

use actix_web::{App, middleware::Compress, web};
use flate2::write::GzDecoder;
use futures_util::stream;
use sse_actix::{Event, Sse, test::Serving};
use sse_tests::wire::Wire;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A stream that gives what is sent to it.
fn serving(compress: bool) -> (Serving, UnboundedSender<Event>) {
    let (sender, receiver) = unbounded_channel::<Event>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let serving = Serving::start(move || {
        let receiver = Arc::clone(&receiver);
        let handler = move || {
            let receiver: Option<UnboundedReceiver<_>> = receiver.lock().unwrap().take();
            let events = stream::unfold(receiver, async |mut receiver| {
                let event = receiver.as_mut()?.recv().await?;
                Some((event, receiver))
            });
            ready(if compress {
                Sse::new(events).compress()
            } else {
                Sse::new(events)
            })
        };
        App::new()
            .wrap(Compress::default())
            .route("/", web::get().to(handler))
    });
    (serving, sender)
}

#[tokio::test]
async fn a_stream_is_not_compressed_unless_it_asks() {
    for accepted in ["gzip", "br", "gzip, deflate, br, zstd", "*"] {
        let (serving, sender) = serving(false);
        sender.send(Event::data("one")).unwrap();
        let accept = format!("Accept-Encoding: {accepted}\r\n");
        let mut wire = Wire::get_with(serving.addr(), "/", accept.as_bytes()).await;

        assert_eq!(
            wire.head().await.values("content-encoding"),
            ["identity"],
            "{accepted}"
        );
        assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\ndata: one\n\n");
    }
}

#[tokio::test]
async fn a_compressed_stream_can_be_read_event_by_event() {
    let (serving, sender) = serving(true);
    let mut wire = Wire::get_with(serving.addr(), "/", b"Accept-Encoding: gzip\r\n").await;
    let head = wire.head().await;
    assert_eq!(head.values("content-encoding"), ["gzip"]);
    assert_eq!(head.values("content-type"), ["text/event-stream"]);

    let mut decoder = GzDecoder::new(Vec::new());
    let mut expected = "retry: 3000\n".to_owned();
    for n in 0..50 {
        while decoder.get_ref() != expected.as_bytes() {
            assert!(expected.as_bytes().starts_with(decoder.get_ref()));
            // No chunk is empty, or this were the end.
            decoder
                .write_all(&wire.chunk().await.expect("the stream goes on"))
                .unwrap();
            decoder.flush().unwrap();
        }
        sender.send(Event::data(n.to_string())).unwrap();
        expected.extend(["data: ", &n.to_string(), "\n\n"]);
    }
    drop(sender);
    while let Some(chunk) = wire.chunk().await {
        decoder.write_all(&chunk).unwrap();
    }
    assert_eq!(decoder.finish().unwrap(), expected.as_bytes());
}

#[tokio::test]
async fn a_stream_that_may_be_compressed_is_not_for_those_who_cannot_read_it() {
    let (serving, sender) = serving(true);
    sender.send(Event::data("one")).unwrap();
    let mut wire = Wire::get(serving.addr(), "/").await;

    assert_eq!(wire.head().await.values("content-encoding"), Vec::<&str>::new());
    assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\ndata: one\n\n");
}
