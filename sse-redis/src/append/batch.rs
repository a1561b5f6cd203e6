use std::collections::HashMap;

use redis::{Script, ScriptInvocation, Value};
use sse_actix_core::{AppendError, Appended, Epoch, Keep, Position, TopicName};
use tokio::sync::oneshot;

use super::refusal;
use crate::{
    entry::{EntryId, MAX_BATCH, new_life, push_event},
    fault::Fault,
    keys::Keys,
    settings::{Settings, millis},
    shared::{Append, Pending, Shared},
    value::{items, text},
};

/// How many events and bytes of one topic go into one entry at most.
const MAX_BATCH_BYTES: usize = 64 * 1024;

/// How many events and bytes go into one call at most: Redis does nothing else meanwhile.
const MAX_CALL_EVENTS: usize = 512;
const MAX_CALL_BYTES: usize = 512 * 1024;

/// The largest number of events and bytes that the script reckons with.
const MAX_COUNT: u64 = 1 << 50;

type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// The events of one topic that become one entry.
struct Group {
    topic: TopicName,
    retention: sse_actix_core::Retention,
    /// Events, each with its key; without keys, all together.
    parts: Vec<Part>,
    bytes: usize,
    replies: Vec<(Reply, Pending)>,
}

struct Part {
    events: usize,
    key: String,
    payload: Vec<u8>,
}

/// Appends that go out together.
#[derive(Default)]
pub(super) struct Call {
    groups: Vec<Group>,
    /// The newest group of each topic.
    open: HashMap<TopicName, usize>,
    events: usize,
    bytes: usize,
}

impl Call {
    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.events >= MAX_CALL_EVENTS || self.bytes >= MAX_CALL_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn push(&mut self, append: Append) {
        let Append {
            topic,
            record,
            retention,
            place,
            reply,
        } = append;
        let keyed = retention.keeps() == Keep::LatestPerKey;
        let bytes = record.body().len();
        self.events += 1;
        self.bytes += bytes;
        let open = self.open.get(&topic).and_then(|at| self.groups.get_mut(*at));
        let group = match open {
            Some(group)
                if group.replies.len() < MAX_BATCH
                    && group.bytes + bytes <= MAX_BATCH_BYTES
                    && group.retention == retention =>
            {
                group
            }
            _ => {
                self.open.insert(topic.clone(), self.groups.len());
                self.groups.push(Group {
                    topic,
                    retention,
                    parts: Vec::new(),
                    bytes: 0,
                    replies: Vec::new(),
                });
                match self.groups.last_mut() {
                    Some(group) => group,
                    None => return,
                }
            }
        };
        group.bytes += bytes;
        group.replies.push((reply, place));
        if keyed || group.parts.is_empty() {
            group.parts.push(Part {
                events: 0,
                key: record.key_str().unwrap_or_default().to_owned(),
                payload: Vec::new(),
            });
        }
        if let Some(part) = group.parts.last_mut() {
            part.events += 1;
            push_event(&mut part.payload, &record);
        }
    }

    /// The call of the script.
    pub(super) fn invocation<'a>(
        &self,
        script: &'a Script,
        keys: &Keys,
        settings: &Settings,
        primary: &str,
    ) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(new_life())
            .arg(if primary.is_empty() { "-" } else { primary })
            .arg("PUBLISH");
        for group in &self.groups {
            let retention = &group.retention;
            call.key(keys.stream(&group.topic));
            let keyed = retention.keeps() == Keep::LatestPerKey;
            if keyed {
                call.key(keys.latest(&group.topic)).key(keys.ages(&group.topic));
            }
            call.arg(if keyed { 3 } else { 1 })
                .arg((retention.events() as u64).min(MAX_COUNT))
                .arg((retention.bytes() as u64).min(MAX_COUNT))
                .arg(millis(retention.age()))
                .arg(settings.topic_ttl(retention))
                .arg(group.parts.len());
            for part in &group.parts {
                call.arg(part.events).arg(&part.key).arg(&part.payload);
            }
        }
        call
    }

    /// Tells each event what has become of it. Returns whether the server is none that takes events any more.
    pub(super) fn answer(self, shared: &Shared, answer: Result<Value, Fault>) -> bool {
        let results = match answer.and_then(|value| Ok(items(value)?)) {
            Ok(results) => results,
            Err(fault) => {
                self.fail(&fault);
                return false;
            }
        };
        let mut results = results.into_iter();
        let mut is_of_replica = false;
        for group in self.groups {
            let outcome = Outcome::parse(results.next().unwrap_or_default());
            is_of_replica |= matches!(&outcome, Outcome::Refused(why) if refusal::is_of_replica(why));
            outcome.answer(shared, group);
        }
        is_of_replica
    }

    /// Nobody knows what has become of the events, unless Redis has refused the whole call.
    fn fail(self, fault: &Fault) {
        for group in self.groups {
            for (reply, place) in group.replies {
                drop(place);
                // Whoever published may be gone.
                let _ = reply.send(Err(super::error_of(fault)));
            }
        }
    }
}

/// What has become of one group.
enum Outcome {
    Appended {
        id: EntryId,
        life: u64,
        /// Why it was not announced.
        unheard: Option<String>,
    },
    Refused(String),
    Unknown(String),
}

impl Outcome {
    fn parse(value: Value) -> Self {
        Self::parse_words(value).unwrap_or_else(|| Self::Unknown(Fault::Unexpected.to_string()))
    }

    fn parse_words(value: Value) -> Option<Self> {
        let mut words = items(value).ok()?.into_iter();
        let Some(Value::Int(kind)) = words.next() else {
            return None;
        };
        let first = text(words.next()?).ok()?;
        match kind {
            0 => Some(Self::Appended {
                id: EntryId::parse(first.as_bytes())?,
                life: text(words.next()?).ok()?.parse().ok()?,
                unheard: words.next().and_then(|why| text(why).ok()),
            }),
            1 => Some(Self::Refused(first)),
            _ => Some(Self::Unknown(first)),
        }
    }

    fn answer(self, shared: &Shared, group: Group) {
        let topic = group.topic.as_str();
        match &self {
            Self::Appended { id, unheard, .. } => {
                shared.takes_events(None);
                if let Some(topic) = shared.topics.known(topic) {
                    topic.exists(*id);
                }
                if let Some(why) = unheard
                    && let Some(times) = shared.faults.count("notice")
                {
                    tracing::error!(
                        target: "sse_actix", topic, cause = %why, times,
                        "an event is not announced to the nodes; they find it within 10 s"
                    );
                }
            }
            Self::Refused(why) | Self::Unknown(why) => {
                refusal::note(shared, why);
                if let Some(times) = shared.faults.count(&format!("append {topic}")) {
                    tracing::warn!(target: "sse_actix", topic, cause = %why, times, "a topic takes no events");
                }
            }
        }
        for (index, (reply, place)) in group.replies.into_iter().enumerate() {
            drop(place);
            let result = match &self {
                Self::Appended { id, life, .. } => Ok(Appended {
                    position: Position {
                        epoch: Epoch::new(&group.topic, *life),
                        sequence: id.sequence(index),
                    },
                    repeated: false,
                }),
                Self::Refused(why) => Err(AppendError::Refused(refusal::explain(why).into())),
                Self::Unknown(why) => Err(AppendError::OutcomeUnknown(why.clone().into())),
            };
            // Whoever published may be gone.
            let _ = reply.send(result);
        }
    }
}
