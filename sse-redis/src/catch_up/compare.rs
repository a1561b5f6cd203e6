//! Compares the newest entries: finds events whose notice did not arrive, and topics that were deleted.

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Weak},
    time::Duration,
};

use redis::Value;
use tokio::time::{Instant, sleep};

use super::CatchUp;
use crate::{
    connect::Session,
    entry::{NONE, Stored},
    fault::{Fault, checked},
    topic::Topic,
    value::streams,
};

/// How many topics one call compares at most.
const TOPICS: usize = 100;

/// Compares one chunk of topics after the other, so that each is compared once in an interval. Does not end.
pub(super) async fn run(this: Rc<CatchUp>) {
    // The entries that are found still have to be read: so a round ends before the interval does.
    let round = this.shared.settings.check_interval.mul_f64(0.8);
    loop {
        let session = this.primary.wait().await;
        let began = Instant::now();
        let topics = to_compare(&this, &session);
        let chunks = topics.len().div_ceil(TOPICS).max(1);
        let pause = round / u32::try_from(chunks).unwrap_or(u32::MAX);
        if topics.is_empty() {
            sleep(jittered(pause)).await;
        }
        for (nth, chunk) in topics.chunks(TOPICS).enumerate() {
            let due = began + pause * u32::try_from(nth + 1).unwrap_or(u32::MAX);
            let session = this.primary.wait().await;
            // Topics are not held during the pause below, because a topic that is held cannot be forgotten.
            let chunk: Vec<_> = chunk.iter().filter_map(Weak::upgrade).collect();
            if let Err(fault) = compare(&this, &session, &chunk).await {
                tracing::debug!(target: "sse_actix", %fault, "newest entries could not be compared");
                this.heads.pause().await;
            }
            drop(chunk);
            let left = due.saturating_duration_since(Instant::now());
            sleep(jittered(left.max(pause / 4))).await;
        }
    }
}

/// The topics to compare. The other topics are known to lack entries. These are requested again, whatever happened to
/// earlier requests.
fn to_compare(this: &CatchUp, session: &Session) -> Vec<Weak<Topic>> {
    let (up_to_date, others): (Vec<_>, Vec<_>) = {
        let all = this.topics(session).into_iter();
        all.partition(|topic| topic.is_up_to_date())
    };
    for topic in &others {
        this.work(topic);
    }
    up_to_date.iter().map(Arc::downgrade).collect()
}

fn jittered(pause: Duration) -> Duration {
    pause
        .mul_f64(0.75 + fastrand::f64() / 4.0)
        .max(Duration::from_millis(1))
}

async fn compare(this: &CatchUp, session: &Session, chunk: &[Arc<Topic>]) -> Result<(), Fault> {
    // A topic that cannot be read would make a call fail for all its topics, so it gets its own call. The keys of a
    // call must be in one slot.
    let (faulty, sound): (Vec<_>, Vec<_>) = chunk.iter().partition(|topic| topic.is_unreadable());
    let mut of_group: BTreeMap<u16, Vec<&Arc<Topic>>> = BTreeMap::new();
    for topic in sound {
        of_group.entry(topic.group).or_default().push(topic);
    }
    let together = of_group.values().map(Vec::as_slice).chain(faulty.chunks(1));
    let mut calls = redis::pipe();
    for topics in together.clone() {
        let call = calls.cmd("XREAD").arg("COUNT").arg(1).arg("STREAMS");
        for topic in topics {
            call.arg(&topic.stream);
        }
        for topic in topics {
            call.arg(topic.passed().unwrap_or(NONE).to_string());
        }
    }
    let with_events = of_group.values().filter_map(|topics| {
        let with_events: Vec<_> = topics.iter().filter(|topic| topic.has_events()).collect();
        (!with_events.is_empty()).then_some(with_events)
    });
    let with_events: Vec<_> = with_events.collect();
    for topics in &with_events {
        let call = calls.cmd("EXISTS");
        for topic in topics {
            call.arg(&topic.stream);
        }
    }
    let mut answers = this
        .heads
        .call(&mut calls, session)
        .await?
        .into_iter()
        .map(checked);
    for topics in together {
        match answers.next().unwrap_or(Err(Fault::Unexpected)) {
            Ok(news) => {
                for topic in topics {
                    topic.mark_readable();
                }
                take(this, news)?;
            }
            Err(_) if topics.len() > 1 => find_faulty(this, session, topics).await?,
            Err(fault) => topics.iter().for_each(|topic| note(this, topic, &fault)),
        }
    }
    for topics in with_events {
        if let Ok(Value::Int(there)) = answers.next().unwrap_or(Err(Fault::Unexpected))
            && usize::try_from(there).is_ok_and(|there| there < topics.len())
        {
            for topic in topics {
                topic.request_newest();
                this.work(topic);
            }
        }
    }
    Ok(())
}

/// A topic could not be compared.
fn note(this: &CatchUp, topic: &Arc<Topic>, fault: &Fault) {
    if fault.is_of_slot() {
        // It is compared at the primary that holds it next.
        this.primary.request_owners();
    } else {
        topic.mark_unreadable();
        this.fail(topic, &fault.to_string());
    }
}

/// Finds the topics that cannot be read, one by one.
async fn find_faulty(this: &CatchUp, session: &Session, topics: &[&Arc<Topic>]) -> Result<(), Fault> {
    let mut calls = redis::pipe();
    for topic in topics {
        let call = calls.cmd("XREAD").arg("COUNT").arg(1).arg("STREAMS");
        call.arg(&topic.stream)
            .arg(topic.passed().unwrap_or(NONE).to_string());
    }
    let answers = this.heads.call(&mut calls, session).await?;
    for (topic, answer) in topics.iter().zip(answers) {
        match checked(answer) {
            Ok(news) => {
                topic.mark_readable();
                take(this, news)?;
            }
            Err(fault) => note(this, topic, &fault),
        }
    }
    Ok(())
}

/// Handles the result of XREAD: the streams that have grown.
fn take(this: &CatchUp, news: Value) -> Result<(), Fault> {
    for (stream, entries) in streams(news)? {
        let topic = std::str::from_utf8(&stream).ok();
        let Some(topic) = topic.and_then(|stream| this.shared.topics.of_channel(stream)) else {
            continue;
        };
        if let Some(stored) = entries.into_iter().next_back().and_then(Stored::parse) {
            let needs = topic.note_exists(stored.id);
            this.queue(&topic, needs);
        }
    }
    Ok(())
}
