use std::{error::Error, fmt};

/// Why a string cannot be an [`EventName`](crate::EventName) or an [`EventId`](crate::EventId).
///
/// It names the field, the fault, and the byte offset of the first fault.
///
/// ```
/// use sse_actix_core::{EventName, FieldErrorKind};
///
/// let error = EventName::try_from("price\ndata: 0").unwrap_err();
/// assert_eq!(error.field(), "event name");
/// assert_eq!((error.kind(), error.offset()), (FieldErrorKind::Character('\n'), 5));
/// assert_eq!(
///     error.to_string(),
///     "event name holds a line feed (U+000A) at byte 5, which would end the line and inject a field",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub(super) field: &'static str,
    pub(super) kind: FieldErrorKind,
    pub(super) offset: usize,
}

/// The kind of fault in a field's value.
///
/// See [`FieldError`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldErrorKind {
    /// A character that the field must not hold.
    Character(char),
    /// A space or tab at the start or the end of an id, which browsers do not send back.
    OuterBlank,
    /// An id of more than [`EventId::MAX_LEN`](crate::EventId::MAX_LEN) bytes.
    TooLong,
    /// An event name that means something else to a browser, or the id that ends a stream permanently.
    Reserved,
    /// The name of one of the library's own events.
    Library,
    /// An empty event name, which browsers read as `message`.
    Empty,
}

impl FieldError {
    /// The error for a fault of this field, at this byte.
    pub(super) fn of(field: &'static str, fault: Option<(FieldErrorKind, usize)>) -> Result<(), Self> {
        match fault {
            None => Ok(()),
            Some((kind, offset)) => Err(Self { field, kind, offset }),
        }
    }

    /// The field: `"event name"` or `"id"`.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The kind of fault.
    pub fn kind(&self) -> FieldErrorKind {
        self.kind
    }

    /// The place of the fault, in bytes from the start of the value.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, kind, offset } = self;
        match kind {
            FieldErrorKind::Character(char) => {
                let (name, why) = match char {
                    '\n' => ("a line feed", "which would end the line and inject a field"),
                    '\r' => ("a carriage return", "which would end the line and inject a field"),
                    '\0' => (
                        "a NUL",
                        "for which browsers drop the character or the whole event",
                    ),
                    _ => (
                        "a control character",
                        "which makes browsers stop permanently at their next reconnect",
                    ),
                };
                write!(
                    f,
                    "{field} holds {name} (U+{:04X}) at byte {offset}, {why}",
                    u32::from(*char)
                )
            }
            FieldErrorKind::OuterBlank => write!(
                f,
                "{field} has a leading or trailing space or tab at byte {offset}, which browsers do not send back; trim it"
            ),
            FieldErrorKind::TooLong => write!(
                f,
                "{field} is longer than {offset} bytes, which is more than servers accept in a `Last-Event-ID` header"
            ),
            FieldErrorKind::Reserved if *field == "id" => write!(
                f,
                "{field} is `{}`, which is reserved for the end of a stream",
                super::reserved::END_ID
            ),
            FieldErrorKind::Reserved => write!(
                f,
                "{field} is `open` or `error`, which would reach `onopen` or `onerror` of every page; choose another"
            ),
            FieldErrorKind::Library => write!(
                f,
                "{field} is `sse-end`, `sse-gap` or `sse-position`, which are reserved for the library's own events; choose another"
            ),
            FieldErrorKind::Empty => {
                write!(f, "{field} is empty, which means `message`; leave it out")
            }
        }
    }
}

impl Error for FieldError {}
