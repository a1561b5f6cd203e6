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
mod publisher;
mod reader;
mod run;

use sse_tests::child::Child;

/// A server whose log is in memory: connections are cut, answers lost, publishers killed.
#[tokio::test]
async fn on_a_log_in_memory() {
    let server = Child::start(env!("CARGO_BIN_EXE_orders"), &["memory", "0"]).await;
    let outcome = run::run(server.addr(), async || {}).await;
    outcome.check();
}
