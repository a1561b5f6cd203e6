//! Topics that are read do not expire.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::CatchUp;
use crate::{settings::millis, topic::Topic};

/// How often it looks which topics are due.
const EVERY: Duration = Duration::from_millis(500);

/// The longest time between two renewals of a topic's expiry. If a quarter of the expiry is shorter, that is the time.
const MAX_RENEW_INTERVAL: Duration = Duration::from_secs(3_600);

/// How many topics one call renews at most.
const TOPICS: usize = 100;

/// Renews the expiry of topics that are read. Does not end.
pub(super) async fn run(this: Rc<CatchUp>) {
    loop {
        sleep(EVERY).await;
        let due = |topic: &Arc<Topic>| {
            let ttl = topic.keys_ttl(this.shared.settings.topic_ttl);
            topic.takes_renewal((ttl / 4).min(MAX_RENEW_INTERVAL))
        };
        let session = this.primary.wait().await;
        let due: Vec<_> = this.topics(&session).into_iter().filter(due).collect();
        for topics in due.chunks(TOPICS) {
            let mut calls = redis::pipe();
            for topic in topics {
                push_calls(&this, &mut calls, topic);
            }
            if let Err(fault) = this.heads.call(&mut calls, &session).await {
                tracing::debug!(target: "sse_actix", %fault, "the expiry of topics could not be renewed");
                this.heads.pause().await;
            }
        }
    }
}

fn push_calls(this: &CatchUp, calls: &mut redis::Pipeline, topic: &Topic) {
    let ttl = millis(topic.keys_ttl(this.shared.settings.topic_ttl));
    let mut expire = |key: &str| {
        calls.cmd("PEXPIRE").arg(key).arg(ttl);
    };
    expire(&topic.stream);
    if topic.is_keyed() {
        expire(&this.shared.keys.latest(&topic.name));
        expire(&this.shared.keys.ages(&topic.name));
    }
}
