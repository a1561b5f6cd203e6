//! What is on the wire, byte for byte.

mod accept;
mod body;
mod compress;
mod cors;
mod head;
mod last_event_id;
