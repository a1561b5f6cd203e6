use crate::{Event, EventId, EventName, Frame};

/// The default name of the gap event.
pub const GAP_EVENT: EventName = EventName::unchecked("sse-gap");

/// The gap event, which says how many events a client has missed; `None` if the number is unknown. Its id is the
/// position at which the client continues, so that the client does not get it again after a reconnect.
///
/// ```
/// use sse_actix_core::{EventId, GAP_EVENT, gap_frame};
///
/// let id = EventId::from_static("7");
/// assert_eq!(
///     gap_frame(&GAP_EVENT, Some(&id), Some(3)).as_ref(),
///     b"event: sse-gap\nid: 7\ndata: {\"missed\":3}\n\n",
/// );
/// assert_eq!(gap_frame(&GAP_EVENT, None, None).as_ref(), b"event: sse-gap\ndata: {\"missed\":null}\n\n");
/// ```
pub fn gap_frame(name: &EventName, id: Option<&EventId>, missed: Option<u64>) -> Frame {
    let missed = missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    let mut event = Event::data(format!("{{\"missed\":{missed}}}")).event(name);
    if let Some(id) = id {
        event = event.id(id);
    }
    event.into()
}
