//! The content of a message.

use std::time::Duration;

use sse_actix_core::ClusterMessage;

use super::{MessageId, waiting::Revoked};
use crate::{
    connect::{Clock, Hearing},
    settings::millis,
};

/// A message. First comes a time, if it is known: the clock of Redis showed at least this time when the message was
/// written. Then come the revocations. Each has its tag, and says how many milliseconds before that time it happened.
type Message = (Option<u64>, Vec<(String, u64)>);

/// How long a message may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Writes the message for these revocations.
pub(super) fn write(clock: Option<Clock>, revoked: &[(String, Revoked)]) -> String {
    let written = clock.map(|clock| clock.at_least());
    let told = revoked.iter();
    // Rounded up, because a time that is too long is safe.
    let told = told.map(|(tag, revoked)| (tag.clone(), millis(revoked.since.elapsed()) + 1));
    let message: Message = (written, told.collect());
    serde_json::to_string(&message).unwrap_or_default()
}

pub(super) fn parse(id: MessageId, kind: &str, what: &str, hearing: &Hearing) -> Vec<ClusterMessage> {
    match kind {
        "revoked" => {
            let Ok((written, told)) = serde_json::from_str::<Message>(what) else {
                return Vec::new();
            };
            let age = age_of(id, written, hearing);
            told.into_iter()
                .map(|(tag, ago)| ClusterMessage::Revoked {
                    tag,
                    within: age.saturating_add(Duration::from_millis(ago)),
                })
                .collect()
        }
        "lost" => vec![ClusterMessage::RevokedUnknown],
        _ => Vec::new(),
    }
}

/// How long ago a message was written, at most.
fn age_of((appended, _): MessageId, written: Option<u64>, hearing: &Hearing) -> Duration {
    match (hearing.clock(), written) {
        (Some(clock), Some(written)) => Duration::from_millis(clock.at_most().saturating_sub(written)),
        (Some(clock), None) => ON_ITS_WAY + Duration::from_millis(clock.at_most().saturating_sub(appended)),
        (None, _) => ON_ITS_WAY + hearing.published_after().elapsed(),
    }
}
