//! A hub that is served, and clients that read its streams event for event.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{future::ready, net::SocketAddr};

use actix_web::web::{self, ServiceConfig};
use sse_actix::{EventId, Hub, test::Serving};

use crate::{serve::serve, wire::Wire};

/// Serves these routes, with the hub among the application's data.
pub fn serve_hub(hub: &Hub, routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static) -> Serving {
    let hub = web::Data::new(hub.clone());
    serve(move |app| {
        app.app_data(hub.clone());
        routes(app);
    })
}

/// Serves a subscription to this topic as `/`.
pub fn serve_topic(hub: &Hub, topic: &'static str) -> Serving {
    serve_hub(hub, move |app| {
        app.route(
            "/",
            web::get().to(move |hub: web::Data<Hub>| ready(hub.subscribe(topic))),
        );
    })
}

/// A stream, event for event as it is on the wire, but for those that tell a position.
#[derive(Debug)]
pub struct Reader {
    wire: Wire,
    unread: String,
}

/// How an event that tells a position begins.
pub const POSITION: &str = "event: sse-position\n";

impl Reader {
    /// A new client.
    pub async fn new(addr: SocketAddr, path: &str) -> Self {
        Self::with(addr, path, b"").await
    }

    /// One that comes back.
    pub async fn back(addr: SocketAddr, path: &str, id: impl AsRef<str>) -> Self {
        Self::with(addr, path, &last_event_id(id.as_ref().as_bytes())).await
    }

    /// One with further header lines, each with its line break.
    pub async fn with(addr: SocketAddr, path: &str, headers: &[u8]) -> Self {
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
    pub async fn next(&mut self) -> String {
        loop {
            let next = self.next_with_positions().await;
            if !next.starts_with(POSITION) {
                return next;
            }
        }
    }

    /// As [`next`](Self::next), with the events that tell a position.
    pub async fn next_with_positions(&mut self) -> String {
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
    pub async fn take(&mut self, events: usize) -> Vec<String> {
        let mut taken = Vec::new();
        while taken.len() < events {
            taken.push(self.next().await);
        }
        taken
    }

    /// Waits until the connection ends, in whatever way.
    pub async fn cut(mut self) {
        // Which way says nothing to a browser.
        let _ = self.wire.rest().await;
    }

    /// Everything up to the end of the stream.
    pub async fn rest(&mut self) -> String {
        let rest = std::mem::take(&mut self.unread) + &self.wire.body().await;
        without_positions(&rest)
    }
}

/// A stream without the events that tell a position.
pub fn without_positions(stream: &str) -> String {
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

/// The header of a client that comes back.
pub fn last_event_id(id: &[u8]) -> Vec<u8> {
    [b"Last-Event-ID: ", id, b"\r\n"].concat()
}

/// An event without a name.
pub fn event(id: impl AsRef<str>, data: impl std::fmt::Display) -> String {
    format!("id: {}\ndata: {data}\n\n", id.as_ref())
}

/// What tells of a gap.
pub fn gap(id: impl AsRef<str>, missed: Option<u64>) -> String {
    let missed = missed.map_or("null".to_owned(), |missed| missed.to_string());
    format!(
        "event: sse-gap\nid: {}\ndata: {{\"missed\":{missed}}}\n\n",
        id.as_ref()
    )
}

/// The data of events.
pub fn data(events: &[String]) -> Vec<&str> {
    let parts = events
        .iter()
        .map(|event| event.split_once("data: ").unwrap_or_else(|| panic!("{event:?}")));
    parts.map(|(_, data)| data.trim_end()).collect()
}

/// An event's id; empty if it has none.
pub fn id_of(event: &str) -> &str {
    let mut lines = event.lines();
    lines.find_map(|line| line.strip_prefix("id: ")).unwrap_or("")
}

/// Publishes numbers.
pub async fn count(hub: &Hub, topic: &'static str, numbers: impl IntoIterator<Item = u64>) -> Vec<EventId> {
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(hub.topic(topic).publish(&number).await.unwrap());
    }
    ids
}
