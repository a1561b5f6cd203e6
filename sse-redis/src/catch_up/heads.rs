//! Jobs with short answers: a stream's newest entry, another epoch, and proofs. A proof shows that a `latest()` topic
//! once had the event at a reader's position. The node has only the newest event of each key, so it asks Redis.

use std::{rc::Rc, sync::Arc};

use redis::{Pipeline, Value};

use super::{CatchUp, scripts};
use crate::{
    connect::Session,
    entry::{EntryId, Latest, Stored, new_epoch_number},
    fault::{Fault, checked},
    topic::{HeadJob, Topic},
    value::{Unexpected, array, bytes, items},
};

/// How many topics' jobs one call does at most.
const TOPICS: usize = 64;

/// How many bytes one answer is expected to have. A topic that keeps the newest event of each key has more, so after a
/// time-out, which makes the budget smaller, a call names fewer topics.
const BYTES_EXPECTED: usize = 1024;

/// Does these jobs. Does not end.
pub(super) async fn run(this: Rc<CatchUp>) {
    loop {
        let most = (this.heads.budget() / BYTES_EXPECTED).clamp(1, TOPICS);
        let topics = this.heads.next(most).await;
        let session = this.primary.wait().await;
        let jobs: Vec<_> = topics
            .into_iter()
            .filter_map(|topic| Some((topic.take_head_job()?, topic)))
            .collect();
        if jobs.is_empty() {
            continue;
        }
        if let Err(fault) = perform(&this, &session, &jobs).await {
            for (_, topic) in &jobs {
                topic.fail(fault.to_string(), false);
                // A waiting reader requests its entries again itself; this is for readers that wait for notices.
                topic.request_newest();
                this.work(topic);
            }
            this.heads.pause().await;
        }
    }
}

async fn perform(this: &CatchUp, session: &Session, jobs: &[(HeadJob, Arc<Topic>)]) -> Result<(), Fault> {
    let mut calls = redis::pipe();
    let mut sizes = Vec::with_capacity(jobs.len());
    for (job, topic) in jobs {
        sizes.push(push_calls(this, &mut calls, job, topic));
    }
    let mut answers = this.heads.call(&mut calls, session).await?;
    if answers.iter().any(is_of_missing_script) {
        load_scripts(this, session).await?;
        answers = this.heads.call(&mut calls, session).await?;
    }
    if !session.fence().await {
        return Err(this.shared.unreachable_fault());
    }
    let mut answers = answers.into_iter();
    let mut elsewhere = Vec::new();
    for ((job, topic), size) in jobs.iter().zip(sizes) {
        let answers: Vec<_> = answers.by_ref().take(size).collect();
        match take(job, topic, answers) {
            Ok(()) => this.work(topic),
            Err(fault) if fault.is_of_slot() => elsewhere.push(topic),
            Err(fault) => this.fail(topic, &fault.to_string()),
        }
    }
    if !elsewhere.is_empty() {
        this.heads.pause().await;
        for topic in elsewhere {
            this.retry_elsewhere(topic);
        }
    }
    Ok(())
}

fn is_of_missing_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

async fn load_scripts(this: &CatchUp, session: &Session) -> Result<(), Fault> {
    let mut calls = redis::pipe();
    for script in scripts::all() {
        calls.load_script(script);
    }
    this.heads.call(&mut calls, session).await?;
    Ok(())
}

/// Adds the calls of a job, and returns their number.
fn push_calls(this: &CatchUp, calls: &mut Pipeline, job: &HeadJob, topic: &Topic) -> usize {
    match job {
        HeadJob::Newest { latest } => {
            let mut call = scripts::NEWEST.key(&topic.stream);
            if *latest {
                call.key(this.shared.keys.latest(&topic.name));
            }
            calls.invoke_script(&call);
            1
        }
        HeadJob::Renew { epoch_number } => {
            let mut call = scripts::RENEW.key(&topic.stream);
            call.arg(epoch_number.to_string()).arg(new_epoch_number());
            call.arg(this.shared.keys.publish());
            calls.invoke_script(&call);
            1
        }
        HeadJob::Verify { sequences } => {
            let first = calls.cmd("XRANGE").arg(&topic.stream).arg("-").arg("+");
            first.arg("COUNT").arg(1);
            for sequence in sequences {
                let id = EntryId::of(*sequence).to_string();
                calls.cmd("XRANGE").arg(&topic.stream).arg(&id).arg(&id);
            }
            1 + sequences.len()
        }
    }
}

fn take(job: &HeadJob, topic: &Topic, answers: Vec<Value>) -> Result<(), Fault> {
    let mut answers = answers.into_iter().map(checked);
    let mut next = || answers.next().unwrap_or(Err(Fault::Unexpected));
    match job {
        HeadJob::Newest { latest } => {
            let [newest, pairs] = array(next()?)?;
            let newest = entry(newest)?;
            let epoch_number = newest
                .as_ref()
                .and_then(Stored::header)
                .map(|header| header.epoch_number);
            let latest = match epoch_number {
                Some(epoch_number) if *latest => Some(parse_latest(epoch_number, pairs)?),
                _ => latest.then(Vec::new),
            };
            topic.take_newest(newest.as_ref(), latest);
        }
        HeadJob::Renew { .. } => {
            let newest = entry(next()?)?;
            topic.take_newest(newest.as_ref(), None);
        }
        HeadJob::Verify { sequences } => {
            let oldest = items(next()?)?.pop();
            let oldest = oldest.and_then(Stored::parse).map(|stored| stored.id);
            let mut proofs = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                let found = items(next()?)?.pop().and_then(Stored::parse);
                let has_event = found
                    .and_then(|stored| stored.header())
                    .is_some_and(|header| EntryId::index(*sequence) < header.events.max(1));
                // Retention has deleted it, so Redis cannot show it. It counts as stored, because its epoch goes on.
                let is_deleted = oldest.is_none_or(|oldest| EntryId::of(*sequence) < oldest);
                proofs.push((*sequence, has_event || is_deleted));
            }
            topic.take_proofs(proofs);
        }
    }
    Ok(())
}

/// The entry that a script returns, or none.
fn entry(value: Value) -> Result<Option<Stored>, Unexpected> {
    match value {
        Value::Nil | Value::Boolean(false) => Ok(None),
        value => Stored::parse(value).map(Some).ok_or(Unexpected),
    }
}

/// Reads the newest event of each key. A value is the entry's id, a space, the event's index, a space, and the event as
/// in a payload. Keys whose event cannot be read are left out.
fn parse_latest(epoch_number: u64, pairs: Value) -> Result<Vec<Latest>, Unexpected> {
    let mut pairs = items(pairs)?.into_iter();
    let mut latest = Vec::with_capacity(pairs.len() / 2);
    while let (Some(_), Some(value)) = (pairs.next(), pairs.next()) {
        latest.extend(Stored::parse_latest(bytes(value)?, epoch_number));
    }
    latest.sort_unstable_by_key(|latest| latest.sequence);
    Ok(latest)
}
