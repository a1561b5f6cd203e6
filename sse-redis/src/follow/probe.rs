//! Checks whether the address still leads to the primary of this session: a name may be given to another server while
//! the old one keeps running, and a proxy may send new connections elsewhere.

use std::time::Duration;

use redis::Value;
use tokio::time::sleep;

use super::Follower;
use crate::{
    connect::{ServerState, Session, read_replication},
    fault::Fault,
};

/// The interval between checks.
const EVERY: Duration = Duration::from_secs(5);

/// Checks until the address leads elsewhere.
pub(super) async fn run(this: &Follower, session: &Session) -> Fault {
    if this.shared.keys.is_cluster() {
        // The nodes of a cluster say themselves which of them are primaries.
        return std::future::pending().await;
    }
    loop {
        sleep(EVERY.mul_f64(0.8 + fastrand::f64() / 5.0)).await;
        let Some(there) = ask(this).await else { continue };
        if !there.is_primary || there.replication_id == *session.primary.borrow() {
            continue;
        }
        // It may be the same server, with a new identity since the last heartbeat.
        let mut connection = session.publishing.clone();
        let here = redis::cmd("INFO")
            .arg("replication")
            .query_async::<Value>(&mut connection)
            .await;
        match here.ok().and_then(read_replication) {
            Some(here) if here == there => {}
            _ => return Fault::Moved,
        }
    }
}

/// The state of the server at a new connection; `None` if there is no answer.
async fn ask(this: &Follower) -> Option<ServerState> {
    let timeout = this.shared.settings.response_timeout;
    let mut connection = this.primary.connector.open(Some(timeout), None).await.ok()?;
    let info = redis::cmd("INFO")
        .arg("replication")
        .query_async(&mut connection)
        .await;
    read_replication(info.ok()?)
}
