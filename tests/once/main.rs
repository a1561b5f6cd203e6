//! Exactly once for publishers: every publish is cut at a random moment and repeated with its key until it is acknowledged.
//!
//! Each event is there once, all answers for one key have one id, and readers see it once. `ONCE_CUTS` says how many cuts there
//! are (500 by default; 10,000 take about a minute), `ONCE_SEED` repeats a run.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod answers;
mod hub;
mod lossy_log;
mod publisher;
mod reader;
mod run;

use std::time::Duration;

use rustix::process::Signal;
use sse_tests::{child::Child, redis::Redis};
use tokio::time::sleep;

/// A server whose log is in a file: the same, and the server's process is killed, too.
#[tokio::test]
async fn on_a_log_in_a_file() {
    const KILLS: u32 = 10;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db").to_string_lossy().into_owned();
    let orders = env!("CARGO_BIN_EXE_orders");
    let mut server = Child::start(orders, &[&path, "0"]).await;
    let addr = server.addr();
    let outcome = run::run(addr, async || {
        for _ in 0..KILLS {
            sleep(Duration::from_millis(fastrand::u64(..200))).await;
            server.signal(Signal::KILL);
            let dead = std::mem::replace(
                &mut server,
                Child::start(orders, &[&path, &addr.port().to_string()]).await,
            );
            assert!(!dead.ended().await.success());
        }
    });
    outcome.await.check();
}

/// A server whose log is on Redis: the same, and Redis is killed, too, which has everything on disk before it answers.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_log_on_redis() {
    const KILLS: u32 = 10;
    let mut redis = Redis::durable();
    let server = Child::start(env!("CARGO_BIN_EXE_orders"), &[&redis.url(), "0"]).await;
    let outcome = run::run(server.addr(), async || {
        for _ in 0..KILLS {
            sleep(Duration::from_millis(fastrand::u64(..200))).await;
            redis.kill();
            sleep(Duration::from_millis(fastrand::u64(..50))).await;
            redis.begin();
        }
    });
    outcome.await.check();
}

/// A server whose log is in memory: connections are cut, answers lost, publishers killed.
#[tokio::test]
async fn on_a_log_in_memory() {
    let server = Child::start(env!("CARGO_BIN_EXE_orders"), &["memory", "0"]).await;
    let outcome = run::run(server.addr(), async || {}).await;
    outcome.check();
}
