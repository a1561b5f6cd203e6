use crate::{Event, EventId, EventName, Frame};

/// The name of the event that tells a reader its position, unless it is given another. Pages that do not
/// listen to it do not notice it.
pub const POSITION_EVENT: EventName = EventName::own("sse-position");

/// The event that tells a reader its position where no other event does: before the first one, or when the
/// position has moved past events that are not for this reader.
///
/// It has data, since browsers disagree about what an id without data does
/// ([interpretation](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)).
///
/// ```
/// use sse_actix_core::{EventId, POSITION_EVENT, position_frame};
///
/// let id = EventId::from_static("7");
/// assert_eq!(position_frame(&POSITION_EVENT, &id).as_ref(), b"event: sse-position\nid: 7\ndata: {}\n\n");
/// ```
pub fn position_frame(name: &EventName, id: &EventId) -> Frame {
    Event::data("{}").event(name).id(id).into()
}
