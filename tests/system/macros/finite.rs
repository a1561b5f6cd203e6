//! A stream that ends for good says so, and its reconnect starts nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{
    HttpMessage as _, HttpRequest, Responder as _, get as route_get,
    test::TestRequest,
    web::{self, Data},
};
use sse_actix::{Event, Json, LastEventId, sse_stream};
use sse_tests::{guard::Guards, serve::serve, wire::Wire};

use super::{get, silence};

#[sse_stream(finite)]
async fn counted(runs: Data<AtomicUsize>, last: LastEventId) -> Result<(), actix_web::Error> {
    runs.fetch_add(1, Ordering::SeqCst);
    let first = last.parse::<u64>().ok().flatten().unwrap_or(0) + 1;
    for n in first..=3 {
        emit!(Event::json(&n)?.id(n));
    }
    Ok(())
}

#[sse_stream(finite)]
async fn feed(runs: Data<AtomicUsize>) {
    runs.fetch_add(1, Ordering::SeqCst);
    emit!("x");
}

#[sse_stream(finite)]
async fn failing() -> Result<(), actix_web::Error> {
    emit!("one");
    Err(actix_web::error::ErrorBadGateway("the feed is gone"))
}

#[tokio::test]
async fn it_ends_with_the_reserved_id_and_a_reconnect_with_it_is_204_before_anything_runs() {
    let runs = Data::new(AtomicUsize::new(0));
    let counting = runs.clone();
    let serving = serve(move |app| {
        app.app_data(counting.clone())
            .route("/", web::get().to(counted))
            .route("/feed", web::get().to(feed));
    });
    let (_, body) = get(&serving, "/").await;
    assert_eq!(
        body,
        "retry: 3000\nid: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: 3\n\n\
         event: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n"
    );
    assert_eq!(runs.load(Ordering::SeqCst), 1);

    // By header, as a browser brings it, and by parameter, as a polyfill does.
    for request in [
        "GET / HTTP/1.1\r\nHost: test\r\nLast-Event-ID: sse-end\r\n\r\n",
        "GET /feed HTTP/1.1\r\nHost: test\r\nLast-Event-ID: sse-end\r\n\r\n",
        "GET /feed?lastEventId=sse-end HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET /?lastEventId=sse-end HTTP/1.1\r\nHost: test\r\n\r\n",
    ] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(request).await;
        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 204 No Content");
        assert_eq!(head.headers(), ["cache-control: no-store, no-transform"]);
        assert_eq!(runs.load(Ordering::SeqCst), 1, "nothing ran for it");
    }

    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("GET / HTTP/1.1\r\nHost: test\r\nLast-Event-ID: 2\r\n\r\n")
        .await;
    wire.head().await;
    assert!(
        wire.body().await.starts_with("retry: 3000\nid: 3\n"),
        "any other id resumes"
    );
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failure_ends_it_for_good_too() {
    let serving = serve(|app| {
        app.route("/", web::get().to(failing));
    });
    let (_, body) = get(&serving, "/").await;
    assert_eq!(
        body,
        "retry: 3000\ndata: one\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n"
    );
}

#[route_get("/")]
#[sse_stream(finite)]
async fn routed() -> () {
    emit!(Json(1));
}

#[sse_stream(finite)]
async fn fifteen(
    _1: HttpRequest,
    _2: HttpRequest,
    _3: HttpRequest,
    _4: HttpRequest,
    _5: HttpRequest,
    _6: HttpRequest,
    _7: HttpRequest,
    _8: HttpRequest,
    _9: HttpRequest,
    _10: HttpRequest,
    _11: HttpRequest,
    _12: HttpRequest,
    _13: HttpRequest,
    _14: HttpRequest,
    _15: HttpRequest,
) {
    emit!("all of them");
}

#[tokio::test]
async fn the_hidden_argument_fits_every_route() {
    let serving = serve(|app| {
        app.service(routed).route("/fifteen", web::get().to(fifteen));
    });
    assert!(get(&serving, "/").await.1.starts_with("retry: 3000\ndata: 1\n\n"));
    assert!(
        get(&serving, "/fifteen")
            .await
            .1
            .starts_with("retry: 3000\ndata: all of them\n\n")
    );
}

#[actix_web::test]
async fn called_directly_it_takes_the_request_last() {
    let runs = Data::new(AtomicUsize::new(0));
    for (id, status, expected) in [("sse-end", 204, 0), ("3", 200, 1)] {
        let request = TestRequest::get()
            .insert_header(("last-event-id", id))
            .to_http_request();
        let stream = feed(runs.clone(), request.clone()).await.unwrap();
        assert_eq!(stream.respond_to(&request).status(), status, "{id}");
        assert_eq!(runs.load(Ordering::SeqCst), expected, "{id}");
    }
}

#[actix_web::test]
async fn the_hidden_argument_is_let_go_at_once() {
    #[sse_stream(finite)]
    async fn waiting() {
        emit!("begun");
        silence().await;
    }
    // What a request carries lives as long as anybody holds the request.
    let (guards, _drops) = Guards::new();
    let request = TestRequest::get().to_http_request();
    request.extensions_mut().insert(guards.guard());
    let stream = waiting(request).await.unwrap();
    assert_eq!(guards.held(), 0);
    drop(stream);
}
