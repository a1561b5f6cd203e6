use crate::EventName;

/// An event whose name no variant has. An enum's catch-all, `#[sse(other)]`, holds it. It is sent on unchanged, but
/// without its id.
///
/// ```
/// use sse_actix_core::{EventName, UnknownEvent};
///
/// let event = UnknownEvent { name: EventName::from_static("split"), data: "2:1".to_owned() };
/// assert_eq!(event.name.as_str(), "split");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEvent {
    /// Its name.
    pub name: EventName,
    /// Its data, which need not be JSON.
    pub data: String,
}

impl UnknownEvent {
    /// `None` if no event can have this name.
    pub(super) fn new(name: &str, data: &str) -> Option<Self> {
        Some(Self {
            name: EventName::not_for_browsers(name).ok()?,
            data: data.to_owned(),
        })
    }
}

/// The event for a catch-all.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the catch-all holds an `UnknownEvent`, and no `{Self}`",
    label = "write `UnknownEvent`"
)]
pub trait CatchAll {
    fn as_event(&self) -> &UnknownEvent;

    fn from_event(event: UnknownEvent) -> Self;
}

impl CatchAll for UnknownEvent {
    #[inline]
    fn as_event(&self) -> &UnknownEvent {
        self
    }

    fn from_event(event: UnknownEvent) -> Self {
        event
    }
}
