//! The log on Redis, on a `redis-server` of the test's own.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use sse_actix_core::log_suite::LogFactory;
use sse_actix_redis::RedisLog;
use sse_tests::redis::Redis;
use tokio::{runtime::Runtime, time::sleep};

struct OnRedis {
    redis: Redis,
    opened: AtomicUsize,
}

impl OnRedis {
    fn new() -> Self {
        Self {
            redis: Redis::start(),
            opened: AtomicUsize::new(0),
        }
    }
}

impl LogFactory for OnRedis {
    type Log = RedisLog;

    /// Redis has a clock of its own.
    const TICK: Duration = Duration::from_millis(50);
    /// It keeps about as many as it is told to, and a node's memory exactly as many.
    const IS_EXACT: bool = false;
    const MODEL_RUNS: usize = 20;

    async fn open(&self) -> RedisLog {
        let nth = self.opened.fetch_add(1, Ordering::SeqCst);
        let log = RedisLog::builder(&self.redis.url()).prefix(format!("log{nth}"));
        log.response_timeout(Duration::from_secs(20))
            .connect()
            .await
            .unwrap()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    async fn rest(&self) {
        sleep(Duration::from_millis(5)).await;
    }
}

fn block_on(test: impl Future<Output = ()>) {
    Runtime::new().unwrap().block_on(test);
}

sse_actix_core::log_suite!(block_on, OnRedis::new());
