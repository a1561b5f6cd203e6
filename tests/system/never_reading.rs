//! Clients that ask for a stream and do not read it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use h2::client::Builder;
use http::Method;
use serde::Deserialize;
use socket2::SockRef;
use sse_tests::{
    child::Child,
    http2::Http2,
    patience::{until, within},
    wire::{Wire, report},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

use crate::hub::{opening, without_positions};

const TOPICS: &str = env!("CARGO_BIN_EXE_topics");

#[derive(Debug, Deserialize)]
struct Figures {
    streams: usize,
    handed_over: usize,
    subscribers: usize,
    stalled: u64,
    heap: usize,
}

async fn ask<T>(addr: SocketAddr, request: &str, read: impl FnOnce(&[u8]) -> T) -> T {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!(
        "{request} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    let length = wire.head().await.values("content-length")[0].parse().unwrap();
    read(&wire.exactly(length).await)
}

async fn figures(addr: SocketAddr) -> Figures {
    ask(addr, "GET /figures", |json| serde_json::from_slice(json).unwrap()).await
}

/// Publishes, and says the last id.
async fn publish(addr: SocketAddr, events: usize) -> String {
    publish_to(addr, "events", events, 1_000).await
}

async fn publish_to(addr: SocketAddr, topic: &str, events: usize, size: usize) -> String {
    let path = format!("POST /publish?topic={topic}&events={events}&size={size}");
    ask(addr, &path, |id| String::from_utf8(id.to_vec()).unwrap()).await
}

/// Asks for a stream, with as little room for it as the kernel lets it have.
async fn ask_and_not_read(addr: SocketAddr, request: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut stream = within("a connection", socket.connect(addr)).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// One that reads, and knows what it has read.
struct Reader {
    wire: Wire,
    text: String,
}

impl Reader {
    async fn new(addr: SocketAddr) -> Self {
        let mut wire = Wire::get(addr, "/events").await;
        wire.head().await;
        assert_eq!(opening(&mut wire).await, "retry: 3000\n");
        Self {
            wire,
            text: String::new(),
        }
    }

    /// Reads until it has the event with this id, and says how long that took.
    async fn read_to(&mut self, id: &str) -> Duration {
        let began = Instant::now();
        let line = format!("id: {id}\n");
        while !self.text.contains(&line) {
            let chunk = self.wire.chunk().await.expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        began.elapsed()
    }
}

#[tokio::test]
async fn ten_thousand_cost_the_others_nothing_and_are_gone_in_time() {
    const CLIENTS: usize = 9_000;
    let child = Child::start(TOPICS, &[]).await;
    let addr = child.addr();
    let mut reader = Reader::new(addr).await;
    let alone = {
        let id = publish(addr, 10).await;
        reader.read_to(&id).await
    };

    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(ask_and_not_read(addr, "GET /events").await);
    }
    until("all to be there", async || {
        figures(addr).await.streams == CLIENTS + 1
    })
    .await;
    let before = figures(addr).await.heap;

    let (mut heap, mut slowest) = (0, Duration::ZERO);
    let began = Instant::now();
    while figures(addr).await.streams > 1 {
        let id = publish(addr, 10).await;
        slowest = slowest.max(reader.read_to(&id).await);
        heap = heap.max(figures(addr).await.heap);
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}",
            figures(addr).await
        );
    }
    report("ten events beside nobody", alone);
    report("ten events beside those who do not read, at most", slowest);
    report("until they were gone", began.elapsed());
    let each = heap.saturating_sub(before) / CLIENTS;
    println!("{each} bytes more for each at most");
    // actix's write buffer, which is all that a connection may hold of what its client does not take.
    assert!(each < 64 * 1024, "{each} bytes more for each");
    let figures = figures(addr).await;
    assert_eq!((figures.streams, figures.subscribers), (1, 1));
    assert!(figures.stalled > 0);
}

#[tokio::test]
async fn blocked_by_the_flow_control_of_http2_frees_its_seat() {
    let child = Child::start(TOPICS, &[]).await;
    let addr = child.addr();
    let mut settings = Builder::new();
    settings.initial_window_size(1_000);
    let mut client = Http2::with(addr, &settings).await;
    let (answer, _body) = client.request(Method::GET, "/events", true).await;
    let answer = within("a head", answer).await.unwrap();
    until("the stream to be there", async || {
        figures(addr).await.streams == 1
    })
    .await;

    publish(addr, 100).await;
    until("its permit to be given back", async || {
        figures(addr).await.streams == 0
    })
    .await;
    let figures = figures(addr).await;
    assert_eq!((figures.subscribers, figures.stalled), (0, 1));

    // When it reads again, it gets what was on its way, and the end: it comes back, and resumes.
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(frame) = within("the rest", body.data()).await {
        let frame = frame.unwrap();
        body.flow_control().release_capacity(frame.len()).unwrap();
        text.extend_from_slice(&frame);
    }
    let text = String::from_utf8(text).unwrap();
    let text = without_positions(&text);
    assert!(text.starts_with("retry: 3000\nid: "), "{text}");
    let last = text.trim_end().rsplit('\n').next().unwrap();
    assert!(last.starts_with("retry: "), "{last}");
}

/// What the streams of one large event may hold beside the event, each and together.
const EACH: usize = 96 * 1024;
const ALL: usize = 8 * 1024 * 1024;

/// Clients ask for a stream and do not read, and one large event is published to this topic. Then one of them
/// reads: `id` makes the end of the event's id line.
async fn share_one_large_event(request: &str, topic: &str, is_handed_over: bool, id: fn(&str) -> String) {
    const CLIENTS: usize = 100;
    const SIZE: usize = 3_500_000;

    let child = Child::start(TOPICS, &["60"]).await;
    let addr = child.addr();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(ask_and_not_read(addr, request).await);
    }
    let handed_over = if is_handed_over { CLIENTS } else { 0 };
    until("all to be there", async || {
        let figures = figures(addr).await;
        (figures.streams, figures.handed_over) == (CLIENTS, handed_over)
    })
    .await;
    let before = figures(addr).await.heap;

    let published = publish_to(addr, topic, 1, SIZE).await;
    let (mut most, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(1) {
        most = most.max(figures(addr).await.heap);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let more = most.saturating_sub(before);
    println!("{request}: {more} bytes more for {CLIENTS}");
    assert!(more < CLIENTS * EACH + ALL, "{more} bytes more");
    assert_eq!(figures(addr).await.streams, CLIENTS);

    let client = clients.swap_remove(CLIENTS / 2);
    SockRef::from(&client).set_recv_buffer_size(1024 * 1024).unwrap();
    let mut wire = Wire::over(client);
    wire.head().await;
    let event = format!("{}data: {}\n\n", id(&published), "x".repeat(SIZE));
    let mut text = String::new();
    while text.len() < event.len() || !text.ends_with("\n\n") {
        let chunk = wire.chunk().await.expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let (opening, rest) = text.split_at(text.len() - event.len());
    assert!(rest == event, "{:?}", rest.split_at(200).0);
    assert!(
        opening.is_empty() || opening.starts_with("retry: 3000\n"),
        "{opening:?}"
    );
}

#[tokio::test]
async fn a_large_event_is_shared_by_those_handed_over() {
    share_one_large_event("GET /large", "large", true, |id| format!("id: {id}\n")).await;
}

#[tokio::test]
async fn a_large_event_is_shared_by_those_in_actixs_dispatcher() {
    share_one_large_event("POST /large", "large", false, |id| format!("id: {id}\n")).await;
}

#[tokio::test]
async fn a_large_event_without_an_id_is_shared() {
    share_one_large_event("GET /transient", "transient", true, |_| String::new()).await;
}

#[tokio::test]
async fn a_large_event_of_one_topic_of_two_is_shared() {
    // Before it stands the position in the other topic.
    share_one_large_event("GET /two", "large", true, |id| format!(",{id}\n")).await;
}

#[tokio::test]
async fn a_large_frame_that_each_stream_emits_is_shared() {
    share_one_large_event("GET /emitted", "large", false, |id| format!("id: {id}\n")).await;
}

#[tokio::test]
async fn a_large_frame_of_one_topic_of_two_that_each_stream_emits_is_shared() {
    share_one_large_event("GET /emitted_two", "large", false, |id| format!(",{id}\n")).await;
}
