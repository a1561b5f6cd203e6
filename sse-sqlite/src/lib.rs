#![doc = include_str!("../README.md")]
//!
//! # How it works
//!
//! ```text
//!  append ──▶ Queue ──▶ Writer ──commit──▶ events.db
//!                         │                   │
//!                         ▼ new entries       ▼ older entries
//!  read ◀──────────────  Ring  ◀───── File readers
//! ```
//!
//! One thread writes. It appends all waiting events in one transaction, syncs it to disk, and only then answers the
//! publishers and wakes the readers. A topic that is read has its newest entries in memory, in a
//! [`Ring`](sse_actix_core::Ring), so a reader that follows never touches the file. Two more threads read older
//! entries, once for all readers that wait for them.

mod blocks;
mod cause;
mod clock;
mod deleted;
mod error;
mod file;
mod file_lock;
mod file_readers;
mod in_place;
mod keys;
mod log;
mod queue;
mod reserve;
mod rows;
mod settings;
mod shared;
mod topic;
mod topic_row;
mod unpublished;
mod writer;

pub use self::{
    error::OpenError,
    log::{SqliteLog, SqliteLogBuilder},
    settings::Synchronous,
};
