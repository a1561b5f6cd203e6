//! Receives what Redis sends on the subscribed connection.

use std::sync::Arc;

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};

use crate::{
    connect::{Hearing, Receiver},
    entry::{LOOK, Stored},
    shared::{Nudge, Nudges, Shared},
    topic::{Needs, Topic},
};

/// Makes the function that handles the notices of a session. The function runs where notices are read from the socket,
/// so they do not pile up. When an answer arrives on this connection, all notices before it have been handled.
pub(super) fn receiver(shared: Arc<Shared>, session: u64, hearing: Arc<Hearing>, nudges: Nudges) -> Receiver {
    let receiver = NoticeReceiver {
        shared,
        session,
        hearing,
        nudges,
    };
    Box::new(move |push: PushInfo| match push.kind {
        PushKind::Message | PushKind::SMessage => {
            if let Some((channel, message)) = parts(push.data) {
                receiver.take(&channel, message);
            }
        }
        PushKind::SUnsubscribe if receiver.hearing.note_unsubscribed() => {
            let _ = receiver.nudges.send(Nudge::SlotsMoved);
        }
        PushKind::Disconnection => {
            // Code that uses the session notices its end as well, but later.
            let _ = receiver.nudges.send(Nudge::Disconnected(session));
        }
        _ => {}
    })
}

struct NoticeReceiver {
    shared: Arc<Shared>,
    session: u64,
    hearing: Arc<Hearing>,
    nudges: Nudges,
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

impl NoticeReceiver {
    fn take(&self, channel: &str, message: Vec<u8>) {
        let nodes = &self.shared.nodes;
        if let Some(topic) = self.shared.topics.of_channel(channel) {
            self.take_notice(topic, message);
        } else if let Some(group) = self.shared.keys.group_of_revoked(channel) {
            match nodes
                .revocations
                .receive(&nodes.name, group, &message, &self.hearing)
            {
                Some(messages) => nodes.announce(messages),
                // Fails only when the log's thread has ended.
                None => drop(self.nudges.send(Nudge::RevocationsMissed(self.session))),
            }
        } else if channel == nodes.presence.channel {
            nodes.announce(nodes.presence.receive(&nodes.name, &message));
        } else if message == self.session.to_string().as_bytes() {
            self.hearing.hear();
        }
    }

    fn take_notice(&self, topic: Arc<Topic>, message: Vec<u8>) {
        if !topic.is_followed_in(self.session) {
            return;
        }
        if message == LOOK {
            topic.request_newest();
            let _ = self.nudges.send(Nudge::Work(topic));
            return;
        }
        let Some(stored) = Stored::parse_notice(Bytes::from(message)) else {
            if let Some(times) = self.shared.faults.count(&format!("notice {}", topic.name)) {
                tracing::error!(
                    target: "sse_actix", topic = topic.name.as_str(), times,
                    "another program publishes on a topic's channel"
                );
            }
            return;
        };
        if topic.receive(self.session, stored) != Needs::default() {
            let _ = self.nudges.send(Nudge::Work(topic));
        }
    }
}
