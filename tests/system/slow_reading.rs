//! Clients that read slowly: a large event takes them longer than a hub's patience, and they get it whole.

use std::time::{Duration, Instant};

use h2::client::Builder;
use http::Method;
use socket2::SockRef;
use sse_tests::{child::Child, http2::Http2, patience::within, wire::Wire};
use tokio::time::sleep;

use crate::never_reading::{TOPICS, ask_and_not_read, figures, publish_to};

const SIZE: usize = 3_000_000;

/// How long a client may leave everything unread.
const PATIENCE: Duration = Duration::from_secs(2);

/// Publishes, and reads a little now and then for three times as long as the server has patience, and then the rest.
async fn takes_a_large_event_slowly(request: &str, is_handed_over: bool) {
    let child = Child::start(TOPICS, &["2"]).await;
    let addr = child.addr();
    let client = ask_and_not_read(addr, request).await;
    let mut wire = Wire::over(client);
    wire.head().await;
    wire.chunk().await.unwrap();
    publish_to(addr, "large", 1, SIZE).await;
    let began = Instant::now();
    let mut received = 0;
    while began.elapsed() < 3 * PATIENCE {
        received += wire.some(16 * 1024).await;
        sleep(PATIENCE / 20).await;
    }
    assert!(received < SIZE, "it was not slow");
    let now = figures(addr).await;
    assert_eq!((now.streams, now.stalled), (1, 0));
    assert_eq!(now.handed_over, usize::from(is_handed_over));
    SockRef::from(wire.socket())
        .set_recv_buffer_size(1024 * 1024)
        .unwrap();
    while received < SIZE {
        received += wire.some(64 * 1024).await;
    }
}

#[tokio::test]
async fn on_a_connection_that_was_handed_over() {
    takes_a_large_event_slowly("GET /large", true).await;
}

#[tokio::test]
async fn in_actixs_dispatcher() {
    takes_a_large_event_slowly("POST /large", false).await;
}

#[tokio::test]
async fn on_http2() {
    let child = Child::start(TOPICS, &["2"]).await;
    let addr = child.addr();
    let mut client = Http2::with(addr, Builder::new().initial_window_size(20_000)).await;
    let (answer, _body) = client.request(Method::GET, "/large", true).await;
    let mut body = within("a head", answer).await.unwrap().into_body();
    let mut received = 0;
    let began = Instant::now();
    publish_to(addr, "large", 1, SIZE).await;
    while received < SIZE {
        let frame = within("a frame", body.data()).await.unwrap().unwrap();
        received += frame.len();
        if began.elapsed() < 3 * PATIENCE {
            sleep(PATIENCE / 20).await;
        }
        body.flow_control().release_capacity(frame.len()).unwrap();
    }
    assert!(began.elapsed() >= 3 * PATIENCE, "it was not slow");
    let now = figures(addr).await;
    assert_eq!((now.streams, now.stalled), (1, 0));
}
