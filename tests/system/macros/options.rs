//! What the attribute's arguments do on the wire.

use std::time::Duration;

use actix_web::{
    App, Error,
    http::header,
    middleware::Compress,
    test::{TestRequest, init_service},
    web,
};
use sse_actix::{
    Decoded, Event, EventName, EventStream, KeepAlive, Retry, sse_stream,
    test::{call, respond},
};
use sse_tests::{patience::within, serve::serve};
use tokio::time::{Instant, sleep};

use super::{get, silence};

#[tokio::test]
async fn headers_retry_and_the_default_name() {
    #[sse_stream(event = "tick", retry = "1m", headers = [("X-Feed", "a"), ("link", "</x>"), ("link", "</y>")])]
    async fn literal() {
        emit!("x");
        emit!(Event::data("y").event("own"));
        emit!(Event::comment("z"));
    }
    const TICK: EventName = EventName::from_static("tick");
    const fn soon() -> Retry {
        Retry::from_millis(250)
    }
    #[sse_stream(event = TICK, retry = soon())]
    async fn by_expression() {
        emit!("x");
    }
    let serving = serve(|app| {
        app.route("/literal", web::get().to(literal))
            .route("/by-expression", web::get().to(by_expression));
    });
    let (head, body) = get(&serving, "/literal").await;
    assert_eq!(
        body,
        "retry: 60000\nevent: tick\ndata: x\n\nevent: own\ndata: y\n\n: z\n"
    );
    assert_eq!(head.values("x-feed"), ["a"]);
    assert_eq!(head.values("link"), ["</x>", "</y>"]);
    assert_eq!(head.values("content-type"), ["text/event-stream"]);
    let (_, body) = get(&serving, "/by-expression").await;
    assert_eq!(body, "retry: 250\nevent: tick\ndata: x\n\n");
}

/// When the first keep-alive comes, and what it is.
async fn first_beat(stream: impl Future<Output = Result<EventStream, Error>>) -> (Duration, Decoded) {
    let mut stream = respond(within("a stream", stream).await.unwrap(), TestRequest::get());
    let start = Instant::now();
    assert!(matches!(stream.next_decoded().await, Some(Decoded::Retry(_))));
    let beat = stream.next_decoded().await.unwrap();
    (start.elapsed(), beat)
}

#[tokio::test(start_paused = true)]
async fn keep_alives_come_after_silence_alone() {
    #[sse_stream]
    async fn default() {
        loop {
            silence().await;
            emit!("never");
        }
    }
    #[sse_stream(keep_alive = "250ms")]
    async fn literal() {
        open!();
        silence().await;
    }
    #[sse_stream(keep_alive = KeepAlive::event(Duration::from_secs(2), EventName::from_static("beat")))]
    async fn by_expression() {
        open!();
        silence().await;
    }
    #[sse_stream(keep_alive = "off")]
    async fn off() {
        open!();
        sleep(Duration::from_secs(3_600)).await;
        emit!("first");
    }
    #[sse_stream(keep_alive = "1s")]
    async fn busy() {
        for n in 1..=100 {
            sleep(Duration::from_millis(900)).await;
            emit!(n.to_string());
        }
        silence().await;
    }
    let comment = Decoded::Comment(String::new().into());
    let millis = Duration::from_millis;
    let (after, beat) = first_beat(default()).await;
    assert_eq!((after, &beat), (millis(15_000), &comment));
    let (after, beat) = first_beat(literal()).await;
    assert_eq!((after, &beat), (millis(250), &comment));
    let (after, beat) = first_beat(by_expression()).await;
    assert!(matches!(beat, Decoded::Message(message) if message.event == "beat"));
    assert_eq!(after, millis(2_000));
    let (after, beat) = first_beat(off()).await;
    assert!(matches!(beat, Decoded::Message(message) if message.data == "first"));
    assert_eq!(after, millis(3_600_000));

    let mut stream = respond(busy().await.unwrap(), TestRequest::get());
    assert!(matches!(stream.next_decoded().await, Some(Decoded::Retry(_))));
    for n in 1..=100 {
        let Some(Decoded::Message(message)) = stream.next_decoded().await else {
            panic!("not the event {n}");
        };
        assert_eq!(message.data, n.to_string());
    }
    assert_eq!(stream.next_decoded().await.unwrap(), comment);
}

#[actix_web::test]
async fn a_compressor_is_kept_out_unless_it_is_let_in() {
    #[sse_stream]
    async fn plain() {
        emit!("x");
    }
    #[sse_stream(compress)]
    async fn compressed() {
        emit!("x");
    }
    let app = App::new()
        .wrap(Compress::default())
        .route("/plain", web::get().to(plain))
        .route("/compressed", web::get().to(compressed));
    let app = init_service(app).await;
    for (path, encoding) in [("/plain", "identity"), ("/compressed", "gzip")] {
        let request = TestRequest::get()
            .uri(path)
            .insert_header((header::ACCEPT_ENCODING, "gzip"));
        let stream = call(&app, request).await;
        assert_eq!(
            stream.headers().get(header::CONTENT_ENCODING).unwrap(),
            encoding,
            "{path}"
        );
    }
}
