use std::collections::HashMap;

use redis::{Script, ScriptInvocation, Value};
use sse_actix_core::TopicName;

use super::{outcome::Outcome, refusal, topic_batch::TopicBatch};
use crate::{
    entry::new_epoch_number,
    fault::Fault,
    keys::Keys,
    settings::Settings,
    shared::{Append, Shared},
    value::items,
};

/// How many events and bytes go into one call at most: Redis does nothing else meanwhile.
const MAX_CALL_EVENTS: usize = 512;
const MAX_CALL_BYTES: usize = 512 * 1024;

/// Appends that are sent together.
#[derive(Default)]
pub(super) struct Call {
    batches: Vec<TopicBatch>,
    /// The newest batch of each topic.
    open: HashMap<TopicName, usize>,
    events: usize,
    bytes: usize,
}

impl Call {
    /// True if there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.events >= MAX_CALL_EVENTS || self.bytes >= MAX_CALL_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn push(&mut self, append: Append) {
        self.events += 1;
        self.bytes += append.record.body().len();
        let open = self.open.get(&append.topic);
        match open.and_then(|at| self.batches.get_mut(*at)) {
            Some(batch) if batch.has_room_for(&append) => batch.push(append),
            _ => {
                self.open.insert(append.topic.clone(), self.batches.len());
                self.batches.push(TopicBatch::of(append));
            }
        }
    }

    pub(super) fn has_several_topics(&self) -> bool {
        self.open.len() > 1
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.open.keys()
    }

    /// A call for each topic.
    pub(super) fn split(self) -> Vec<Self> {
        let mut calls: Vec<Self> = Vec::new();
        for batch in self.batches {
            let same = |call: &&mut Self| call.open.contains_key(&batch.topic);
            match calls.iter_mut().find(same) {
                Some(call) => call.batches.push(batch),
                None => calls.push(Self {
                    open: HashMap::from([(batch.topic.clone(), 0)]),
                    batches: vec![batch],
                    ..Self::default()
                }),
            }
        }
        calls
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
        call.arg(new_epoch_number())
            .arg(if primary.is_empty() { "-" } else { primary })
            .arg(keys.publish());
        for batch in &self.batches {
            batch.add_to(&mut call, keys, settings);
        }
        call
    }

    /// Sends each publisher the outcome of its event. Returns true if the server has become a replica, which accepts no
    /// events.
    pub(super) fn answer(self, shared: &Shared, redis: &str, answer: Result<Value, Fault>) -> bool {
        let results = match answer.and_then(|value| Ok(items(value)?)) {
            Ok(results) => results,
            Err(fault) => {
                self.fail(&fault);
                return false;
            }
        };
        let mut results = results.into_iter();
        let mut is_of_replica = false;
        for batch in self.batches {
            let outcome = Outcome::parse(results.next().unwrap_or_default());
            is_of_replica |= outcome.refusal().is_some_and(refusal::is_of_replica);
            outcome.answer(shared, redis, batch);
        }
        is_of_replica
    }

    /// The outcome of the events is unknown, unless Redis has refused the whole call.
    fn fail(self, fault: &Fault) {
        for batch in self.batches {
            for (reply, permit) in batch.replies {
                drop(permit);
                // The publisher may have stopped waiting.
                let _ = reply.send(Err(super::error_of(fault)));
            }
        }
    }
}
