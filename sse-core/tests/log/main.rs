//! The log, from outside: what is read of it, against a simple model; its bounds; a worker's window.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod keys;
mod memory;
mod model;
mod printed;
mod properties;
mod provided;
#[cfg(feature = "test")]
mod suite;
mod window;

use std::{
    num::NonZeroUsize,
    time::{Duration, SystemTime},
};

use sse_actix_core::{Epoch, Event, Limit, Record, TopicName};

const TOPIC: TopicName = TopicName::from_static("prices");

fn epoch(epoch_number: u64) -> Epoch {
    Epoch::new(&TOPIC, epoch_number)
}

/// So many milliseconds after a time at which nothing had happened yet.
fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(10_000_000 + millis)
}

fn record(text: &str, key: Option<&str>) -> Record {
    let record = Record::event(&Event::data(text), None).unwrap();
    match key {
        Some(key) => record.key(key),
        None => record,
    }
}

fn limit(events: usize, bytes: usize) -> Limit {
    Limit {
        events: NonZeroUsize::new(events).unwrap(),
        bytes,
    }
}

/// No limit.
const ALL: Limit = Limit {
    events: NonZeroUsize::MAX,
    bytes: usize::MAX,
};
