//! What every log promises, of logs that need more than memory: in sse-core the same suite runs on the log in memory.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod deletion;
mod redis;
mod sqlite;
