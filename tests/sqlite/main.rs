//! The log in an SQLite file.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

mod chat;
mod deleting;
mod faults;
mod handover;
mod images;
mod kill;
mod model;
mod positions;
mod replaced;
mod restart;
mod retention;
mod server;
mod shim;
mod sound;
mod turmoil;

use std::{num::NonZeroUsize, time::SystemTime};

use sse_actix::{
    AppendError, Batch, Event, Limit, Log, LogError, Position, Record, Retention, Start, TopicName,
};
use sse_tests::patience::within;

/// A record whose data is this text.
fn record(text: &str) -> Record {
    Record::event(&Event::data(text), None).unwrap()
}

async fn append(
    log: &impl Log,
    topic: &TopicName,
    record: Record,
    retention: &Retention,
    now: SystemTime,
) -> Result<Position, AppendError> {
    let appended = within("an append", log.append(topic, record, retention, now)).await;
    appended.map(|appended| appended.position)
}

async fn read(
    log: &impl Log,
    topic: &TopicName,
    start: Start,
    limit: Limit,
    now: SystemTime,
) -> Result<Batch, LogError> {
    within("a read", log.read(topic, start, limit, now)).await
}

/// Everything after a start, page by page, as its data.
async fn read_all(log: &impl Log, topic: &TopicName, start: Start) -> Vec<String> {
    try_read_all(log, topic, start).await.unwrap()
}

async fn try_read_all(log: &impl Log, topic: &TopicName, start: Start) -> Result<Vec<String>, LogError> {
    let limit = Limit {
        events: NonZeroUsize::new(1_000).unwrap(),
        bytes: 64 * 1024,
    };
    let mut data = Vec::new();
    let mut next = start;
    loop {
        let batch = read(log, topic, next, limit, SystemTime::now()).await?;
        data.extend(batch.entries.iter().map(|entry| entry.data()));
        if !batch.more {
            return Ok(data);
        }
        next = Start::After(batch.end);
    }
}
