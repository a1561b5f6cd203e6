//! Reads pages of streams: the entries between two known ones, and older entries.

use std::{rc::Rc, sync::Arc};

use redis::Value;

use super::CatchUp;
use crate::{
    connect::Session,
    entry::Stored,
    fault::{Fault, checked},
    topic::{PageJob, Topic},
    value::items,
};

/// How many topics one call reads at most.
const TOPICS: usize = 32;

/// Does these jobs. Does not end.
pub(super) async fn run(this: Rc<CatchUp>) {
    loop {
        let topics = this.pages.next(TOPICS).await;
        let session = this.primary.wait().await;
        let share = this.pages.budget() / topics.len().max(1);
        let mut jobs = Vec::with_capacity(topics.len());
        for topic in topics {
            match topic.take_page_job(share) {
                Some((job, count)) => jobs.push((job, count, topic)),
                // Its jobs may have changed by now.
                None => this.work_elsewhere(&topic),
            }
        }
        if jobs.is_empty() {
            continue;
        }
        match perform(&this, &session, &jobs).await {
            Ok(()) => {}
            Err(fault) => {
                tracing::debug!(target: "sse_actix", %fault, "a page of a topic could not be read");
                for (_, _, topic) in &jobs {
                    this.work(topic);
                }
                this.pages.pause().await;
            }
        }
    }
}

async fn perform(
    this: &CatchUp,
    session: &Session,
    jobs: &[(PageJob, usize, Arc<Topic>)],
) -> Result<(), Fault> {
    let mut calls = redis::pipe();
    for (job, count, topic) in jobs {
        match job {
            PageJob::Forward { after } => {
                let call = calls.cmd("XRANGE").arg(&topic.stream);
                call.arg(format!("({after}")).arg("+").arg("COUNT").arg(*count);
            }
            PageJob::Back { from } => {
                let call = calls.cmd("XREVRANGE").arg(&topic.stream);
                call.arg(from.to_string()).arg("-").arg("COUNT").arg(*count);
            }
        }
    }
    let answers = this.pages.call(&mut calls, session).await?;
    // A revocation that was published before the entries in these pages was received first.
    if !session.fence().await {
        return Err(this.shared.unreachable_fault());
    }
    let mut elsewhere = Vec::new();
    for ((job, count, topic), answer) in jobs.iter().zip(answers) {
        match page(answer) {
            Ok((page, length)) => {
                let needs = topic.take_page(*job, page, length < *count);
                this.queue(topic, needs);
                this.note(topic);
            }
            Err(fault) if fault.is_of_slot() => elsewhere.push(topic),
            Err(fault) => this.fail(topic, &fault.to_string()),
        }
    }
    if !elsewhere.is_empty() {
        this.pages.pause().await;
        for topic in elsewhere {
            this.retry_elsewhere(topic);
        }
    }
    Ok(())
}

/// The entries of a page, and how many Redis has returned. An entry whose id cannot come from sse-actix is skipped.
fn page(answer: Value) -> Result<(Vec<Stored>, usize), Fault> {
    let entries = items(checked(answer)?)?;
    let length = entries.len();
    Ok((entries.into_iter().filter_map(Stored::parse).collect(), length))
}

impl CatchUp {
    /// Passes a topic to the other lane, because its job is a short one.
    fn work_elsewhere(&self, topic: &Arc<Topic>) {
        if topic.needs().head {
            self.heads.push(topic);
        }
    }

    /// Logs which entries of a topic could not be read.
    fn note(&self, topic: &Topic) {
        if let Some(cause) = topic.fault()
            && let Some(times) = self.shared.faults.count(&format!("entry {}", topic.name))
        {
            tracing::error!(
                target: "sse_actix", topic = topic.name.as_str(), cause, times, "an entry is skipped"
            );
        }
    }
}
