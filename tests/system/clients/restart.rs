//! The server's process is killed, or told to stop, and started again.

use std::net::{SocketAddr, TcpListener};

use futures_util::future::join_all;
use rustix::process::Signal;
use sse_tests::{child::Child, redis::Redis, wire::Wire};

use super::{
    are_installed,
    client::{Client, Running},
};

const NODE: &str = env!("CARGO_BIN_EXE_node");

/// A node that is always at the same address.
struct Node {
    log: String,
    addr: SocketAddr,
    child: Child,
}

impl Node {
    /// Starts one whose log is there: an address of Redis, or `memory`.
    async fn start(log: &str) -> Self {
        let addr = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let child = Self::child(log, addr).await;
        Self {
            log: log.to_owned(),
            addr,
            child,
        }
    }

    async fn child(log: &str, addr: SocketAddr) -> Child {
        Child::start(NODE, &[log, &addr.port().to_string()]).await
    }

    fn url(&self) -> String {
        format!("http://{}/events", self.addr)
    }

    async fn publish(&self, data: &str) {
        let mut wire = Wire::connect(self.addr).await;
        let length = data.len();
        wire.send(format!(
            "POST /publish HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{data}"
        ))
        .await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    }

    /// Ends it so, and starts it again.
    async fn restart(self, signal: Signal) -> Self {
        self.child.signal(signal);
        let status = self.child.ended().await;
        assert_eq!(status.success(), signal == Signal::TERM, "{status}");
        let child = Self::child(&self.log, self.addr).await;
        Self { child, ..self }
    }
}

/// Waits until each of them was given these.
async fn all_have(readers: &mut [(Client, Running)], events: &[&str]) {
    join_all(readers.iter_mut().map(async |(client, reader)| {
        assert_eq!(reader.data(events.len()).await, events, "{client:?}");
    }))
    .await;
}

fn readers(node: &Node) -> [(Client, Running); 6] {
    Client::READERS.map(|client| (client, client.read(&node.url())))
}

#[tokio::test]
async fn with_redis_every_event_arrives_once() {
    if !are_installed() {
        return;
    }
    let redis = Redis::start();
    let mut node = Node::start(&redis.url()).await;
    let mut readers = readers(&node);
    node.publish("1").await;
    all_have(&mut readers, &["1"]).await;
    node.publish("2").await;
    for (signal, next) in [(Signal::KILL, "3"), (Signal::TERM, "4")] {
        node = node.restart(signal).await;
        node.publish(next).await;
    }
    all_have(&mut readers, &["2", "3", "4"]).await;
}

#[tokio::test]
async fn in_memory_every_client_is_told_of_one_gap() {
    if !are_installed() {
        return;
    }
    let node = Node::start("memory").await;
    let mut readers = readers(&node);
    node.publish("1").await;
    all_have(&mut readers, &["1"]).await;
    let node = node.restart(Signal::KILL).await;
    node.publish("2").await;
    let gaps = readers.iter_mut().map(async |(client, reader)| {
        let gap = reader.event().await;
        assert_eq!(gap.name, "sse-gap", "{client:?}");
        assert_eq!(gap.data, "{\"missed\":null}", "{client:?}");
    });
    join_all(gaps).await;
    all_have(&mut readers, &["2"]).await;
    node.publish("3").await;
    all_have(&mut readers, &["3"]).await;
}
