use crate::{Event, EventId, EventName, Frame};

/// The default name of the position event. Pages that do not listen to it do not notice it.
pub const POSITION_EVENT: EventName = EventName::unchecked("sse-position");

/// The position event. It gives a client its position when no other event does: before the first event, or when the
/// position has advanced past events that are hidden from this client.
///
/// It has data, because browsers disagree about an id without data
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
