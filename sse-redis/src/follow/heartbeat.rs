//! Proves that this node receives notices: its own heartbeat arrives.

use std::time::{Duration, Instant};

use redis::{Pipeline, ServerError, Value};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::Follower;
use crate::{
    connect::{Session, read_replication},
    fault::{Fault, is_of_replica, is_of_server, is_of_slot},
    value::{array, text},
};

/// The interval between heartbeats.
const BEAT: Duration = Duration::from_millis(500);

/// A node that has not received its own heartbeat for this long counts as deaf.
const DEAF: Duration = Duration::from_secs(3);

/// How long Redis remembers a node's write.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Sends one heartbeat, and waits until it arrives.
pub(super) async fn first(this: &Follower, session: &Session) -> Result<(), Fault> {
    beat(this, session).await?;
    let heard = async {
        while session.hearing.silence().is_none() {
            if !session.fence().await {
                return false;
            }
        }
        true
    };
    match timeout(DEAF, heard).await {
        Ok(true) => Ok(()),
        _ => Err(Fault::Deaf(DEAF)),
    }
}

/// Sends heartbeats until the session's connections are lost, and returns the reason.
pub(super) async fn run(this: &Follower, session: &Session) -> Fault {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let beating = async {
        loop {
            ticks.tick().await;
            if let Err(fault) = beat(this, session).await {
                return fault;
            }
        }
    };
    let listening = async {
        loop {
            sleep(BEAT / 2).await;
            if let Some(silence) = session.hearing.silence()
                && silence >= DEAF
            {
                return Fault::Deaf(silence);
            }
        }
    };
    tokio::select! {
        fault = beating => fault,
        fault = listening => fault,
    }
}

/// Asks the server for its role and its clock, writes a key, and publishes to its own channel.
async fn beat(this: &Follower, session: &Session) -> Result<(), Fault> {
    let began = Instant::now();
    let node = this.shared.nodes.name.as_str();
    let channel = this.shared.keys.heartbeat(node);
    let group = session.groups.first().copied().unwrap_or_default();
    let mut calls = Pipeline::new();
    calls.cmd("INFO").arg("replication");
    calls.cmd("TIME");
    let write = calls
        .cmd("SET")
        .arg(this.shared.keys.written(node, group))
        .arg("1");
    write.arg("PX").arg(REMEMBERED.as_millis().to_string());
    calls.cmd("PUBLISH").arg(&channel).arg(session.number);
    calls.ignore_errors();
    let mut connection = session.publishing.clone();
    let answers: Vec<Value> = calls.query_async(&mut connection).await?;
    let [info, time, written, published] = answers
        .try_into()
        .map_err(|_| Fault::UnknownForm("a heartbeat"))?;
    if let Some(state) = read_replication(info) {
        if !state.is_primary {
            return Err(Fault::Demoted);
        }
        let changed = {
            let mut known = session.primary.borrow_mut();
            let changed = !known.is_empty() && *known != state.replication_id;
            *known = state.replication_id;
            changed
        };
        if changed {
            // It may have been a replica meanwhile, and have lost its data.
            for topic in this.shared.topics.all() {
                if topic.is_followed_in(session.number) {
                    topic.request_newest();
                    this.catch_up.work(&topic);
                }
            }
        }
    }
    session.hearing.answered(began, clock(time));
    let redis = this.primary.node.as_str();
    match written {
        // The key has moved to another primary. So this answer does not show whether this primary accepts writes.
        Value::ServerError(error) if is_of_slot(error.code()) => this.primary.request_owners(),
        Value::ServerError(error) if is_of_replica(error.code()) => return Err(Fault::Demoted),
        Value::ServerError(error) if is_of_server(error.code()) => {
            this.shared.note_accepting(redis, Some(&error.to_string()));
            this.primary.request_owners();
        }
        Value::ServerError(error) => note_right(this, &error, "SET"),
        _ => this.shared.note_accepting(redis, None),
    }
    match published {
        Value::ServerError(error) => Err(Fault::Refused(error)),
        _ => Ok(()),
    }
}

fn note_right(this: &Follower, error: &ServerError, call: &str) {
    if let Some(times) = this.shared.faults.count(call) {
        tracing::warn!(
            target: "sse_actix", %error, times,
            "the node learns only by publishing an event whether Redis accepts events"
        );
    }
}

/// Milliseconds, from what TIME returns.
fn clock(time: Value) -> Option<u64> {
    let [seconds, micros] = array(time).ok()?;
    let (seconds, micros) = (text(seconds).ok()?, text(micros).ok()?);
    let micros: u64 = micros.parse().ok()?;
    Some(seconds.parse::<u64>().ok()? * 1_000 + micros / 1_000)
}
