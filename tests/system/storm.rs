//! Very many clients come and go.

use std::{net::SocketAddr, time::Instant};

use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use sse_tests::{
    child::Child,
    http2::Http2,
    patience::until,
    wire::{Wire, report},
};

use crate::STREAMS;

#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    pub(crate) streams: usize,
    heap: usize,
}

pub(crate) async fn figures(addr: SocketAddr) -> Figures {
    let mut wire = Wire::get(addr, "/figures").await;
    let length = wire.head().await.values("content-length")[0].parse().unwrap();
    serde_json::from_slice(&wire.exactly(length).await).unwrap()
}

/// Comes, reads an event, and leaves: on HTTP/1.1, or with nine others on one HTTP/2 connection.
async fn come_and_go(addr: SocketAddr, nth: usize) {
    const EVENT: &str = "retry: 3000\nid: 1\ndata: one\n\n";
    if nth % 11 == 10 {
        let mut client = Http2::connect(addr).await;
        let mut answers = Vec::new();
        for _ in 0..10 {
            let mut answer = client.get("/idle").await;
            assert_eq!(answer.frame().await.unwrap(), EVENT);
            answers.push(answer);
        }
    } else {
        let mut wire = Wire::get(addr, "/idle").await;
        wire.head().await;
        assert_eq!(wire.chunk().await.unwrap(), EVENT);
        if nth.is_multiple_of(2) {
            wire.reset();
        }
    }
}

/// Ten of eleven clients have one stream, the eleventh has ten.
async fn storm(addr: SocketAddr, streams: usize, clients_at_once: usize) {
    let clients = stream::iter(0..streams * 11 / 20).map(|nth| come_and_go(addr, nth));
    clients.buffer_unordered(clients_at_once).collect::<()>().await;
    until("every stream to end", async || figures(addr).await.streams == 0).await;
}

#[tokio::test]
async fn ten_thousand_leave_nothing_behind() {
    // 26 bytes for each stream, less than anything that one has. actix keeps requests and heads for reuse, up to
    // some number, but of varying size: this moves the figure by up to 100 KB, up and down.
    const SLACK: usize = 256 * 1024;

    let child = Child::start(STREAMS, &["actix"]).await;
    // What is kept for reuse is there from now on.
    storm(child.addr(), 3_000, 400).await;
    let before = figures(child.addr()).await.heap;

    let start = Instant::now();
    storm(child.addr(), 10_000, 64).await;
    report("10,000 connects and leaves", start.elapsed());
    let mut after = 0;
    until("the heap to be where it was", async || {
        after = figures(child.addr()).await.heap;
        after <= before + SLACK
    })
    .await;
    println!("measured: live heap {before} bytes before, {after} after");
}
