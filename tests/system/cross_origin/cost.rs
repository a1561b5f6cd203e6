//! A few header operations for a request, nothing for an event.

use std::{future::poll_fn, pin::pin};

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    get,
    http::header,
    test, web,
};
use futures_util::FutureExt as _;
use sse_actix::{CrossOrigin, sse_stream};

use super::PAGE;

const EVENTS: usize = 100_000;

#[get("/")]
#[sse_stream]
async fn many() -> Result<(), Error> {
    for _ in 0..EVENTS {
        emit!("0123456789");
    }
    Ok(())
}

/// How many allocations a request takes, and then all its events.
async fn allocations<S, B>(app: &S) -> (u64, u64)
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let request = || {
        test::TestRequest::get()
            .insert_header((header::ORIGIN, PAGE))
            .to_request()
    };
    // The first also fills pools.
    test::call_service(app, request()).await;
    let request = request();
    let mut response = None;
    let requested = allocation_counter::measure(|| {
        response = test::call_service(app, request).now_or_never();
    });
    let mut body = pin!(response.unwrap().into_body().boxed());
    let mut length = 0;
    let emitted = allocation_counter::measure(|| {
        while let Some(Some(chunk)) = poll_fn(|cx| body.as_mut().poll_next(cx)).now_or_never() {
            length += chunk.unwrap().len();
        }
    });
    assert!(length > EVENTS * "data: 0123456789\n\n".len(), "{length} bytes");
    (requested.count_total, emitted.count_total)
}

#[actix_web::test]
async fn an_event_allocates_nothing_and_a_request_little() {
    let bare = test::init_service(App::new().service(many)).await;
    let cross_origin = CrossOrigin::allow([PAGE]).unwrap();
    let routes = web::scope("").wrap(cross_origin).service(many);
    let wrapped = test::init_service(App::new().service(routes)).await;

    let (bare_request, bare_events) = allocations(&bare).await;
    let (request, events) = allocations(&wrapped).await;
    println!(
        "measured: {request} allocations for a request, {bare_request} without; {events} for {EVENTS} events"
    );
    assert!(
        events <= bare_events + 2,
        "{events} allocations and not {bare_events}"
    );
    assert!(
        request <= bare_request + 24,
        "{request} allocations and not {bare_request}"
    );
}
