//! The form of a topic in Redis: entries of a stream, each with a batch of events.
//!
//! An entry has two fields. `h`, the header, is eight words with a space between them:
//!
//! ```text
//! <version> <epoch> <primary> <previous entry> <its events> <events> <all events> <all bytes>
//! ```
//!
//! The words are:
//!
//! - the version of this format;
//! - the number of the stream's epoch, and the primary that took the entry;
//! - the id of the entry before it, and how many events that entry has (`0-0` and `0` if there is none);
//! - how many events this entry has;
//! - how many events and bytes have been appended to the topic so far, including this entry.
//!
//! `b` holds the events, one after another. Each is the length of the event, a space, the length of its key or `-`, a
//! line feed, the key, and the event.

mod id;
mod payload;
mod stored;

/// The notice that tells nodes to look at the topic. A publisher sends it if it could not send the notice of an entry,
/// because the slot is moving to another primary.
pub(crate) const LOOK: &[u8] = b"look";

/// A random number for a new epoch: 45 bits, which an epoch stores, and not 0, the number of topics without events.
pub(crate) fn new_epoch_number() -> String {
    (fastrand::u64(..) >> 19).max(1).to_string()
}

/// Reads the headers of entries in scripts.
pub(crate) const HEADER_SCRIPT: &str = include_str!("entry/header.lua");

pub(crate) use self::{
    id::{EntryId, MAX_BATCH, NONE},
    payload::push_event,
    stored::{Content, Header, Latest, Stored},
};
