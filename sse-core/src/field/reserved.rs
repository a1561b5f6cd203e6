//! The id and the name of the event that ends a stream permanently.

/// The id that ends a stream permanently: the server answers a reconnect with this id with 204, which stops an
/// `EventSource` and is not an error status. It is not valid as an [`EventId`](crate::EventId).
pub const END_ID: &str = "sse-end";

/// The name of the event that carries [`END_ID`].
pub const END_EVENT: &str = "sse-end";
