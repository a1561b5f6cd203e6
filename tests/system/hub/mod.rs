//! The hub, byte for byte, through sockets.

mod failing_log;
mod filters;
mod follow;
mod freed;
mod gaps;
mod handover;
pub(crate) mod hooked_log;
mod inside;
mod lifetime;
mod limits;
mod lives;
mod modes;
mod place;
pub(crate) mod position;
mod presence;
mod publish;
mod revocation;
mod runtimes;
mod several;
mod shutdown;
pub(crate) mod slow_log;
mod snapshot;
mod stats;

use std::{future::ready, net::SocketAddr};

use actix_web::web::{self, ServiceConfig};
use sse_actix::{EventId, Hub, Position, test::Serving};
use sse_tests::{patience::until, serve::serve, wire::Wire};
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves these routes, with the hub among the application's data.
pub(crate) fn serve_hub(hub: &Hub, routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static) -> Serving {
    let hub = web::Data::new(hub.clone());
    serve(move |app| {
        app.app_data(hub.clone());
        routes(app);
    })
}

/// Serves a subscription to this topic as `/`.
pub(crate) fn serve_topic(hub: &Hub, topic: &'static str) -> Serving {
    serve_hub(hub, move |app| {
        app.route(
            "/",
            web::get().to(move |hub: web::Data<Hub>| ready(hub.subscribe(topic))),
        );
    })
}

/// A stream, event for event as it is on the wire, but for those that tell a position.
pub(crate) struct Reader {
    wire: Wire,
    unread: String,
}

const POSITION: &str = "event: sse-position\n";

impl Reader {
    /// A new client.
    pub(crate) async fn new(addr: SocketAddr, path: &str) -> Self {
        Self::with(addr, path, b"").await
    }

    /// One that comes back.
    pub(crate) async fn back(addr: SocketAddr, path: &str, id: impl AsRef<str>) -> Self {
        Self::with(addr, path, &last_event_id(id.as_ref().as_bytes())).await
    }

    pub(crate) async fn with(addr: SocketAddr, path: &str, headers: &[u8]) -> Self {
        let mut wire = Wire::get_with(addr, path, headers).await;
        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(head.values("content-type"), ["text/event-stream"]);
        let mut reader = Self {
            wire,
            unread: String::new(),
        };
        assert_eq!(reader.next().await, "retry: 3000\n");
        reader
    }

    /// The next event, through its empty line, or line that is no event's.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            let next = self.next_with_positions().await;
            if !next.starts_with(POSITION) {
                return next;
            }
        }
    }

    /// As [`next`](Self::next), with the events that tell a position.
    pub(crate) async fn next_with_positions(&mut self) -> String {
        loop {
            let is_alone = self.unread.starts_with([':', 'r']);
            let end = if is_alone { "\n" } else { "\n\n" };
            if let Some(at) = self.unread.find(end) {
                return self.unread.drain(..at + end.len()).collect();
            }
            let chunk = self.wire.chunk().await;
            let chunk = chunk.unwrap_or_else(|| panic!("the stream ended after {:?}", self.unread));
            self.unread.push_str(str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next events.
    pub(crate) async fn take(&mut self, events: usize) -> Vec<String> {
        let mut taken = Vec::new();
        while taken.len() < events {
            taken.push(self.next().await);
        }
        taken
    }

    /// Waits until the connection ends, in whatever way.
    pub(crate) async fn cut(mut self) {
        // Which way says nothing to a browser.
        let _ = self.wire.rest().await;
    }

    /// Everything up to the end of the stream.
    pub(crate) async fn rest(&mut self) -> String {
        let rest = std::mem::take(&mut self.unread) + &self.wire.body().await;
        without_positions(&rest)
    }
}

/// A stream without the events that tell a position.
pub(crate) fn without_positions(stream: &str) -> String {
    let mut rest = String::new();
    for piece in stream.split_inclusive("\n\n") {
        match piece.find(POSITION) {
            // Lines that are no event's may stand before it.
            Some(at) => rest.push_str(piece.split_at(at).0),
            None => rest.push_str(piece),
        }
    }
    rest
}

/// Waits until a topic has a reader.
pub(crate) async fn until_reads(hub: &Hub, topic: &str) {
    until("a reader", async || {
        hub.stats()
            .topic(topic)
            .is_some_and(|topic| topic.subscribers > 0)
    })
    .await;
}

/// The first chunk of a stream, without the event that tells the position.
pub(crate) async fn opening<T: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<T>) -> String {
    let chunk = wire.chunk().await.unwrap();
    let chunk = str::from_utf8(&chunk).unwrap();
    assert!(chunk.contains(POSITION), "{chunk:?}");
    without_positions(chunk)
}

pub(crate) fn last_event_id(id: &[u8]) -> Vec<u8> {
    [b"Last-Event-ID: ", id, b"\r\n"].concat()
}

/// An event without a name.
pub(crate) fn event(id: impl AsRef<str>, data: impl std::fmt::Display) -> String {
    format!("id: {}\ndata: {data}\n\n", id.as_ref())
}

/// What tells of a gap.
pub(crate) fn gap(id: impl AsRef<str>, missed: Option<u64>) -> String {
    let missed = missed.map_or("null".to_owned(), |missed| missed.to_string());
    format!(
        "event: sse-gap\nid: {}\ndata: {{\"missed\":{missed}}}\n\n",
        id.as_ref()
    )
}

/// The id of another event of the same topic.
fn sibling(id: &EventId, sequence: u64) -> String {
    let epoch = Position::parse(id.as_str()).unwrap().epoch;
    Position { epoch, sequence }.to_string()
}

/// The data of events.
pub(crate) fn data(events: &[String]) -> Vec<&str> {
    let parts = events
        .iter()
        .map(|event| event.split_once("data: ").unwrap_or_else(|| panic!("{event:?}")));
    parts.map(|(_, data)| data.trim_end()).collect()
}

/// An event's id; empty if it has none.
pub(crate) fn id_of(event: &str) -> &str {
    let mut lines = event.lines();
    lines.find_map(|line| line.strip_prefix("id: ")).unwrap_or("")
}

/// Publishes numbers.
pub(crate) async fn count(
    hub: &Hub,
    topic: &'static str,
    numbers: impl IntoIterator<Item = u64>,
) -> Vec<EventId> {
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(hub.topic(topic).publish(&number).await.unwrap());
    }
    ids
}
