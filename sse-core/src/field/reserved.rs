//! What ends a stream for good.

/// The id that ends a stream for good: a reconnect that brings it is answered 204, which
/// stops an `EventSource` and is not an error status. No [`EventId`](crate::EventId)
/// can be made of it.
pub const END_ID: &str = "sse-end";

/// The name of the event that carries [`END_ID`].
pub const END_EVENT: &str = "sse-end";
