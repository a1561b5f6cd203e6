//! The one connection that waits: for what is new in all topics that are followed.

use std::{cell::Cell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use redis::{RedisError, Value, aio::MultiplexedConnection};
use tokio::{task::spawn_local, time::Instant};

use crate::{
    driver::{Driver, Fault, PAGE, Shared, Side, millis},
    entry::{Foreign, Stored, array, bytes, id_of, items},
    link::{Backoff, Link},
    topic::{Applied, Topic},
};

/// How long one call waits for something new. A Redis that has frozen is noticed so much later at most.
const WAIT: Duration = Duration::from_secs(1);

pub(crate) struct Follower {
    shared: Arc<Shared>,
    /// A stream of this node's own, by which it interrupts its own waiting when there are topics more.
    own: String,
    poked: Cell<bool>,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let own = format!("{}:node:{:016x}", shared.settings.prefix, fastrand::u64(..));
        Self {
            shared,
            own,
            poked: Cell::new(false),
        }
    }

    /// There is a topic more to follow.
    pub(crate) fn poke(&self, link: &Link) {
        if self.poked.replace(true) {
            return;
        }
        // If it fails, there is no waiting to be interrupted.
        let Some(mut linked) = link.get() else { return };
        let own = self.own.clone();
        spawn_local(async move {
            let mut calls = redis::pipe();
            let poke = calls.cmd("XADD").arg(&own).arg("MAXLEN").arg(1).arg("*");
            poke.arg("topics").arg("more").ignore();
            calls.cmd("PEXPIRE").arg(&own).arg(60_000).ignore();
            let poked: Result<(), RedisError> = calls.query_async(&mut linked.connection).await;
            if let Err(error) = poked {
                tracing::debug!(target: "sse_actix", %error, "a topic more is followed only within a second");
            }
        });
    }

    /// Follows. Does not end.
    pub(crate) async fn run(driver: Rc<Driver>) {
        let this = &driver.follower;
        let mut backoff = Backoff::new();
        let mut own_at = "0-0".to_owned();
        loop {
            let generation = driver.link.wait().await.generation;
            let timeout = longest_call(this.shared.settings.response_timeout);
            let fault = match driver.link.connect(timeout).await {
                Ok(mut connection) => {
                    let fault = this
                        .follow(&driver, &mut connection, &mut own_at, &mut backoff)
                        .await;
                    match fault {
                        Ok(never) => match never {},
                        Err(fault) => fault,
                    }
                }
                Err(error) => Fault::Redis(error),
            };
            // What happened to this connection has happened to the other one too, and if not, no harm is done.
            driver.link.broken(generation, &fault);
            this.shared.lost(Side::Follower, &fault);
            backoff.pause().await;
        }
    }

    async fn follow(
        &self,
        driver: &Rc<Driver>,
        connection: &mut MultiplexedConnection,
        own_at: &mut String,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, Fault> {
        let mut looked: Option<Instant> = None;
        let nodes = &self.shared.cluster;
        nodes.begin(connection).await?;
        let wait = millis(
            WAIT.min(self.shared.settings.check_interval)
                .max(Duration::from_millis(1)),
        );
        // The first answer comes at once, and says that Redis is there.
        let mut is_first = true;
        loop {
            self.poked.set(false);
            let topics = self.shared.topics();
            if looked.is_none_or(|looked| looked.elapsed() >= self.shared.settings.check_interval) {
                // First of all, what happened while nobody listened: it may not be the same stream any more.
                looked = Some(Instant::now());
                for topic in &topics {
                    if topic.head().is_some() {
                        topic.ask();
                        driver.work(topic);
                    }
                }
            }
            let followed: Vec<_> = topics
                .into_iter()
                .filter_map(|topic| Some((topic.head()?, topic)))
                .collect();
            let mut call = redis::cmd("XREAD");
            call.arg("COUNT").arg(PAGE);
            if !is_first {
                call.arg("BLOCK").arg(wait);
            }
            is_first = false;
            call.arg("STREAMS").arg(&self.own);
            call.arg(&nodes.keys.presence).arg(&nodes.keys.revoked);
            for (_, topic) in &followed {
                call.arg(topic.keys.stream());
            }
            call.arg(own_at.as_str());
            for at in nodes.at() {
                call.arg(at);
            }
            for (head, _) in &followed {
                call.arg(id_of(*head));
            }
            let asked = std::time::Instant::now();
            let news: Value = call.query_async(connection).await.map_err(Fault::Redis)?;
            self.shared.found(Side::Follower);
            backoff.reset();
            let by_key: HashMap<&str, &Arc<Topic>> = followed
                .iter()
                .map(|(_, topic)| (topic.keys.stream(), topic))
                .collect();
            for stream in streams(news)? {
                let (key, entries) = stream?;
                if key == self.own.as_bytes() {
                    if let Some(last) = entries.into_iter().last() {
                        let [id, _] = array(last)?;
                        *own_at = String::from_utf8(bytes(id)?).map_err(|_| Foreign)?;
                    }
                    continue;
                }
                if nodes.receive(&key, &entries)? {
                    continue;
                }
                let topic = std::str::from_utf8(&key).ok().and_then(|key| by_key.get(key));
                if let Some(topic) = topic {
                    take(driver, topic, entries);
                }
            }
            nodes.heard(asked);
        }
    }
}

/// How long a call may take that waits for something new.
fn longest_call(response_timeout: Duration) -> Duration {
    WAIT.saturating_add(response_timeout)
}

/// Takes in what is new of a topic.
fn take(driver: &Rc<Driver>, topic: &Arc<Topic>, entries: Vec<Value>) {
    let mut stored = Vec::with_capacity(entries.len());
    for entry in entries {
        match Stored::parse(entry) {
            Ok(entry) => stored.push(entry),
            Err(foreign) => tracing::error!(
                target: "sse_actix", topic = topic.name.as_str(), %foreign, "an entry is left out"
            ),
        }
    }
    if let Applied::Diverged { life } = topic.apply(stored) {
        let (driver, topic) = (Rc::clone(driver), Arc::clone(topic));
        spawn_local(async move {
            if let Err(fault) = driver.renew(&topic, life).await {
                topic.fail(fault.to_string());
            }
        });
        return;
    }
    driver.work(topic);
}

type Stream = (Vec<u8>, Vec<Value>);

/// What XREAD returns: streams, each with its entries; as pairs, or as a map.
fn streams(news: Value) -> Result<Vec<Result<Stream, Foreign>>, Foreign> {
    let stream = |key, entries| Ok((bytes(key)?, items(entries)?));
    Ok(match news {
        Value::Map(pairs) => pairs
            .into_iter()
            .map(|(key, entries)| stream(key, entries))
            .collect(),
        other => items(other)?
            .into_iter()
            .map(|pair| {
                let [key, entries] = array(pair)?;
                stream(key, entries)
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_out_may_be_set() {
        assert_eq!(longest_call(Duration::from_secs(2)), Duration::from_secs(3));
        assert_eq!(longest_call(Duration::MAX), Duration::MAX);
    }
}
