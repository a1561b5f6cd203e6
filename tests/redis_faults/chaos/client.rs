//! A reader that moves between nodes, and notes what it is given.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fastrand::Rng;
use sse_actix::{Decoded, Decoder, Message};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    checker::{LAST, Seen},
    faults::World,
};
use crate::harness::node::Node;

const POSITION: &str = "sse-position";
const GAP: &str = "sse-gap";

/// One answer.
struct Stream {
    socket: TcpStream,
    decoder: Decoder,
    head: Option<Vec<u8>>,
}

impl Stream {
    async fn open(addr: SocketAddr, path: &str, last: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(addr).await?;
        let header = if last.is_empty() {
            String::new()
        } else {
            format!("Last-Event-ID: {last}\r\n")
        };
        let request = format!("GET /{path} HTTP/1.0\r\n{header}\r\n");
        socket.write_all(request.as_bytes()).await?;
        Ok(Self {
            socket,
            decoder: Decoder::new(),
            head: Some(Vec::new()),
        })
    }

    /// The next events; `None` at the end, or if none comes in time.
    async fn next(&mut self, limit: Duration) -> Option<Vec<Message>> {
        let mut chunk = vec![0; 64 * 1024];
        let Ok(Ok(length @ 1..)) = timeout(limit, self.socket.read(&mut chunk)).await else {
            return None;
        };
        chunk.truncate(length);
        if let Some(head) = &mut self.head {
            head.extend_from_slice(&chunk);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Some(Vec::new());
            };
            assert!(head.starts_with(b"HTTP/1.0 200"), "{}", head.escape_ascii());
            chunk = head.split_off(end + 4);
            self.head = None;
        }
        self.decoder.feed(Bytes::from(chunk));
        let messages = self.decoder.by_ref().filter_map(|item| match item.unwrap() {
            Decoded::Message(message) => Some(message),
            _ => None,
        });
        Some(messages.collect())
    }
}

/// Reads a topic until its last event.
pub(super) async fn read(world: Rc<World>, topic: &'static str, mut rng: Rng) -> Vec<Seen> {
    let (mut record, mut last) = (Vec::new(), String::new());
    loop {
        let addr = world.node(rng.usize(..)).addr();
        let Ok(mut stream) = Stream::open(addr, topic, &last).await else {
            sleep(Duration::from_millis(rng.u64(20..100))).await;
            continue;
        };
        let until = Instant::now() + Duration::from_millis(rng.u64(200..6_000));
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let Some(messages) = stream.next(left).await else {
                break;
            };
            for message in messages {
                last = message.last_event_id.to_string();
                match &*message.event {
                    POSITION => {}
                    GAP => {
                        assert!(
                            world.may_lose(),
                            "{topic}: a gap, and nothing can be lost: {}",
                            message.data
                        );
                        record.push(Seen::Gap);
                    }
                    _ => {
                        let data = message.data.trim_end().to_owned();
                        let is_last = data == LAST;
                        record.push(Seen::Event {
                            id: last.clone(),
                            data,
                        });
                        if is_last {
                            return record;
                        }
                    }
                }
            }
        }
    }
}

/// Everything that a topic holds.
pub(super) async fn history(node: &Node, topic: &str) -> Vec<String> {
    let mut stream = Stream::open(node.addr(), &format!("{topic}?history=true"), "")
        .await
        .unwrap();
    let mut events = Vec::new();
    while events.last().is_none_or(|last| last != LAST) {
        let messages = stream.next(Duration::from_secs(20)).await.unwrap();
        let of_ours = messages
            .into_iter()
            .filter(|message| &*message.event == "message");
        events.extend(of_ours.map(|message| message.data.trim_end().to_owned()));
    }
    events
}
