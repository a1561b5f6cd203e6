/// What a stream brings whose events are not those of one [enum](trait@crate::SseEvents).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AnyEvent;
