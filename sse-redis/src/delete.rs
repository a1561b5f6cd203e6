//! Deleting a topic.

use std::{rc::Rc, sync::LazyLock, time::Duration};

use redis::{Script, Value};
use sse_actix_core::{DeleteError, TopicName};
use tokio::time::{Instant, sleep};

use crate::{
    append::is_refusal,
    connect::{Primaries, Session},
    entry::{EntryId, HEADER_SCRIPT, new_epoch_number},
    fault::Fault,
    settings::millis,
    shared::Shared,
    value::text,
};

/// How long it waits before it asks again where the keys are.
const PAUSE: Duration = Duration::from_millis(20);

static SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{HEADER_SCRIPT}{}", include_str!("delete/delete.lua"))));

/// Deletes a topic, wherever it is.
pub(crate) async fn delete(
    shared: &Shared,
    primaries: &Primaries,
    topic: &TopicName,
) -> Result<(), DeleteError> {
    let group = shared.keys.group(topic);
    let until = Instant::now() + shared.settings.response_timeout;
    loop {
        let session = primaries.session_of(group, shared.settings.publish_wait).await;
        let Some(session) = session else {
            return Err(DeleteError::Refused(shared.unreachable_fault().into()));
        };
        match invoke(shared, &session, topic).await {
            Ok(answer) => {
                let id = text(answer).ok().and_then(|id| EntryId::parse(id.as_bytes()));
                if let (Some(id), Some(known)) = (id, shared.topics.known(topic.as_str())) {
                    // From now on, a read on this node waits until the node knows this entry.
                    known.note_exists(id);
                }
                return Ok(());
            }
            Err(fault) if fault.is_of_slot() && Instant::now() < until => {
                primaries.refresh_owners(until).await;
                sleep(PAUSE).await;
            }
            Err(fault) => {
                let text = fault.to_string();
                return Err(if is_refusal(&fault) {
                    DeleteError::Refused(text.into())
                } else {
                    DeleteError::OutcomeUnknown(text.into())
                });
            }
        }
    }
}

async fn invoke(shared: &Shared, session: &Rc<Session>, topic: &TopicName) -> Result<Value, Fault> {
    let keys = &shared.keys;
    let primary = session.primary.borrow().clone();
    let known = shared.topics.known(topic.as_str());
    let ttl = known.map_or(shared.settings.topic_ttl, |topic| {
        topic.keys_ttl(shared.settings.topic_ttl)
    });
    let mut call = SCRIPT.key(keys.stream(topic));
    call.key(keys.latest(topic)).key(keys.ages(topic));
    call.key(keys.once(topic)).key(keys.once_order(topic));
    call.arg(new_epoch_number())
        .arg(if primary.is_empty() { "-" } else { &primary })
        .arg(shared.keys.publish())
        .arg(millis(ttl));
    let mut connection = session.publishing.clone();
    let answer = call.invoke_async(&mut connection).await;
    answer.map_err(Fault::Redis)
}
