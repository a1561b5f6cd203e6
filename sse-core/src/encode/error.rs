use std::{error::Error, fmt};

use crate::FieldError;

/// A value could not be serialised as JSON. Nothing of it was sent.
///
/// ```
/// use std::collections::BTreeMap;
/// use sse_actix_core::Event;
///
/// // JSON has no keys but text.
/// let error = Event::json(&BTreeMap::from([([1, 2], "a")])).unwrap_err();
/// assert_eq!(error.to_string(), "an event's data could not be serialised as JSON");
/// ```
#[derive(Debug)]
pub struct JsonError(pub(super) serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event's data could not be serialised as JSON")
    }
}

impl Error for JsonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// An event could not be encoded. Nothing of it was sent.
///
/// ```
/// use sse_actix_core::{EmitError, Frame, Message};
///
/// let message = Message { event: "a\nid: 7".into(), data: "x".into(), last_event_id: "".into() };
/// assert!(matches!(Frame::new(message), Err(EmitError::Field(_))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum EmitError {
    /// Its data could not be serialised as JSON.
    Json(JsonError),
    /// The name or the id of a [`Message`](crate::Message) that was not made by a decoder would break the stream.
    Field(FieldError),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Field(error) => error.fmt(f),
        }
    }
}

impl Error for EmitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Json(error) => error.source(),
            Self::Field(error) => error.source(),
        }
    }
}

impl From<JsonError> for EmitError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<FieldError> for EmitError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}
