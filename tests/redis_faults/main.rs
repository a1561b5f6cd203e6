//! What Redis, its network, its operators and other programs do to a log, and what readers are told of it.

mod backlog;
mod chaos;
mod cluster;
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
