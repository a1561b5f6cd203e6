use std::time::{Duration, SystemTime};

use redis::Value;
use sse_actix_core::{AppendError, Appended, Epoch, OnceStats, Position};

use super::{
    refusal,
    topic_batch::{Part, TopicBatch},
};
use crate::{
    entry::EntryId,
    fault::Fault,
    shared::Shared,
    value::{items, text},
};

/// The outcome of one topic batch.
pub(super) enum Outcome {
    /// Each event is stored, by this call or by an earlier one.
    Stored(StoredBatch),
    Refused(String),
    Unknown(String),
}

pub(super) struct StoredBatch {
    /// The entry that this call has appended, if any of the events was new.
    entry: Option<StoredAt>,
    /// The reason why its notice was not published.
    notice_error: Option<String>,
    /// The outcome of each part; empty, if none has an idempotency key.
    part_outcomes: Vec<PartOutcome>,
    /// Statistics of idempotency keys, if this call has added any.
    once: Option<OnceStats>,
}

/// An entry, or an event of it.
#[derive(Clone, Copy)]
struct StoredAt {
    id: EntryId,
    epoch_number: u64,
    index: usize,
}

/// Whether a part was appended.
#[derive(Clone, Copy)]
enum PartOutcome {
    New,
    /// It repeats the event with this index in the same entry.
    RepeatsIndex(usize),
    /// Its idempotency key was appended before, at this place.
    Repeats(StoredAt),
}

impl Outcome {
    pub(super) fn parse(value: Value) -> Self {
        Self::parse_words(value).unwrap_or_else(|| Self::Unknown(Fault::Unexpected.to_string()))
    }

    fn parse_words(value: Value) -> Option<Self> {
        let mut words = items(value).ok()?.into_iter();
        let kind = number(&words.next()?)?;
        let first = words.next()?;
        Some(match kind {
            0 => {
                let entry = StoredAt {
                    id: EntryId::parse(text(first).ok()?.as_bytes())?,
                    epoch_number: text(words.next()?).ok()?.parse().ok()?,
                    index: 0,
                };
                let notice_error = text(words.next()?).ok().filter(|why| !why.is_empty());
                let part_outcomes = words.next().map_or(Some(Vec::new()), part_outcomes)?;
                let mut figure = || number(&words.next()?);
                let once = figure().zip(figure()).and_then(|(keys, cut)| stats(keys, cut));
                Self::Stored(StoredBatch {
                    entry: Some(entry),
                    notice_error,
                    part_outcomes,
                    once,
                })
            }
            1 => Self::Refused(text(first).ok()?),
            2 => Self::Unknown(text(first).ok()?),
            3 => Self::Stored(StoredBatch {
                entry: None,
                notice_error: None,
                part_outcomes: part_outcomes(first)?,
                once: None,
            }),
            _ => return None,
        })
    }

    /// The reason why nothing was appended.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(why) => Some(why),
            Self::Stored(_) | Self::Unknown(_) => None,
        }
    }

    /// Sends each publisher of the batch the outcome of its event.
    pub(super) fn answer(self, shared: &Shared, redis: &str, batch: TopicBatch) {
        let places = match &self {
            Self::Stored(stored) => {
                stored.note(shared, redis, &batch);
                stored.places(&batch.parts)
            }
            Self::Refused(why) | Self::Unknown(why) => {
                let topic = batch.topic.as_str();
                refusal::note(shared, redis, why);
                if let Some(times) = shared.faults.count(&format!("append {topic}")) {
                    tracing::warn!(target: "sse_actix", topic, cause = %why, times, "a topic accepts no events");
                }
                Vec::new()
            }
        };
        let mut places = places.into_iter();
        for (reply, pending) in batch.replies {
            drop(pending);
            let result = match &self {
                Self::Stored(_) => places
                    .next()
                    .flatten()
                    .map(|(place, repeated)| Appended {
                        position: Position {
                            epoch: Epoch::new(&batch.topic, place.epoch_number),
                            sequence: place.id.sequence(place.index),
                        },
                        repeated,
                    })
                    .ok_or_else(|| AppendError::OutcomeUnknown(Fault::Unexpected.to_string().into())),
                Self::Refused(why) => Err(AppendError::Refused(refusal::explain(why).into())),
                Self::Unknown(why) => Err(AppendError::OutcomeUnknown(why.clone().into())),
            };
            // The publisher may have stopped waiting.
            let _ = reply.send(result);
        }
    }
}

impl StoredBatch {
    /// The place of each event, and whether it was stored before; `None` if the script's answer does not contain it.
    fn places(&self, parts: &[Part]) -> Vec<Option<(StoredAt, bool)>> {
        let mut places = Vec::new();
        let mut next = 0;
        for (nth, part) in parts.iter().enumerate() {
            let part_outcome = self.part_outcomes.get(nth).copied().unwrap_or(PartOutcome::New);
            for _ in 0..part.events {
                let of_entry = |index| self.entry.map(|entry| StoredAt { index, ..entry });
                places.push(match part_outcome {
                    PartOutcome::New => {
                        next += 1;
                        of_entry(next - 1).map(|place| (place, false))
                    }
                    PartOutcome::RepeatsIndex(index) => of_entry(index).map(|place| (place, true)),
                    PartOutcome::Repeats(place) => Some((place, true)),
                });
            }
        }
        places
    }

    fn note(&self, shared: &Shared, redis: &str, batch: &TopicBatch) {
        let topic = batch.topic.as_str();
        shared.note_accepting(redis, None);
        let known = shared.topics.known(topic);
        if let Some(known) = &known {
            let repeated = self
                .part_outcomes
                .iter()
                .filter_map(|part_outcome| match part_outcome {
                    PartOutcome::Repeats(place) => Some(place.id),
                    PartOutcome::New | PartOutcome::RepeatsIndex(_) => None,
                });
            // Another node may have appended it just now.
            if let Some(newest) = repeated.chain(self.entry.map(|entry| entry.id)).max() {
                known.note_exists(newest);
            }
        }
        if let Some(why) = &self.notice_error
            && let Some(times) = shared.faults.count("notice")
        {
            tracing::error!(
                target: "sse_actix", topic, cause = %why, times,
                "the notice of an event could not be published; the nodes find the event within 10 s"
            );
        }
        let Some(once) = self.once else { return };
        if let Some(known) = known {
            known.remembers(once);
        } else if once.cut_at.is_some()
            && let Some(times) = shared.faults.count(&format!("keys {topic}"))
        {
            // If the topic is read on this node, its statistics show this.
            tracing::warn!(
                target: "sse_actix", topic, keys = once.keys, times,
                "idempotency keys are forgotten earlier than the topic's options say; a publisher that retries later \
                 publishes twice. Raise `max_keys` of the topic's window, or publish less with keys"
            );
        }
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

fn part_outcomes(value: Value) -> Option<Vec<PartOutcome>> {
    let part_outcome = |value| match value {
        Value::Int(index) => Some(PartOutcome::RepeatsIndex(usize::try_from(index).ok()?)),
        value => {
            let place = text(value).ok()?;
            if place.is_empty() {
                return Some(PartOutcome::New);
            }
            let mut words = place.split(' ');
            Some(PartOutcome::Repeats(StoredAt {
                id: EntryId::parse(words.next()?.as_bytes())?,
                index: words.next()?.parse().ok()?,
                epoch_number: words.next()?.parse().ok()?,
            }))
        }
    };
    items(value).ok()?.into_iter().map(part_outcome).collect()
}

/// The number of keys, and the append time of the newest key that was forgotten to make room; negative if there is
/// none.
fn stats(keys: i64, cut: i64) -> Option<OnceStats> {
    let cut = u64::try_from(cut).ok().map(Duration::from_millis);
    Some(OnceStats {
        keys: usize::try_from(keys).ok()?,
        bytes: 0,
        cut_at: cut.map(|since| SystemTime::UNIX_EPOCH + since),
    })
}
