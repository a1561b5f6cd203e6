//! What is logged.

use std::time::Duration;

use actix_web::{
    App, Error,
    dev::Service as _,
    error::ErrorInternalServerError,
    get,
    test::{TestRequest, init_service},
    web,
};
use futures_util::{Stream, stream};
use sse_actix::{
    CrossOrigin, Ending, Event, Shutdown, Sse, StreamControl, sse_stream, stream_counts,
    test::{call, respond},
};
pub(crate) use sse_tests::logged::Log;
use sse_tests::{patience::until, wire::Wire};
use tracing::Level;

/// Two events, a minute apart, and then the rest.
fn minute<R>(rest: R) -> Sse<impl Stream<Item = Result<Event, Error>>>
where
    R: Stream<Item = Result<Event, Error>> + 'static,
{
    use futures_util::StreamExt as _;
    let events = stream::iter([0, 60]).then(async |pause| {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok(Event::data("x"))
    });
    Sse::new(events.chain(rest)).keep_alive(sse_actix::KeepAlive::OFF)
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_when_it_opens_and_why_it_ended() {
    const BYTES: usize = "retry: 3000\ndata: x\n\ndata: x\n\n".len();

    let (log, _guard) = Log::start();
    let request = || {
        TestRequest::get()
            .uri("/prices?x")
            .insert_header(("last-event-id", "4\u{e9}"))
    };
    let end = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n".len();

    let finished = respond(minute(stream::empty()), request());
    finished.collect().await;
    let failing = stream::iter([Err(ErrorInternalServerError("the disk is full"))]);
    respond(minute(failing), request()).collect().await;
    let mut left = respond(minute(stream::pending()), request());
    left.next().await;
    left.next().await;
    drop(left);

    let logged = log.take();
    let [opened, _, _, failed, _, _] = &logged[..] else {
        panic!("{logged:#?}")
    };
    assert_eq!(opened.0, Level::DEBUG);
    assert_eq!(opened.1.get("message"), "stream opened");
    assert_eq!(opened.1.get("path"), "/prices");
    assert_eq!(opened.1.get("version"), "HTTP/1.1");
    assert_eq!(opened.1.get("last_event_id"), r"4\xc3\xa9");

    let ends = logged.iter().skip(1).step_by(2);
    for ((level, end), (expected, reason, bytes)) in ends.zip([
        (Level::INFO, "finished", BYTES),
        (Level::ERROR, "failed", BYTES + end),
        (Level::INFO, "left", BYTES),
    ]) {
        assert_eq!(
            (*level, end.get("message"), end.get("reason")),
            (expected, "stream ended", reason)
        );
        assert_eq!((end.get("duration"), end.get("events")), ("60s", "2"), "{reason}");
        assert_eq!(end.get("bytes"), bytes.to_string(), "{reason}");
        assert_eq!(end.get("path"), "/prices");
    }
    assert_eq!(failed.1.get("error"), "the disk is full");
    let streams: Vec<_> = logged.iter().map(|(_, fields)| fields.get("stream")).collect();
    assert!(
        streams.chunks(2).all(|pair| pair[0] == pair[1]) && streams[0] != streams[2],
        "{streams:?}"
    );
}

#[actix_web::test]
async fn a_stream_that_was_ended_says_by_whom() {
    let (log, _guard) = Log::start();
    let shutdown = Shutdown::new();
    let handler = async |control: StreamControl| {
        control.tag("all");
        Sse::new(stream::pending::<Event>())
    };
    let app = App::new()
        .app_data(shutdown.clone())
        .route("/", web::get().to(handler));
    let app = init_service(app).await;

    let stream = call(&app, TestRequest::get()).await;
    shutdown.end_tagged("all", Ending::Final);
    stream.collect().await;
    let stream = call(&app, TestRequest::get()).await;
    shutdown.fire();
    stream.collect().await;

    let logged = log.take();
    let reasons: Vec<_> = logged.iter().map(|(_, fields)| fields.get("reason")).collect();
    assert_eq!(reasons, ["", "ended", "", "drained"]);
}

/// Opens after this many milliseconds.
#[get("/slow/{millis}")]
#[sse_stream]
async fn slow(millis: web::Path<u64>) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_millis(*millis)).await;
    open!();
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[actix_web::test]
async fn a_slow_prologue_warns() {
    let (log, _guard) = Log::start();
    let app = init_service(App::new().service(slow)).await;
    tokio::time::pause();

    let stream = call(&app, TestRequest::get().uri("/slow/990")).await;
    assert_eq!(stream.status(), 200);
    assert!(log.take().iter().all(|(level, _)| *level > Level::WARN));

    let stream = call(&app, TestRequest::get().uri("/slow/1010")).await;
    assert_eq!(stream.status(), 200);
    let logged = log.take();
    let warnings: Vec<_> = logged.iter().filter(|(level, _)| *level == Level::WARN).collect();
    let [(_, warning)] = &warnings[..] else {
        panic!("{logged:#?}")
    };
    assert!(warning.get("handler").contains("slow"), "{warning:?}");
    assert!(
        warning.get("message").starts_with("no head after 1s: "),
        "{warning:?}"
    );
}

#[actix_web::test]
async fn a_page_that_is_refused_is_named_with_those_that_are_not() {
    let (log, _guard) = Log::start();
    let cross_origin = CrossOrigin::allow(["https://page.test"]).unwrap();
    let app = init_service(App::new().wrap(cross_origin)).await;
    for (header, value) in [
        ("origin", "https://evil.test\u{e9}"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = TestRequest::get().uri("/prices").insert_header((header, value));
        let response = app.call(request.to_request()).await.unwrap();
        assert_eq!(response.status(), 403);
    }
    let logged = log.take();
    let [(_, origin), (_, site)] = &logged[..] else {
        panic!("{logged:#?}")
    };
    assert_eq!(origin.get("origin"), r"https://evil.test\xc3\xa9");
    for (level, fields) in &logged {
        assert_eq!(*level, Level::WARN);
        assert_eq!(
            (fields.get("path"), fields.get("allowed"), fields.get("of")),
            ("/prices", "https://page.test", "1")
        );
        assert!(fields.get("message").starts_with("refused: "), "{fields:?}");
    }
    assert_eq!(site.get("origin"), "");
}

#[sse_stream]
async fn panics(before: web::Path<bool>) -> Result<(), Error> {
    assert!(!*before, "before the head");
    emit!("one");
    emit!("two");
    assert!(*before, "after two events");
    Ok(())
}

#[tokio::test]
async fn a_panic_is_an_error_before_the_head_and_after() {
    let log = Log::start_everywhere();
    let serving = sse_actix::test::Serving::start(|| App::new().route("/{before}", web::get().to(panics)));
    let mut wire = Wire::get(serving.addr(), "/false").await;
    wire.head().await;
    assert_eq!(
        wire.chunk().await.unwrap(),
        "retry: 3000\ndata: one\n\ndata: two\n\n"
    );
    assert_eq!(wire.rest().await.0, "", "no end: its client comes back");
    let (nothing, _) = Wire::get(serving.addr(), "/true").await.rest().await;
    assert_eq!(nothing, "");
    let mut logged = Vec::new();
    until("two entries", async || {
        logged.extend(log.take());
        logged.retain(|(_, fields)| fields.get("reason") == "panicked");
        logged.len() == 2
    })
    .await;
    for ((level, fields), (message, error)) in logged.iter().zip([
        ("stream ended", "after two events"),
        ("stream ended before it opened", "before the head"),
    ]) {
        assert_eq!(*level, Level::ERROR);
        assert_eq!((fields.get("message"), fields.get("error")), (message, error));
    }
    assert_eq!(logged[0].1.get("events"), "2");
    let counts = stream_counts();
    assert_eq!((counts.opened, counts.panicked, counts.left), (1, 2, 0));
}

/// A plain stream's end says why it was cut.
#[tokio::test]
async fn a_plain_stream_that_was_cut_says_why() {
    let (log, _guard) = Log::start();
    let cut = async |end: fn(&StreamControl)| {
        let request = TestRequest::post().to_http_request();
        let control = StreamControl::of(&request);
        let sse = Sse::new(stream::pending::<Event>());
        let body = actix_web::Responder::respond_to(sse, &request).into_body();
        end(&control);
        assert!(actix_web::body::to_bytes(body).await.is_err());
    };
    cut(|control| control.end(Ending::Final)).await;
    cut(|control| control.end(Ending::Reconnect)).await;
    let ended = log.take();
    let reasons: Vec<_> = ended
        .iter()
        .filter(|(_, fields)| fields.get("message") == "stream ended")
        .map(|(level, fields)| (*level, fields.get("reason")))
        .collect();
    assert_eq!(reasons, [(Level::INFO, "ended"), (Level::INFO, "drained")]);
}

/// Whoever is refused cannot fill the log.
#[actix_web::test]
async fn refusals_at_the_rate_of_requests_are_counted() {
    let (log, _guard) = Log::start();
    let cross_origin = CrossOrigin::allow(["https://page.test"]).unwrap();
    let app = init_service(App::new().wrap(cross_origin)).await;
    let refused = async |origin: &'static str| {
        let request = TestRequest::get().insert_header(("origin", origin)).to_request();
        assert!(app.call(request).await.is_ok());
    };
    for _ in 0..1_000 {
        refused("https://evil.test").await;
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    refused("https://evil.test").await;
    let lines = log.take();
    let warnings: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::WARN).collect();
    let left_out = warnings
        .iter()
        .map(|(_, fields)| fields.get("left_out").parse::<usize>().unwrap());
    assert_eq!(left_out.sum::<usize>() + warnings.len(), 1_001);
    assert!(warnings.len() < 100, "{} lines", warnings.len());
}
