//! A primary and its replica.

use std::mem;

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
        until("the replica to follow", async || {
            pair.replica.info("replication", "master_link_status") == "up"
        })
        .await;
        pair
    }

    /// Waits until the replica has what the primary has.
    pub(crate) async fn in_step(&self) {
        until("the replica to be in step", async || {
            let offset = |redis: &Redis, field| redis.info("replication", field).parse::<u64>().unwrap();
            let copied = offset(&self.replica, "slave_repl_offset");
            copied >= offset(&self.primary, "master_repl_offset")
        })
        .await;
    }

    /// Makes the replica a primary. The old one knows nothing of it.
    pub(crate) fn promote(&self) {
        self.replica.ask::<()>(cmd("REPLICAOF").arg("NO").arg("ONE"));
    }

    /// From now on the one that was promoted is the primary.
    pub(crate) fn exchange(&mut self) {
        mem::swap(&mut self.primary, &mut self.replica);
    }

    /// Makes the old primary a replica of the new one.
    pub(crate) fn demote(&self) {
        let port = self.replica.port();
        self.primary
            .ask::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(port));
    }
}

fn primary() -> Redis {
    Redis::with(&["--save", "", "--repl-diskless-sync-delay", "0"])
}
