use sse_actix_core::EventId;

/// What has become of an event that was published [once](crate::Topic::once). See [`Once`](crate::Once)'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The event's id: the same for each call with its key.
    pub id: EventId,
    /// Whether an earlier call with the same key had published it. Then nothing was published now, and what was
    /// published first stands, also where its value is another.
    pub repeated: bool,
}
