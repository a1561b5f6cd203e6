//! Before the head an error is an HTTP error; afterwards it ends the stream.

use std::{
    fmt, io,
    sync::{Arc, Mutex},
};

use actix_web::{
    HttpResponse, ResponseError,
    error::{ErrorNotFound, ErrorUnauthorized},
    http::StatusCode,
    rt::task::yield_now,
    test::TestRequest,
    web,
};
use serde::{Serialize, Serializer, ser};
use sse_actix::{Decoded, Event, Json, StreamError, sse_stream, test::respond};
use sse_tests::{serve::serve, wire::Wire};
use tokio::sync::Notify;
use tracing::{Subscriber, field::Field};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use super::get;

fn find(found: bool) -> Result<String, actix_web::Error> {
    found
        .then(|| "found".to_owned())
        .ok_or_else(|| ErrorNotFound("no such feed"))
}

#[derive(Debug)]
struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("full")
    }
}

impl ResponseError for Full {
    fn status_code(&self) -> StatusCode {
        StatusCode::TOO_MANY_REQUESTS
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .insert_header(("retry-after", "5"))
            .body("come back")
    }
}

#[tokio::test(start_paused = true)]
async fn one_line_keeps_a_stream_open_after_its_last_event() {
    #[sse_stream(keep_alive = "1s")]
    async fn stays() {
        emit!("last");
        std::future::pending::<()>().await;
    }
    let mut stream = respond(stays().await.unwrap(), TestRequest::get());
    assert_eq!(&*stream.next().await.unwrap().data, "last");
    for _ in 0..3_600 {
        let next = stream.next_decoded().await;
        assert!(matches!(next, Some(Decoded::Comment(_))), "{next:?}");
    }
}

#[tokio::test]
async fn an_error_before_the_head_has_its_own_status() {
    #[sse_stream]
    async fn questioned() -> Result<(), actix_web::Error> {
        yield_now().await;
        let feed = find(false)?;
        emit!(feed);
        Ok(())
    }
    #[sse_stream]
    async fn returned() -> Result<(), actix_web::Error> {
        if true {
            return Err(ErrorUnauthorized("who are you?"));
        }
        emit!("never");
        Ok(())
    }
    #[sse_stream]
    async fn own_type() -> Result<(), Full> {
        Err(Full)
    }
    #[sse_stream]
    async fn converted() -> Result<(), actix_web::Error> {
        Err(io::Error::from(io::ErrorKind::NotFound))?;
        emit!("never");
        Ok(())
    }
    let serving = serve(|app| {
        app.route("/questioned", web::get().to(questioned))
            .route("/returned", web::get().to(returned))
            .route("/own-type", web::get().to(own_type))
            .route("/converted", web::get().to(converted));
    });
    for (path, status, text) in [
        ("/questioned", "HTTP/1.1 404 Not Found", "no such feed"),
        ("/returned", "HTTP/1.1 401 Unauthorized", "who are you?"),
        ("/own-type", "HTTP/1.1 429 Too Many Requests", "come back"),
        ("/converted", "HTTP/1.1 404 Not Found", "entity not found"),
    ] {
        let (head, body) = get(&serving, path).await;
        assert_eq!((head.status_line(), body.as_str()), (status, text), "{path}");
        assert_ne!(head.values("content-type"), ["text/event-stream"], "{path}");
    }
    let (head, _) = get(&serving, "/own-type").await;
    assert_eq!(head.values("retry-after"), ["5"]);
}

#[tokio::test]
async fn an_end_without_an_event_is_204() {
    #[sse_stream]
    async fn result() -> Result<(), actix_web::Error> {
        find(true)?;
        if false {
            emit!("never");
        }
        Ok(())
    }
    #[sse_stream]
    async fn unit() {
        if false {
            emit!("never");
        }
    }
    let serving = serve(|app| {
        app.route("/result", web::get().to(result))
            .route("/unit", web::get().to(unit));
    });
    for path in ["/result", "/unit"] {
        let mut wire = Wire::get(serving.addr(), path).await;
        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 204 No Content", "{path}");
        assert_eq!(
            head.headers(),
            ["cache-control: no-store, no-transform"],
            "{path}"
        );
        // Nothing follows the head but the next answer.
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        assert_eq!(wire.head().await, head, "{path}");
    }
}

#[tokio::test]
async fn an_error_after_the_head_ends_the_stream_after_its_events() {
    #[sse_stream]
    async fn failing() -> Result<(), actix_web::Error> {
        for n in 1..=2 {
            emit!(Json(n));
        }
        find(false)?;
        emit!("never");
        Ok(())
    }
    #[sse_stream]
    async fn failing_later() -> Result<(), actix_web::Error> {
        emit!("one");
        yield_now().await;
        Err(StreamError::new("the feed was closed"))?;
        Ok(())
    }
    #[sse_stream(resume)]
    async fn resumable() -> Result<(), Full> {
        emit!(Event::data("one").id(1));
        Err(Full)
    }
    let serving = serve(|app| {
        app.route("/failing", web::get().to(failing))
            .route("/failing-later", web::get().to(failing_later))
            .route("/resumable", web::get().to(resumable));
    });
    for (path, expected) in [
        (
            "/failing",
            "retry: 3000\ndata: 1\n\ndata: 2\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n",
        ),
        (
            "/failing-later",
            "retry: 3000\ndata: one\n\nevent: sse-end\nid: sse-end\n\
             data: {\"message\":\"the feed was closed\",\"reason\":\"failed\"}\n\n",
        ),
        ("/resumable", "retry: 3000\nid: 1\ndata: one\n\n"),
    ] {
        // To its end means: up to `0\r\n\r\n`.
        let (head, body) = get(&serving, path).await;
        assert_eq!(
            (head.status_line(), body.as_str()),
            ("HTTP/1.1 200 OK", expected),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn an_error_after_the_head_is_logged() {
    #[sse_stream]
    async fn failing() -> Result<(), actix_web::Error> {
        emit!("one");
        Err(ErrorNotFound("the password is 1234"))
    }
    /// The fields of every error.
    #[derive(Clone, Default)]
    struct Errors(Arc<Mutex<String>>);
    impl<S: Subscriber> Layer<S> for Errors {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            if *event.metadata().level() == tracing::Level::ERROR {
                let mut fields = self.0.lock().unwrap();
                event.record(&mut |field: &Field, value: &dyn fmt::Debug| {
                    *fields += &format!("{field}={value:?} ");
                });
            }
        }
    }

    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(errors.clone()));
    let messages = respond(failing().await.unwrap(), TestRequest::get())
        .collect()
        .await;
    assert_eq!(messages.len(), 2);
    assert!(
        !messages[1].data.contains("1234"),
        "the client is not told: {}",
        messages[1].data
    );
    let logged = errors.0.lock().unwrap();
    assert!(logged.contains("error=the password is 1234 "), "{logged}");
}

#[tokio::test]
async fn what_cannot_be_serialised_fails_like_any_error() {
    struct Unfit;
    impl Serialize for Unfit {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("unfit"))
        }
    }
    #[sse_stream]
    async fn first() {
        emit!(Json(Unfit));
        emit!("never");
    }
    #[sse_stream]
    async fn second() {
        emit!("one");
        emit!(Json(Unfit));
        emit!("never");
    }
    let serving = serve(|app| {
        app.route("/first", web::get().to(first))
            .route("/second", web::get().to(second));
    });
    let (head, _) = get(&serving, "/first").await;
    assert_eq!(head.status_line(), "HTTP/1.1 500 Internal Server Error");
    let (_, body) = get(&serving, "/second").await;
    assert_eq!(
        body,
        "retry: 3000\ndata: one\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n"
    );
}

#[tokio::test]
async fn a_panic_cuts_the_connection_and_spares_the_process() {
    #[sse_stream]
    async fn panicking(now: web::Data<Notify>) {
        emit!("one");
        now.notified().await;
        panic!("this panic is meant");
    }
    let now = web::Data::new(Notify::new());
    let told = now.clone();
    let serving = serve(move |app| {
        app.app_data(told.clone())
            .route("/", web::get().to(panicking))
            .route("/next", web::get().to(HttpResponse::Ok));
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\ndata: one\n\n");
    now.notify_one();
    let (rest, _) = wire.rest().await;
    assert_eq!(rest, "", "no end that a client could take for one");
    assert_eq!(get(&serving, "/next").await.0.status_line(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn the_head_arrives_while_no_event_is_ready() {
    #[sse_stream(retry = "5s")]
    async fn waiting(now: web::Data<Notify>) {
        loop {
            now.notified().await;
            emit!("now");
        }
    }
    let now = web::Data::new(Notify::new());
    let told = now.clone();
    let serving = serve(move |app| {
        app.app_data(told.clone()).route("/", web::get().to(waiting));
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(wire.chunk().await.unwrap(), "retry: 5000\n");
    now.notify_one();
    assert_eq!(wire.chunk().await.unwrap(), "data: now\n\n");
}

#[tokio::test]
async fn what_is_borrowed_before_the_head_can_be_used_after_it() {
    #[sse_stream]
    async fn borrowing(text: web::Path<String>) -> Result<(), actix_web::Error> {
        let owned = format!("<{text}>");
        let (words, inner) = (owned.split(' ').collect::<Vec<_>>(), &owned);
        find(true)?;
        for word in &words {
            emit!(*word);
        }
        yield_now().await;
        emit!(inner.as_str());
        Ok(())
    }
    let serving = serve(|app| {
        app.route("/{text}", web::get().to(borrowing));
    });
    let (_, body) = get(&serving, "/a%20b").await;
    assert_eq!(body, "retry: 3000\ndata: <a\n\ndata: b>\n\ndata: <a b>\n\n");
}
