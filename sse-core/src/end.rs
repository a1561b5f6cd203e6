//! The event by which a stream ends permanently.

use bytes::BytesMut;

use crate::{
    Event, Frame,
    encode::push_field,
    field::{END_EVENT, END_ID},
};

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
    let event = Event::data(serde_json::Value::Object(data).to_string());
    let mut out = BytesMut::new();
    // Written by hand, because these texts are not valid as an `EventName` or an `EventId`.
    push_field(b"event: ", END_EVENT.as_bytes(), &mut out);
    push_field(b"id: ", END_ID.as_bytes(), &mut out);
    out.extend_from_slice(&event.parts().lines);
    out.extend_from_slice(b"\n");
    Frame::of(out.freeze())
}
