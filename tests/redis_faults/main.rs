//! What Redis, its network, its operators and other programs do to a log, and what readers are told of it.
#![allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test; figures are for people to read"
)]

mod backlog;
mod chaos;
mod cluster;
mod cluster_sessions;
mod deletion;
mod expiry;
mod failover;
mod foreign;
mod harness;
mod ids;
mod many_topics;
mod refusals;
mod revocations;
mod sentinel;
mod settings;
