//! Whole-system tests, a module a scenario.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails its test"
)]

mod browser;
mod clients;
mod cross_origin;
mod disconnect;
mod examples;
mod guide;
mod hub;
mod keep_alive;
mod llm_gateway;
mod log;
mod macros;
mod metrics;
mod never_reading;
mod plain;
mod redis;
mod relay;
mod responder;
mod server;
mod shutdown;
mod storm;
mod tls;
mod turmoil;
mod wire;

/// The server in a process of its own.
const STREAMS: &str = env!("CARGO_BIN_EXE_streams");
