//! How a stream ends when its source does, fails or panics, and how fast it is asked for events.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_web::{
    Error, HttpResponse,
    error::{ErrorInternalServerError, ErrorNotFound},
    web,
};
use futures_util::{StreamExt as _, stream};
use serde::{Serialize, Serializer};
use sse_actix::{Event, Json, KeepAlive, Sse, StreamError};
use sse_tests::{http2::Http2, patience::until, serve::serve, wire::Wire};
use tokio::sync::Notify;

/// A stream of two events and this error.
fn failing(error: impl Into<Error>) -> Sse<impl futures_util::Stream<Item = Result<Event, Error>>> {
    let events = ["one", "two"].map(|text| Ok(Event::data(text)));
    Sse::new(stream::iter(events).chain(stream::iter([Err(error.into())])))
}

/// What comes before each end below.
const DELIVERED: &str = "retry: 3000\ndata: one\n\ndata: two\n\n";

#[tokio::test]
async fn an_error_after_the_head_ends_the_stream_after_what_came_before() {
    let serving = serve(|app| {
        app.route(
            "/error",
            web::get().to(async || failing(ErrorNotFound("the password is 1234"))),
        )
        .route(
            "/told",
            web::get().to(async || failing(StreamError::new("the \"index\"\nwas rebuilt"))),
        )
        .route(
            "/resume",
            web::get().to(async || failing(ErrorInternalServerError("x")).resume()),
        )
        .route(
            "/finite",
            web::get().to(async || failing(ErrorInternalServerError("x")).finite()),
        );
    });
    let failed = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n";
    let told = r#"event: sse-end
id: sse-end
data: {"message":"the \"index\"\nwas rebuilt","reason":"failed"}

"#;
    for (path, end) in [
        ("/error", failed),
        ("/told", told),
        ("/resume", ""),
        ("/finite", failed),
    ] {
        let mut wire = Wire::get(serving.addr(), path).await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(wire.body().await, format!("{DELIVERED}{end}"), "{path}");
        // It ended in order: the connection serves the next request, here the reconnect.
        wire.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nLast-Event-ID: sse-end\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 204 No Content");

        let mut answer = Http2::connect(serving.addr()).await.get(path).await;
        assert_eq!(
            answer.body().await,
            format!("{DELIVERED}{end}"),
            "{path} on HTTP/2"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_serialised_is_a_failure_and_leaves_no_half_event() {
    struct Unfit(bool);
    impl Serialize for Unfit {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            // Halfway: some of it has been written by then.
            let rest = if self.0 {
                Err(serde::ser::Error::custom("unfit"))
            } else {
                Ok("whole")
            };
            serializer.collect_seq([Ok("start"), rest].map(Half))
        }
    }
    struct Half(Result<&'static str, serde_json::Error>);
    impl Serialize for Half {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0
                .as_ref()
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer)
        }
    }
    let serving = serve(|app| {
        let values = || stream::iter([Json(Unfit(false)), Json(Unfit(true)), Json(Unfit(false))]);
        app.route("/", web::get().to(move || ready(Sse::new(values()))));
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    assert_eq!(
        wire.body().await,
        "retry: 3000\ndata: [\"start\",\"whole\"]\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n"
    );
}

#[tokio::test]
async fn a_panic_cuts_its_own_stream_and_no_other() {
    let now = Arc::new(Notify::new());
    let told = Arc::clone(&now);
    let serving = serve(move |app| {
        let told = Arc::clone(&told);
        let panicking = move || {
            let told = Arc::clone(&told);
            let events = stream::once(async move {
                told.notified().await;
                Event::data("before it")
            });
            let panic = stream::poll_fn(|_| panic!("this panic is meant"));
            ready(Sse::new(
                stream::iter([Event::data("one")]).chain(events).chain(panic),
            ))
        };
        app.route("/", web::get().to(panicking))
            .route(
                "/pending",
                web::get().to(async || Sse::new(stream::pending::<Event>())),
            )
            .route("/next", web::get().to(HttpResponse::Ok));
    });
    let mut neighbour = Wire::get(serving.addr(), "/pending").await;
    neighbour.head().await;

    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\ndata: one\n\n");
    now.notify_one();
    assert_eq!(
        wire.rest().await.0,
        "11\r\ndata: before it\n\n\r\n",
        "no terminator: a client has to see that this is no end"
    );

    let mut client = Http2::connect(serving.addr()).await;
    let mut other = client.get("/pending").await;
    let mut cut = client.get("/").await;
    assert_eq!(cut.frame().await.unwrap(), "retry: 3000\ndata: one\n\n");
    now.notify_one();
    assert_eq!(cut.frame().await.unwrap(), "data: before it\n\n");
    let error = cut
        .try_frame()
        .await
        .expect_err("a client has to see that this is no end");
    assert!(error.is_reset(), "{error}");
    assert_eq!(other.frame().await.unwrap(), "retry: 3000\n");
    assert_eq!(
        client.get("/").await.frame().await.unwrap(),
        "retry: 3000\ndata: one\n\n"
    );
    assert_eq!(client.get("/next").await.status(), 200);
    assert_eq!(neighbour.chunk().await.unwrap(), "retry: 3000\n");
    drop(client);
    until("one neighbour to be left", async || {
        serving.shutdown().open_streams() == 1
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_source() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pulled);
    let serving = serve(move |app| {
        let counted = Arc::clone(&counted);
        let endless = move || {
            let counted = Arc::clone(&counted);
            let events = stream::repeat_with(move || {
                let n = counted.fetch_add(1, Ordering::SeqCst);
                Event::data(format!("{n:01000}"))
            });
            ready(Sse::new(events).keep_alive(KeepAlive::OFF))
        };
        app.route("/", web::get().to(endless))
            .route("/next", web::get().to(HttpResponse::Ok));
    });

    for http2 in [false, true] {
        pulled.store(0, Ordering::SeqCst);
        let (mut wire, mut client) = (
            Wire::connect(serving.addr()).await,
            Http2::connect(serving.addr()).await,
        );
        let mut answer = None;
        if http2 {
            answer = Some(client.get("/").await);
        } else {
            wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
            wire.head().await;
        }
        // One worker serves all: if it were still asking for events, it would between these requests.
        until("the source to rest", async || {
            let before = pulled.load(Ordering::SeqCst);
            for _ in 0..5 {
                Wire::get(serving.addr(), "/next").await.head().await;
            }
            before > 0 && before == pulled.load(Ordering::SeqCst)
        })
        .await;
        let buffered = pulled.load(Ordering::SeqCst);
        println!("measured: {buffered} KB taken for a client that does not read, HTTP/2: {http2}");
        // HTTP/1.1: the kernel's buffers of both ends. HTTP/2: the window of 64 KB.
        assert!(buffered < if http2 { 150 } else { 16_000 }, "{buffered} events");

        // And nothing of it is lost.
        let (mut received, mut next) = (String::new(), 0);
        while next < buffered + 100 {
            let bytes = match &mut answer {
                Some(answer) => answer.frame().await,
                None => wire.chunk().await,
            };
            received += str::from_utf8(&bytes.unwrap()).unwrap();
            while let Some(end) = received.find("\n\n") {
                let event: String = received.drain(..end + 2).collect();
                let event = event.strip_prefix("retry: 3000\n").unwrap_or(&event);
                assert_eq!(event, format!("data: {next:01000}\n\n"));
                next += 1;
            }
        }
        drop((wire, answer, client));
        until("the source to be dropped", async || {
            serving.shutdown().open_streams() == 0
        })
        .await;
    }
}
