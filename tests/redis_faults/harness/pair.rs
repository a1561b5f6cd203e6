//! A primary and its replica.

use redis::cmd;
use sse_tests::{patience::until, redis::Redis};

pub(crate) struct Pair {
    pub(crate) primary: Redis,
    pub(crate) replica: Redis,
}

impl Pair {
    /// Starts both, and waits until the replica has copied everything.
    pub(crate) async fn start() -> Self {
        let primary = primary();
        let replica = Redis::replica_of(&primary, &[]);
        Self::of(primary, replica).await
    }

    /// As [`start`](Self::start), with a replica whose clock differs by so many seconds.
    pub(crate) async fn skewed(seconds: f64) -> Self {
        let primary = primary();
        let follow = format!("127.0.0.1 {}", primary.port());
        let replica = Redis::skewed(seconds, &["--save", "", "--replicaof", &follow]);
        Self::of(primary, replica).await
    }

    async fn of(primary: Redis, replica: Redis) -> Self {
        let pair = Self { primary, replica };
        until("the replica to follow", async || follows(&pair.replica)).await;
        pair
    }

    /// Waits until the replica has what the primary has.
    pub(crate) async fn in_step(&self) {
        in_step(&self.primary, &self.replica).await;
    }

    /// Makes the replica a primary. The old one knows nothing of it.
    pub(crate) fn promote(&self) {
        promote(&self.replica);
    }

    /// Makes the old primary a replica of the new one.
    pub(crate) fn demote(&self) {
        follow(&self.primary, &self.replica);
    }
}

fn primary() -> Redis {
    Redis::with(&["--save", "", "--repl-diskless-sync-delay", "0"])
}

/// Waits until the replica has what the primary has now.
pub(crate) async fn in_step(primary: &Redis, replica: &Redis) {
    let offset = |redis: &Redis, field| redis.info("replication", field).parse::<u64>().unwrap();
    let wanted = offset(primary, "master_repl_offset");
    until("the replica to be in step", async || {
        offset(replica, "slave_repl_offset") >= wanted
    })
    .await;
}

pub(crate) fn promote(replica: &Redis) {
    replica.ask::<()>(cmd("REPLICAOF").arg("NO").arg("ONE"));
}

pub(crate) fn follow(replica: &Redis, primary: &Redis) {
    let call = cmd("REPLICAOF").arg("127.0.0.1").arg(primary.port()).clone();
    replica.ask::<()>(&call);
}

pub(crate) fn follows(replica: &Redis) -> bool {
    replica.info("replication", "master_link_status") == "up"
}
