//! Streams and topics whose events are those of one enum.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

mod app_document;
mod browser;
mod decoding;
mod field_names;
mod market;
mod market_example;
mod market_page;
mod mistakes;
mod module_names;
mod openapi;
mod schema_names;
mod serde_attributes;
mod streams;
mod topics;
mod typescript;
mod undecodable;
mod wire;
