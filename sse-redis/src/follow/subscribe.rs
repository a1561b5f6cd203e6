//! Subscribes to topics: first to their notices, then it looks at their newest entries.

use std::{cell::RefCell, sync::Arc, time::Duration};

use redis::Value;
use tokio::{sync::Notify, time::timeout};

use super::Follower;
use crate::{
    connect::Session,
    fault::{Fault, checked},
    topic::Topic,
};

/// How many topics are subscribed to at once. Each has its own call, and the calls are sent together.
const TOPICS: usize = 500;

/// How long a call may take: there may be many notices before its answer.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);

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
        let channels: Vec<&str> = waiting.iter().map(|topic| topic.stream.as_str()).collect();
        let how = Channels::of(this);
        let subscribing = how.subscribe(session, &channels);
        match timeout(SUBSCRIBE_TIMEOUT, subscribing).await {
            Ok(Ok(answers)) => {
                for (topic, answer) in waiting.iter().zip(answers) {
                    match answer {
                        Ok(()) => {}
                        Err(fault) if fault.is_of_slot() => this.primary.request_owners(),
                        // The user of Redis has no right to listen to it.
                        Err(fault) => note(this, topic, &fault),
                    }
                }
            }
            Ok(Err(fault)) => return fault,
            Err(_) => return Fault::Unanswered("SUBSCRIBE", SUBSCRIBE_TIMEOUT),
        }
        for topic in &waiting {
            topic.is_followed(session.number);
            this.catch_up.work(topic);
        }
    }
}

/// How topics' channels are subscribed to: in a cluster, they are shard channels.
pub(super) struct Channels {
    is_cluster: bool,
}

impl Channels {
    pub(super) fn of(this: &Follower) -> Self {
        Self {
            is_cluster: this.shared.keys.is_cluster(),
        }
    }

    /// Subscribes to these channels, and returns the result for each. One call names one channel, because the channels
    /// of a cluster may be in different slots, and because the client library counts one answer for each call.
    pub(super) async fn subscribe(
        &self,
        session: &Session,
        channels: &[&str],
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let call = if self.is_cluster {
            "SSUBSCRIBE"
        } else {
            "SUBSCRIBE"
        };
        let answers = self.call(call, session, channels).await?;
        Ok(answers
            .into_iter()
            .map(|answer| checked(answer).map(drop))
            .collect())
    }

    async fn unsubscribe(&self, session: &Session, channels: &[&str]) -> Result<(), Fault> {
        let call = if self.is_cluster {
            session.hearing.note_unsubscribing(channels.len());
            "SUNSUBSCRIBE"
        } else {
            "UNSUBSCRIBE"
        };
        let answers = self.call(call, session, channels).await?;
        if self.is_cluster {
            let refused = answers
                .iter()
                .filter(|answer| matches!(answer, Value::ServerError(_)));
            session.hearing.note_unsubscribe_refused(refused.count());
        }
        Ok(())
    }

    async fn call(&self, call: &str, session: &Session, channels: &[&str]) -> Result<Vec<Value>, Fault> {
        let mut calls = redis::pipe();
        for channel in channels {
            calls.cmd(call).arg(channel);
        }
        calls.ignore_errors();
        let mut connection = session.subscribed.clone();
        Ok(calls.query_async(&mut connection).await?)
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
    match timeout(
        SUBSCRIBE_TIMEOUT,
        Channels::of(this).unsubscribe(session, &channels),
    )
    .await
    {
        Ok(result) => result,
        Err(_) => Err(Fault::Unanswered("UNSUBSCRIBE", SUBSCRIBE_TIMEOUT)),
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
