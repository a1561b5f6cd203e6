use std::{fmt, str::FromStr};

use compact_str::CompactString;

use super::error::{FieldError, FieldErrorKind};

/// The name of an event, which decides the listener that a browser calls:
/// [`addEventListener(name, ...)`](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
///
/// Proven when it is made: one line, not empty, no NUL (Firefox drops it), and neither `open` nor
/// `error`, which would reach `onopen` and `onerror` of every page. An event without a name is a
/// `message`.
///
/// A literal is checked by [`EventName::from_static`] (at compile time in a `const`), a string made
/// at run time by `TryFrom`, which is fallible.
///
/// ```
/// use sse_actix_core::{Event, EventName, Frame};
///
/// const TICK: EventName = EventName::from_static("tick");
/// let runtime = EventName::try_from(format!("tick-{}", 7))?;
///
/// assert_eq!(Frame::from(Event::data("x").event(TICK)).as_ref(), b"event: tick\ndata: x\n\n");
/// assert_eq!(runtime.as_str(), "tick-7");
/// # Ok::<(), sse_actix_core::FieldError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(CompactString);

impl EventName {
    /// A name from a literal. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If the literal is no event name. For a string made at run time use
    /// `EventName::try_from(text)`, which is fallible.
    ///
    /// ```compile_fail
    /// # use sse_actix_core::EventName;
    /// const NAME: EventName = EventName::from_static("error");
    /// ```
    #[inline]
    #[track_caller]
    #[allow(clippy::panic, reason = "a literal constructor; the fallible twin is TryFrom")]
    pub const fn from_static(name: &'static str) -> Self {
        match fault(name.as_bytes()) {
            None => Self(CompactString::const_new(name)),
            Some((FieldErrorKind::Empty, _)) => {
                panic!("an event name must not be empty; leave it out for `message`")
            }
            Some((FieldErrorKind::Reserved, _)) => {
                panic!("an event name must not be `open` or `error`, which reach `onopen` and `onerror`")
            }
            Some(_) => panic!("an event name must hold no line break and no NUL"),
        }
    }

    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first offence: its kind and byte offset. One definition for literals and run-time strings.
#[inline]
const fn fault(name: &[u8]) -> Option<(FieldErrorKind, usize)> {
    match name {
        b"" => return Some((FieldErrorKind::Empty, 0)),
        b"open" | b"error" => return Some((FieldErrorKind::Reserved, 0)),
        _ => {}
    }
    let mut offset = 0;
    let mut rest = name;
    while let [byte, tail @ ..] = rest {
        if matches!(byte, b'\n' | b'\r' | b'\0') {
            return Some((FieldErrorKind::Character(*byte as char), offset));
        }
        rest = tail;
        offset += 1;
    }
    None
}

fn check(name: &str) -> Result<(), FieldError> {
    match fault(name.as_bytes()) {
        None => Ok(()),
        Some((kind, offset)) => Err(FieldError {
            field: "event name",
            kind,
            offset,
        }),
    }
}

impl TryFrom<&str> for EventName {
    type Error = FieldError;

    fn try_from(name: &str) -> Result<Self, FieldError> {
        check(name)?;
        Ok(Self(CompactString::new(name)))
    }
}

impl TryFrom<String> for EventName {
    type Error = FieldError;

    fn try_from(name: String) -> Result<Self, FieldError> {
        check(&name)?;
        Ok(Self(CompactString::from(name)))
    }
}

impl FromStr for EventName {
    type Err = FieldError;

    fn from_str(name: &str) -> Result<Self, FieldError> {
        Self::try_from(name)
    }
}

impl AsRef<str> for EventName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What [`Event::event`](crate::Event::event) takes: an [`EventName`], or a literal.
///
/// Implemented for these alone. A literal that is no event name panics where it stands; strings made
/// at run time go through `EventName::try_from`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not proven to be an event name",
    note = "for a string made at run time write `EventName::try_from(text)?`"
)]
pub trait IntoEventName: sealed::Sealed {
    #[doc(hidden)]
    fn into_event_name(self) -> EventName;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::EventName {}
    impl Sealed for &super::EventName {}
    impl Sealed for &'static str {}
}

impl IntoEventName for EventName {
    fn into_event_name(self) -> EventName {
        self
    }
}

impl IntoEventName for &EventName {
    fn into_event_name(self) -> EventName {
        self.clone()
    }
}

impl IntoEventName for &'static str {
    #[inline]
    #[track_caller]
    fn into_event_name(self) -> EventName {
        EventName::from_static(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_inject_or_be_misread_is_refused_with_its_place() {
        for (name, kind, offset) in [
            ("a\nb", FieldErrorKind::Character('\n'), 1),
            ("ab\r", FieldErrorKind::Character('\r'), 2),
            ("\0", FieldErrorKind::Character('\0'), 0),
            ("open", FieldErrorKind::Reserved, 0),
            ("error", FieldErrorKind::Reserved, 0),
            ("", FieldErrorKind::Empty, 0),
        ] {
            let error = EventName::try_from(name).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset(), error.field()),
                (kind, offset, "event name"),
                "{name:?}"
            );
            assert_eq!(EventName::try_from(name.to_owned()), Err(error.clone()));
            assert_eq!(name.parse::<EventName>(), Err(error));
        }
    }

    #[test]
    fn anything_else_is_a_name() {
        for name in ["tick", "opened", "Error", " lead", "préc;:", "日本"] {
            assert_eq!(EventName::try_from(name).unwrap().as_str(), name);
        }
    }

    #[test]
    #[should_panic(expected = "no line break")]
    fn a_bad_literal_panics_where_it_stands() {
        let _ = EventName::from_static("a\nb");
    }
}
