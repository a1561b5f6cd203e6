/// What becomes of an event of upstream whose name or id an `EventSource` cannot use: the name `error`, `open` or one
/// that holds NUL, an id that does not come back as it was sent (see [`EventId`](crate::EventId)).
///
/// ```
/// use bytes::Bytes;
/// use futures_util::{StreamExt as _, stream};
/// use sse_actix::{Frame, Relay, RelayError, Unusable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let bytes = Bytes::from_static(b"event: error\nid: 7 \ndata: x\n\n");
/// let upstream = stream::iter([Ok::<_, RelayError>(bytes)]);
/// let mut relay = Relay::new(upstream).for_browsers(Unusable::Rename);
/// let sent = Frame::new(relay.next().await.unwrap().unwrap()).unwrap();
/// assert_eq!(sent.as_ref(), b"event: upstream-error\ndata: x\n\n");
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unusable {
    /// The relay ends with [`RelayError::Unusable`](crate::RelayError::Unusable).
    Fail,
    /// The event is left out.
    Drop,
    /// The event is sent with `upstream-` before its name (without any NUL), or without its id. A browser that
    /// comes back then brings the id before, and is sent this event again.
    Rename,
}
