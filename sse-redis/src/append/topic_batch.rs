use redis::ScriptInvocation;
use sse_actix_core::{AppendError, Appended, IdempotencyKey, Keep, Retention, TopicName};
use tokio::sync::oneshot;

use crate::{
    entry::{MAX_BATCH, push_event},
    keys::Keys,
    settings::{Settings, millis},
    shared::{Append, Pending},
};

/// How many bytes of one topic go into one entry at most.
const MAX_BATCH_BYTES: usize = 64 * 1024;

/// The largest number of events, bytes and keys in the script's arithmetic.
const MAX_COUNT: u64 = 1 << 50;

type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// The events of one topic that become one entry.
pub(super) struct TopicBatch {
    pub(super) topic: TopicName,
    retention: Retention,
    pub(super) parts: Vec<Part>,
    bytes: usize,
    /// For each event, its reply channel, and its permit.
    pub(super) replies: Vec<(Reply, Pending)>,
}

/// Events that the script handles together; a single event, if the topic is `latest()` or it has an idempotency key.
pub(super) struct Part {
    pub(super) events: usize,
    key: String,
    payload: Vec<u8>,
    idempotency_key: Option<IdempotencyKey>,
}

impl TopicBatch {
    /// Makes a batch that begins with this event.
    pub(super) fn of(first: Append) -> Self {
        let mut batch = Self {
            topic: first.topic.clone(),
            retention: first.retention.clone(),
            parts: Vec::new(),
            bytes: 0,
            replies: Vec::new(),
        };
        batch.push(first);
        batch
    }

    pub(super) fn has_room_for(&self, append: &Append) -> bool {
        self.replies.len() < MAX_BATCH
            && self.bytes + append.record.body().len() <= MAX_BATCH_BYTES
            && self.retention == append.retention
    }

    pub(super) fn push(&mut self, append: Append) {
        let record = append.record;
        self.bytes += record.body().len();
        self.replies.push((append.reply, append.permit));
        let idempotency_key = record.idempotency_key().cloned();
        let open = self.parts.last().filter(|part| part.idempotency_key.is_none());
        if self.is_keyed() || idempotency_key.is_some() || open.is_none() {
            self.parts.push(Part {
                events: 0,
                key: record.key_str().unwrap_or_default().to_owned(),
                payload: Vec::new(),
                idempotency_key,
            });
        }
        if let Some(part) = self.parts.last_mut() {
            part.events += 1;
            push_event(&mut part.payload, &record);
        }
    }

    fn is_keyed(&self) -> bool {
        self.retention.keeps() == Keep::LatestPerKey
    }

    /// Adds its keys and arguments to the call of the script.
    pub(super) fn add_to(&self, call: &mut ScriptInvocation<'_>, keys: &Keys, settings: &Settings) {
        let retention = &self.retention;
        let once = self.parts.iter().any(|part| part.idempotency_key.is_some());
        call.key(keys.stream(&self.topic));
        if self.is_keyed() {
            call.key(keys.latest(&self.topic)).key(keys.ages(&self.topic));
        }
        if once {
            call.key(keys.once(&self.topic)).key(keys.once_order(&self.topic));
        }
        let kinds = match (self.is_keyed(), once) {
            (false, false) => "-",
            (true, false) => "l",
            (false, true) => "o",
            (true, true) => "lo",
        };
        call.arg(kinds)
            .arg((retention.events() as u64).min(MAX_COUNT))
            .arg((retention.bytes() as u64).min(MAX_COUNT))
            .arg(millis(retention.age()))
            .arg(settings.topic_ttl(retention))
            .arg(self.parts.len());
        if once {
            let window = retention.once_window();
            call.arg(millis(window.age()))
                .arg((window.keys() as u64).min(MAX_COUNT));
        }
        for part in &self.parts {
            call.arg(part.events).arg(&part.key).arg(&part.payload);
            if once {
                call.arg(part.idempotency_key.as_ref().map_or("", IdempotencyKey::as_str));
            }
        }
    }
}
