//! A process that is told to stop by a signal.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use rustix::process::Signal;
use sse_tests::{
    child::Child,
    http2::{Answer, Http2},
    wire::{Wire, report},
};

use super::{assert_jitter, retry};
use crate::{STREAMS, storm::figures};

/// Far above what it takes, and far below what waiting for actix's own time-out of 30 s would take.
const PROMPT: Duration = Duration::from_secs(10);

const EVENT: &str = "retry: 3000\nid: 1\ndata: one\n\n";

async fn streams_end_and_the_process_exits(runtime: &str) {
    let child = Child::start(STREAMS, &[runtime]).await;
    let addr = child.addr();
    let mut wires = Vec::new();
    for _ in 0..100 {
        let mut wire = Wire::get(addr, "/idle").await;
        wire.head().await;
        assert_eq!(wire.chunk().await.unwrap(), EVENT);
        wires.push(wire);
    }
    let (mut clients, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let mut client = Http2::connect(addr).await;
        for _ in 0..10 {
            let mut answer = client.get("/idle").await;
            assert_eq!(answer.frame().await.unwrap(), EVENT);
            answers.push(answer);
        }
        clients.push(client);
    }
    // One of each never reads, and has a stream that fills every buffer there is.
    let mut never_reads = Wire::get(addr, "/flood").await;
    never_reads.head().await;
    let mut blocked = Http2::connect(addr).await;
    let unread = blocked.get("/flood").await;

    let start = Instant::now();
    child.signal(Signal::TERM);
    let mut retries = Vec::new();
    for wire in &mut wires {
        // Up to the terminator: the stream has ended, and was not cut.
        retries.push(retry(&wire.body().await));
    }
    for answer in &mut answers {
        retries.push(retry(&answer.body().await));
    }
    report(
        &format!("SIGTERM under {runtime}, until 200 streams have ended"),
        start.elapsed(),
    );
    // One more, for which there is no room on its connection.
    let late = blocked.get("/idle").await;
    assert_eq!(late.status(), 200);
    let status = child.ended().await;
    let took = start.elapsed();
    report(
        &format!("SIGTERM under {runtime}, until the process has exited"),
        took,
    );
    assert!(status.success(), "{status}");
    assert!(took < PROMPT, "{took:?}");
    assert_jitter(retries);
    // Until here, every client held its connection open.
    drop((wires, answers, clients, never_reads, unread, late, blocked));
}

#[tokio::test]
async fn streams_end_and_the_process_exits_under_actix() {
    streams_end_and_the_process_exits("actix").await;
}

#[tokio::test]
async fn streams_end_and_the_process_exits_under_tokio() {
    streams_end_and_the_process_exits("tokio").await;
}

#[tokio::test]
async fn without_streams_the_process_exits_though_connections_are_held() {
    let child = Child::start(STREAMS, &["actix"]).await;
    let mut wire = Wire::get(child.addr(), "/figures").await;
    wire.head().await;
    let mut client = Http2::connect(child.addr()).await;
    assert_eq!(client.get("/figures").await.status(), 200);

    let start = Instant::now();
    child.signal(Signal::INT);
    assert!(child.ended().await.success());
    report(
        "SIGINT without streams, until the process has exited",
        start.elapsed(),
    );
    assert!(start.elapsed() < PROMPT);
    drop((wire, client));
}

/// Nothing tells such a function from one that is about to open its stream.
#[tokio::test]
async fn a_stream_that_has_not_opened_yet_is_answered_and_holds_nothing_up() {
    let mut child = Child::start(STREAMS, &["actix"]).await;
    let mut wire = Wire::get(child.addr(), "/unopened").await;
    child.prints("waiting").await;
    let mut client = Http2::connect(child.addr()).await;
    let (answer, _) = client.request(Method::GET, "/unopened", true).await;
    child.prints("waiting").await;

    let start = Instant::now();
    child.signal(Signal::TERM);
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(head.values("content-type"), ["text/event-stream"]);
    let mut retries = vec![retry(str::from_utf8(&wire.rest().await.0).unwrap())];
    let mut answer = Answer::to(answer).await;
    assert_eq!(answer.status(), 200);
    retries.push(retry(&answer.body().await));
    assert_jitter(retries);
    assert!(child.ended().await.success());
    report("SIGTERM with streams that have not opened", start.elapsed());
    assert!(start.elapsed() < PROMPT);
    drop(client);
}

#[tokio::test]
async fn a_stream_that_is_over_but_for_bytes_that_nobody_reads_holds_nothing_up() {
    let child = Child::start(STREAMS, &["actix"]).await;
    let mut client = Http2::connect(child.addr()).await;
    let unread = client.get("/lump").await;
    // By then the stream has got as far as it can: it was served before.
    while figures(child.addr()).await.streams > 0 {}

    let start = Instant::now();
    child.signal(Signal::TERM);
    assert!(child.ended().await.success());
    report(
        "SIGTERM with a stream that is over but for unread bytes",
        start.elapsed(),
    );
    assert!(start.elapsed() < PROMPT);
    drop((unread, client));
}

/// A request under way on HTTP/1.1 and one on HTTP/2, which the server waits for.
struct Underway {
    wire: Wire,
    client: Http2,
    answer: h2::client::ResponseFuture,
    body: h2::SendStream<Bytes>,
}

impl Underway {
    async fn begin(child: &mut Child) -> Self {
        let mut wire = Wire::connect(child.addr()).await;
        wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n01234")
            .await;
        child.prints("echoing").await;
        let mut client = Http2::connect(child.addr()).await;
        let (answer, mut body) = client.request(Method::POST, "/echo", false).await;
        body.send_data(Bytes::from_static(b"01234"), false).unwrap();
        child.prints("echoing").await;
        Self {
            wire,
            client,
            answer,
            body,
        }
    }

    async fn complete(mut self) {
        self.wire.send("56789").await;
        assert_eq!(self.wire.head().await.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(self.wire.body().await, "0123456789");
        self.body.send_data(Bytes::from_static(b"56789"), true).unwrap();
        assert_eq!(Answer::to(self.answer).await.body().await, "0123456789");
        drop(self.client);
    }
}

#[tokio::test]
async fn other_requests_are_finished_and_not_cut() {
    let mut child = Child::start(STREAMS, &["actix"]).await;
    let underway = Underway::begin(&mut child).await;
    let mut stream = Wire::get(child.addr(), "/idle").await;
    stream.head().await;

    child.signal(Signal::TERM);
    assert!(stream.body().await.starts_with(EVENT));
    // The one thing here that takes its time: longer than the server has patience with streams.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(child.runs());
    underway.complete().await;

    let start = Instant::now();
    assert!(child.ended().await.success());
    report("from the end of the last request to the exit", start.elapsed());
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let mut child = Child::start(STREAMS, &["actix"]).await;
        let underway = Underway::begin(&mut child).await;
        let mut stream = Wire::get(child.addr(), "/idle").await;
        stream.head().await;
        child.signal(Signal::TERM);
        // Signals that come together are one; now the first has been heard.
        assert!(stream.body().await.starts_with(EVENT));
        assert!(child.runs());

        let start = Instant::now();
        child.signal(second);
        assert!(child.ended().await.success());
        report("from the second signal to the exit", start.elapsed());
        assert!(start.elapsed() < PROMPT);
        drop(underway);
    }
}
