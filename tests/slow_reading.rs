//! Clients that read slowly: a large event takes them longer than a hub's patience, and they get it whole.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use h2::client::Builder;
use http::Method;
use serde_json::Value;
use sse_tests::{
    child::Child,
    http2::Http2,
    patience::{until, within},
    wire::Wire,
};
use tokio::{io::AsyncWriteExt as _, net::TcpSocket, time::sleep};

const TOPICS: &str = env!("CARGO_BIN_EXE_topics");

const SIZE: usize = 3_000_000;

/// How long a client may leave everything unread.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends a request without a body, and returns the body of its answer.
async fn ask(addr: SocketAddr, request: &str) -> Vec<u8> {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!(
        "{request} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    let length = wire.head().await.values("content-length")[0].parse().unwrap();
    wire.exactly(length).await.to_vec()
}

async fn publish(addr: SocketAddr) {
    ask(addr, &format!("POST /publish?topic=large&events=1&size={SIZE}")).await;
}

/// The streams there are, those whose connections were handed over, and those that were given up.
async fn streams(addr: SocketAddr) -> [u64; 3] {
    let figures: Value = serde_json::from_slice(&ask(addr, "GET /figures").await).unwrap();
    ["streams", "handed_over", "stalled"].map(|name| figures[name].as_u64().unwrap())
}

/// Publishes, and reads a little now and then for three times as long as the server has patience, and then the rest.
async fn takes_a_large_event_slowly(request: &str, handed_over: u64) {
    let child = Child::start(TOPICS, &["2", "60"]).await;
    let addr = child.addr();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut client = within("a connection", socket.connect(addr)).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let mut wire = Wire::over(client);
    wire.head().await;
    publish(addr).await;
    let began = Instant::now();
    let mut received = 0;
    while began.elapsed() < 3 * PATIENCE {
        received += wire.some(16 * 1024).await;
        sleep(PATIENCE / 20).await;
    }
    assert!(received < SIZE / 2, "it was not slow: {received} bytes");
    assert_eq!(streams(addr).await, [1, handed_over, 0]);
    while received < SIZE {
        received += wire.some(64 * 1024).await;
    }
}

#[tokio::test]
async fn on_a_connection_that_was_handed_over() {
    takes_a_large_event_slowly("GET /large", 1).await;
}

#[tokio::test]
async fn in_actixs_dispatcher() {
    takes_a_large_event_slowly("POST /large", 0).await;
}

#[tokio::test]
async fn on_http2() {
    let child = Child::start(TOPICS, &["2", "60"]).await;
    let addr = child.addr();
    let mut client = Http2::with(addr, Builder::new().initial_window_size(20_000)).await;
    let (answer, _body) = client.request(Method::GET, "/large", true).await;
    let mut body = within("a head", answer).await.unwrap().into_body();
    let mut received = 0;
    let began = Instant::now();
    publish(addr).await;
    while received < SIZE {
        let frame = within("a frame", body.data()).await.unwrap().unwrap();
        received += frame.len();
        if began.elapsed() < 3 * PATIENCE {
            sleep(PATIENCE / 20).await;
        }
        body.flow_control().release_capacity(frame.len()).unwrap();
    }
    assert!(began.elapsed() >= 3 * PATIENCE, "it was not slow");
    assert_eq!(streams(addr).await, [1, 0, 0]);
}

/// Takes a byte now and then, until the server has given it up. It never takes the whole event, nor goes away by itself.
async fn takes_a_byte_now_and_then(request: &str, handed_over: u64) {
    let child = Child::start(TOPICS, &["2", "60"]).await;
    let addr = child.addr();
    let descriptors = || {
        let folder = format!("/proc/{}/fd", child.id());
        std::fs::read_dir(folder).unwrap().count()
    };
    // All that a server opens with its first connection is there.
    assert_eq!(streams(addr).await, [0, 0, 0]);
    let before = descriptors();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut client = within("a connection", socket.connect(addr)).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let mut wire = Wire::over(client);
    wire.head().await;
    until("its stream", async || streams(addr).await == [1, handed_over, 0]).await;
    publish(addr).await;
    let mut received = 0;
    until("it to be given up", async || {
        received += wire.some(1).await;
        sleep(PATIENCE / 40).await;
        streams(addr).await == [0, 0, 1]
    })
    .await;
    // The event is not kept for it, nor the connection.
    until("its connection to be closed", async || descriptors() <= before).await;
    let (rest, _) = wire.rest().await;
    received += rest.len();
    assert!(received < SIZE, "{received} bytes");
}

#[tokio::test]
async fn a_byte_now_and_then_is_no_reading() {
    takes_a_byte_now_and_then("GET /large", 1).await;
}

#[tokio::test]
async fn a_byte_now_and_then_is_no_reading_in_actixs_dispatcher() {
    takes_a_byte_now_and_then("POST /large", 0).await;
}

/// Its window is a byte, and so is each frame.
#[tokio::test]
async fn a_byte_now_and_then_is_no_reading_on_http2() {
    let child = Child::start(TOPICS, &["2", "60"]).await;
    let addr = child.addr();
    let mut client = Http2::with(addr, Builder::new().initial_window_size(1)).await;
    let (answer, _body) = client.request(Method::GET, "/large", true).await;
    let mut body = within("a head", answer).await.unwrap().into_body();
    until("its stream", async || streams(addr).await == [1, 0, 0]).await;
    publish(addr).await;
    until("it to be given up", async || {
        let frame = within("a frame", body.data()).await.unwrap().unwrap();
        body.flow_control().release_capacity(frame.len()).unwrap();
        sleep(PATIENCE / 40).await;
        streams(addr).await == [0, 0, 1]
    })
    .await;
}
