use sse_actix_core::EventId;

/// The result of publishing an event [once](crate::Topic::once). See [`Once`](crate::Once)'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The event's id: the same for each call with its key.
    pub id: EventId,
    /// True if an earlier call with the same key had published the event. Then nothing was published now, and the first
    /// event is kept, even if its value differs.
    pub repeated: bool,
}
