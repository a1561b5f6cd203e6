//! Extractors: what a handler learns from the request.

pub(crate) mod header_text;
mod last_event_id;
mod prefers_event_stream;
mod query_value;

pub(crate) use self::last_event_id::{is_reconnect_after_end, raw_last_event_id};
pub use self::{
    last_event_id::{IsPlain, LastEventId, UnknownId},
    prefers_event_stream::PrefersEventStream,
};
