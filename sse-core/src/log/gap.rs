use bytes::Bytes;

use crate::{Event, EventName, Frame};

/// The name of the event that tells of a gap, unless it is given another.
pub const GAP_EVENT: EventName = EventName::from_static("sse-gap");

/// The event that tells a reader how many events it has missed, or, with `None`, that this is not known.
/// Its id is the position that it goes on from, so that a reconnect is not told again.
///
/// ```
/// use sse_actix_core::{GAP_EVENT, gap_frame};
///
/// assert_eq!(gap_frame(&GAP_EVENT, b"7", Some(3)), "id: 7\nevent: sse-gap\ndata: {\"missed\":3}\n\n");
/// assert_eq!(gap_frame(&GAP_EVENT, b"7", None), "id: 7\nevent: sse-gap\ndata: {\"missed\":null}\n\n");
/// ```
pub fn gap_frame(name: &EventName, id: &[u8], missed: Option<u64>) -> Bytes {
    let missed = missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    let event = Event::data(format!("{{\"missed\":{missed}}}")).event(name);
    let mut frame = Vec::new();
    if !id.is_empty() {
        frame.extend_from_slice(b"id: ");
        frame.extend_from_slice(id);
        frame.push(b'\n');
    }
    frame.extend_from_slice(&Frame::from(event));
    frame.into()
}
