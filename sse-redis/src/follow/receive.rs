//! Receives what Redis sends on the subscribed connection.

use std::sync::Arc;

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};

use crate::{
    connect::Receiver,
    entry::Stored,
    shared::{Nudge, Nudges, Shared},
    topic::Needs,
};

/// The handler of a session's notices. It runs where they are read from the socket, so that no queue builds up before
/// it, and all notices before an answer on this connection were handled before that answer.
pub(super) fn receiver(shared: Arc<Shared>, session: u64, nudges: Nudges) -> Receiver {
    Box::new(move |push: PushInfo| match push.kind {
        PushKind::Message | PushKind::SMessage => {
            if let Some((channel, message)) = parts(push.data) {
                take(&shared, session, &nudges, &channel, message);
            }
        }
        PushKind::Disconnection => {
            // Code that uses the session notices its end; this notices it sooner.
            let _ = nudges.send(Nudge::Disconnected(session));
        }
        _ => {}
    })
}

fn parts(data: Vec<Value>) -> Option<(String, Vec<u8>)> {
    let mut data = data.into_iter();
    match (data.next()?, data.next()?) {
        (Value::BulkString(channel), Value::BulkString(message)) => {
            Some((String::from_utf8(channel).ok()?, message))
        }
        _ => None,
    }
}

fn take(shared: &Shared, session: u64, nudges: &Nudges, channel: &str, message: Vec<u8>) {
    let nodes = &shared.nodes;
    if let Some(topic) = shared.topics.of_channel(channel) {
        if !shared.receiving.is_current(session) {
            return;
        }
        let Some(stored) = Stored::parse_notice(Bytes::from(message)) else {
            if let Some(times) = shared.faults.count(&format!("notice {}", topic.name)) {
                tracing::error!(
                    target: "sse_actix", topic = topic.name.as_str(), times,
                    "another program publishes on a topic's channel"
                );
            }
            return;
        };
        if topic.receive(stored) != Needs::default() {
            // The thread ends with the log.
            let _ = nudges.send(Nudge::Work(topic));
        }
    } else if channel == nodes.revocations.channel {
        match nodes.revocations.receive(&nodes.name, &message) {
            Some(messages) => nodes.announce(messages),
            None => drop(nudges.send(Nudge::RevocationsMissed(session))),
        }
    } else if channel == nodes.presence.channel {
        nodes.announce(nodes.presence.receive(&nodes.name, &message));
    } else if message == session.to_string().as_bytes() {
        shared.receiving.hear(session);
    }
}
