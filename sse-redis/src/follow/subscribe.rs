//! Subscribes to topics: first to their notices, then it looks at their newest entries.

use std::{cell::RefCell, sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

use super::Follower;
use crate::{connect::Session, fault::Fault, topic::Topic};

/// How many topics one call names.
const TOPICS: usize = 500;

/// How long a call may take: there may be many notices before its answer.
const LONGEST: Duration = Duration::from_secs(30);

/// Topics that wait for a SUBSCRIBE or an UNSUBSCRIBE.
#[derive(Default)]
pub(super) struct Queue {
    waiting: RefCell<Vec<Arc<Topic>>>,
    leaving: RefCell<Vec<Arc<Topic>>>,
    changed: Notify,
}

impl Queue {
    pub(super) fn push(&self, topic: &Arc<Topic>) {
        self.waiting.borrow_mut().push(Arc::clone(topic));
        self.changed.notify_one();
    }

    pub(super) fn forget(&self, topics: Vec<Arc<Topic>>) {
        if !topics.is_empty() {
            self.leaving.borrow_mut().extend(topics);
            self.changed.notify_one();
        }
    }
}

/// Subscribes to queued topics. Ends when the connection does.
pub(super) async fn run(this: &Follower, session: &Session) -> Fault {
    let queue = &this.subscriptions;
    loop {
        let leaving = queue.leaving.take();
        for topics in leaving.chunks(TOPICS) {
            if let Err(fault) = unsubscribe(this, session, topics).await {
                return fault;
            }
        }
        let waiting: Vec<_> = {
            let mut waiting = queue.waiting.borrow_mut();
            let most = waiting.len().min(TOPICS);
            waiting.drain(..most).collect()
        };
        if waiting.is_empty() {
            if queue.leaving.borrow().is_empty() {
                queue.changed.notified().await;
            }
            continue;
        }
        match subscribe(session, &waiting).await {
            Ok(()) => {}
            Err(fault) if fault.is_of_connection() => return fault,
            // The user may not listen to one of them.
            Err(_) => {
                for topic in &waiting {
                    match subscribe(session, std::slice::from_ref(topic)).await {
                        Ok(()) => {}
                        Err(fault) if fault.is_of_connection() => return fault,
                        Err(fault) => note(this, topic, &fault),
                    }
                }
            }
        }
        for topic in &waiting {
            topic.is_followed(session.number);
            this.catch_up.work(topic);
        }
    }
}

async fn subscribe(session: &Session, topics: &[Arc<Topic>]) -> Result<(), Fault> {
    let channels: Vec<&str> = topics.iter().map(|topic| topic.stream.as_str()).collect();
    let mut connection = session.subscribed.clone();
    let subscribing = connection.subscribe(channels);
    match timeout(LONGEST, subscribing).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Fault::Deaf(LONGEST)),
    }
}

async fn unsubscribe(this: &Follower, session: &Session, topics: &[Arc<Topic>]) -> Result<(), Fault> {
    let gone = topics
        .iter()
        // The topic may have readers again.
        .filter(|topic| this.shared.topics.known(topic.name.as_str()).is_none());
    let channels: Vec<&str> = gone.map(|topic| topic.stream.as_str()).collect();
    if channels.is_empty() {
        return Ok(());
    }
    let mut connection = session.subscribed.clone();
    match timeout(LONGEST, connection.unsubscribe(channels)).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Fault::Deaf(LONGEST)),
    }
}

fn note(this: &Follower, topic: &Topic, fault: &Fault) {
    if let Some(times) = this.shared.faults.count(&format!("subscribe {}", topic.name)) {
        tracing::error!(
            target: "sse_actix", topic = topic.name.as_str(), %fault, times,
            "a topic's notices cannot be received; its events arrive up to 10 s late"
        );
    }
}
