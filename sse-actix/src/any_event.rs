/// What a stream brings whose events are not those of one [enum](trait@crate::SseEvents): `Subscription` is
/// `Subscription<AnyEvent>`, and `Emitter<'_>` is `Emitter<'_, AnyEvent>`. See [`TopicOf`](crate::TopicOf)'s example.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AnyEvent;
