use std::{fmt, str::FromStr};

use compact_str::CompactString;

use super::error::{FieldError, FieldErrorKind};
use crate::line::find_break;

/// The name of an event, which decides the listener that a browser calls:
/// [`addEventListener(name, ...)`](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
///
/// Checked when it is made: one line, not empty, no NUL (Firefox drops it), and neither `open` nor
/// `error`, which would reach `onopen` and `onerror` of every page. The names of the library's own
/// events (`sse-end`, `sse-gap`, `sse-position`) are reserved. An event without a name is a `message`.
///
/// [`EventName::from_static`] checks a literal (at compile time in a `const`), `TryFrom` a string that is made at run
/// time. [`EventName::not_for_browsers`] accepts names that only other clients can use.
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
pub struct EventName {
    text: CompactString,
    /// True if an `EventSource` can listen to it.
    for_browsers: bool,
}

impl EventName {
    /// A name from a literal. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid event name. For a string made at run time use `EventName::try_from(text)`, which
    /// returns an error instead.
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
            None => Self::unchecked(name),
            Some((FieldErrorKind::Empty, _)) => {
                panic!("an event name must not be empty; leave it out for `message`")
            }
            Some((FieldErrorKind::Reserved, _)) => {
                panic!("an event name must not be `open` or `error`, which reach `onopen` and `onerror`")
            }
            Some((FieldErrorKind::Library, _)) => {
                panic!("the event names `sse-end`, `sse-gap` and `sse-position` are reserved")
            }
            Some(_) => panic!("an event name must hold no line break and no NUL"),
        }
    }

    /// A name for clients other than `EventSource`, such as the SDKs of language models, whose servers
    /// send `event: error`.
    ///
    /// An [`EventName`] normally promises that a browser can listen to the event. This constructor does not: a browser
    /// may also treat the event as something else. So if the name is not a valid `EventName`, a stream for browsers
    /// that has to send it fails. A plain stream sends it. Any text of one line that is not empty is allowed.
    ///
    /// ```
    /// use sse_actix_core::{Event, EventName, Frame};
    ///
    /// let error = EventName::not_for_browsers("error")?;
    /// assert_eq!(Frame::from(Event::data("x").event(error)).as_ref(), b"event: error\ndata: x\n\n");
    /// assert!(EventName::not_for_browsers("a\nb").is_err());
    /// # Ok::<(), sse_actix_core::FieldError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FieldError`] if it is empty, or holds a line break.
    pub fn not_for_browsers(name: impl AsRef<str>) -> Result<Self, FieldError> {
        let name = name.as_ref();
        Self::check_line(name)?;
        Ok(Self {
            text: CompactString::new(name),
            for_browsers: fault_of(name).is_none(),
        })
    }

    /// A literal that `#[derive(SseEvents)]` has checked, for an enum of events for clients other than browsers.
    #[doc(hidden)]
    #[allow(
        clippy::panic,
        reason = "a literal constructor; the fallible twin is `not_for_browsers`"
    )]
    pub const fn from_static_not_for_browsers(name: &'static str) -> Self {
        match fault(name.as_bytes()) {
            None => Self::unchecked(name),
            Some((FieldErrorKind::Reserved, _)) => Self {
                text: CompactString::const_new(name),
                for_browsers: false,
            },
            Some(_) => panic!("such a name is refused by the derive"),
        }
    }

    /// Makes the same checks as [`not_for_browsers`](Self::not_for_browsers).
    pub(crate) fn check_line(name: &str) -> Result<(), FieldError> {
        let fault = match find_break(name.as_bytes()) {
            _ if name.is_empty() => Some((FieldErrorKind::Empty, 0)),
            Some(offset) => {
                let byte = name.as_bytes().get(offset).copied().unwrap_or_default();
                Some((FieldErrorKind::Character(byte.into()), offset))
            }
            None => None,
        };
        FieldError::of("event name", fault)
    }

    /// Makes the same checks as `TryFrom`.
    pub(crate) fn check(name: &str) -> Result<(), FieldError> {
        check(name)
    }

    /// A name that the caller has checked, or a name of the library's own events, which a user's name cannot have.
    pub(crate) const fn unchecked(name: &'static str) -> Self {
        Self {
            text: CompactString::const_new(name),
            for_browsers: true,
        }
    }

    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Checks that a stream for browsers may send it. Only names made by [`not_for_browsers`](Self::not_for_browsers)
    /// can fail.
    ///
    /// ```
    /// use sse_actix_core::EventName;
    ///
    /// assert!(EventName::from_static("tick").check_for_browsers().is_ok());
    /// assert!(EventName::not_for_browsers("error")?.check_for_browsers().is_err());
    /// # Ok::<(), sse_actix_core::FieldError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FieldError`], which says why not.
    #[inline]
    pub fn check_for_browsers(&self) -> Result<(), FieldError> {
        if self.for_browsers {
            Ok(())
        } else {
            check(self.as_str())
        }
    }
}

/// The first fault: its kind and byte offset. One definition for literals and run-time strings.
#[inline]
const fn fault(name: &[u8]) -> Option<(FieldErrorKind, usize)> {
    match name {
        b"" => return Some((FieldErrorKind::Empty, 0)),
        b"open" | b"error" => return Some((FieldErrorKind::Reserved, 0)),
        b"sse-end" | b"sse-gap" | b"sse-position" => return Some((FieldErrorKind::Library, 0)),
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

fn fault_of(name: &str) -> Option<(FieldErrorKind, usize)> {
    fault(name.as_bytes())
}

fn check(name: &str) -> Result<(), FieldError> {
    FieldError::of("event name", fault_of(name))
}

impl TryFrom<&str> for EventName {
    type Error = FieldError;

    fn try_from(name: &str) -> Result<Self, FieldError> {
        check(name)?;
        Ok(Self {
            text: CompactString::new(name),
            for_browsers: true,
        })
    }
}

impl TryFrom<String> for EventName {
    type Error = FieldError;

    fn try_from(name: String) -> Result<Self, FieldError> {
        check(&name)?;
        Ok(Self {
            text: CompactString::from(name),
            for_browsers: true,
        })
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
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The types that [`Event::event`](crate::Event::event) accepts: an [`EventName`], or a literal.
///
/// Implemented only for these. A literal that is not a valid event name panics when the line runs. For strings made at
/// run time use `EventName::try_from`.
///
/// ```
/// use sse_actix_core::{Event, EventName};
///
/// let name = EventName::try_from(format!("tick-{}", 7))?;
/// assert_eq!(Event::data("x").event("tick-7"), Event::data("x").event(name));
/// # Ok::<(), sse_actix_core::FieldError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not proven to be an event name: for text made at run time write `EventName::try_from(text)?`",
    label = "not a literal, nor an `EventName`"
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
            ("sse-end", FieldErrorKind::Library, 0),
            ("sse-gap", FieldErrorKind::Library, 0),
            ("sse-position", FieldErrorKind::Library, 0),
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
    fn a_name_for_other_clients_is_one_line_and_says_whether_browsers_could_use_it() {
        for (name, for_browsers) in [
            ("error", false),
            ("open", false),
            ("a\0", false),
            ("sse-end", false),
            ("tick", true),
        ] {
            let name = EventName::not_for_browsers(name).unwrap();
            assert_eq!(name.check_for_browsers().is_ok(), for_browsers, "{name}");
        }
        assert_eq!(EventName::not_for_browsers("tick"), EventName::try_from("tick"));
        for (name, kind, offset) in [
            ("", FieldErrorKind::Empty, 0),
            ("a\n", FieldErrorKind::Character('\n'), 1),
            ("\r", FieldErrorKind::Character('\r'), 0),
        ] {
            let error = EventName::not_for_browsers(name).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (kind, offset), "{name:?}");
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
