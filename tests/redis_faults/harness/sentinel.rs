//! A primary and its replica, watched by a Sentinel.

use redis::{Value, cmd};
use sse_tests::{
    patience::until,
    redis::{Redis, free_port},
};

use super::pair::Pair;

pub(crate) struct Watched {
    pub(crate) pair: Pair,
    sentinel: Redis,
}

impl Watched {
    /// Starts all of them, and waits until the Sentinel knows the replica.
    pub(crate) async fn start() -> Self {
        let pair = Pair::start().await;
        let sentinel = Redis::sentinel(&format!(
            "sentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 3000\n",
            pair.primary.port()
        ));
        let watched = Self { pair, sentinel };
        until("the Sentinel to know the replica", async || {
            let call = cmd("SENTINEL").arg("REPLICAS").arg("main").clone();
            watched.sentinel.ask::<Vec<Value>>(&call).len() == 1
        })
        .await;
        watched
    }

    /// Its address, with a Sentinel that is dead before the one that lives.
    pub(crate) fn url(&self) -> String {
        let (dead, alive) = (free_port(), self.sentinel.port());
        format!("redis+sentinel://127.0.0.1:{dead},127.0.0.1:{alive}/main")
    }

    /// Waits until the Sentinel has made the replica a primary.
    pub(crate) async fn failed_over(&self) {
        until("the Sentinel to fail over", async || {
            let call = cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg("main").clone();
            let [_, port]: [String; 2] = self.sentinel.ask(&call);
            port == self.pair.replica.port().to_string()
        })
        .await;
    }

    /// Has the Sentinel exchange both while they live.
    pub(crate) async fn fail_over(&self) {
        let call = cmd("SENTINEL").arg("FAILOVER").arg("main").clone();
        // It does not take a replica of which it has not heard enough yet.
        until("the Sentinel to begin", async || {
            self.sentinel.try_ask::<()>(&call).is_ok()
        })
        .await;
    }
}
