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
mod several_late;
mod shutdown;
pub(crate) mod slow_log;
mod snapshot;
mod stats;

use sse_actix::{EventId, Hub, Position};
use sse_tests::{patience::until, wire::Wire};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use sse_tests::hub::{
    POSITION, Reader, count, data, event, gap, id_of, last_event_id, serve_hub, serve_topic,
    without_positions,
};

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

/// The id of another event of the same topic.
fn sibling(id: &EventId, sequence: u64) -> String {
    let epoch = Position::parse(id.as_str()).unwrap().epoch;
    Position { epoch, sequence }.to_string()
}
