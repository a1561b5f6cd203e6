/// What the relay does with an event of upstream whose name or id an `EventSource` cannot use: the name `error`, `open`
/// or one with NUL, or an id that a browser does not send back unchanged (see [`EventId`](crate::EventId)).
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
    /// reconnects after it sends the id of an earlier event, and gets this event again.
    Rename,
}
