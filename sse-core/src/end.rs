//! How a stream says that it is over for good.

use crate::{Event, Frame};

/// The id that ends a stream for good: a reconnect that brings it is answered 204, which is the only
/// status that stops an `EventSource` without looking like a failure. No [`EventId`](crate::EventId)
/// can be made of it.
pub const END_ID: &str = "sse-end";

/// The name of the event that carries [`END_ID`].
pub const END_EVENT: &str = "sse-end";

/// The last event of a stream that will not be resumed.
///
/// It has data because an id without data is ignored by Firefox and not sent back by WebKit: a JSON
/// object with `reason` and, if the author chose to show one, `message`.
///
/// ```
/// assert_eq!(
///     sse_actix_core::end_frame("finished", None).as_ref(),
///     b"event: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n",
/// );
/// ```
pub fn end_frame(reason: &str, message: Option<&str>) -> Frame {
    let mut data = serde_json::Map::new();
    data.insert("reason".to_owned(), reason.into());
    if let Some(message) = message {
        data.insert("message".to_owned(), message.into());
    }
    Frame::end(&Event::data(serde_json::Value::Object(data).to_string()))
}
