//! `#[sse_stream]`, from the function to the bytes on the wire.
#![allow(
    clippy::await_holding_refcell_ref,
    clippy::format_push_string,
    clippy::match_bool,
    clippy::semicolon_if_nothing_returned,
    clippy::unit_cmp,
    clippy::while_immutable_condition,
    reason = "whatever a user writes, the attribute has to take"
)]

mod allocations;
mod arguments;
mod backpressure;
mod concurrency;
mod errors;
mod finite;
mod forms;
mod helpers;
mod lints;
mod opening;
mod options;
mod phases;
mod plain;

use std::future::pending;

use sse_actix::test::Serving;
use sse_tests::wire::{Head, Wire};

/// The head and the whole body of the answer to a GET.
async fn get(serving: &Serving, path: &str) -> (Head, String) {
    let mut wire = Wire::get(serving.addr(), path).await;
    let head = wire.head().await;
    let body = match head.values("content-length").first() {
        Some(length) => {
            let body = wire.exactly(length.parse().expect("a length")).await;
            String::from_utf8(body.to_vec()).expect("text")
        }
        None if head.status_line() == "HTTP/1.1 204 No Content" => String::new(),
        None => wire.body().await,
    };
    (head, body)
}

/// Silence. Whoever reads from a stream that waits for this has read all that it will ever send.
async fn silence() {
    pending().await
}
