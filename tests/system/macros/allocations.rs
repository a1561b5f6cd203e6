//! An event allocates nothing: it is written into a buffer that the stream already has.

use std::{future::poll_fn, pin::pin};

use actix_web::{Responder as _, body::MessageBody, test::TestRequest};
use futures_util::FutureExt as _;
use sse_actix::{Event, sse_stream};

const EVENTS: u64 = 100_000;

#[sse_stream]
async fn counting() {
    for n in 0..EVENTS {
        emit!(Event::data("0123456789").event("tick").id(n));
    }
}

#[actix_web::test]
async fn a_hundred_thousand_events_take_a_handful_of_allocations() {
    let stream = counting().await.unwrap();
    let request = TestRequest::get().to_http_request();
    let mut body = pin!(stream.respond_to(&request).into_body());
    let mut length = 0;
    let info = allocation_counter::measure(|| {
        // Nothing here waits for anything but the reader.
        while let Some(Some(chunk)) = poll_fn(|cx| body.as_mut().poll_next(cx)).now_or_never() {
            length += chunk.unwrap().len();
        }
    });
    assert!(length > 3_000_000, "{length} bytes");
    println!("measured: {} allocations for {EVENTS} events", info.count_total);
    assert!(info.count_total < 100, "{} allocations", info.count_total);
}
