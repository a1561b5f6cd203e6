//! Streams and topics whose events are those of one enum.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

mod browser;
mod decoding;
mod market;
mod mistakes;
mod module_names;
mod openapi;
mod schema_names;
mod streams;
mod topics;
mod typescript;
mod undecodable;
mod wire;
