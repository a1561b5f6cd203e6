use std::{fmt, str::FromStr};

use compact_str::CompactString;

use super::{
    error::{FieldError, FieldErrorKind},
    reserved::END_ID,
};

/// The id of an event, which a browser sends back as
/// [`Last-Event-ID`](https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header)
/// when it reconnects.
///
/// Checked when it is made, so that the browser can send it back unchanged:
///
/// - no control character but TAB (the standard forbids CR, LF and NUL; with any other, browsers close the source
///   permanently at their next reconnect);
/// - no leading or trailing space or tab (browsers trim them);
/// - at most [`EventId::MAX_LEN`] bytes;
/// - not the id that ends a stream permanently.
///
/// The empty id is allowed: it resets the browser's last event id.
///
/// Every integer is a valid id. [`EventId::from_static`] checks a literal, `TryFrom` a string that is made at run time.
/// [`EventId::not_for_browsers`] accepts ids that only other clients can use.
///
/// ```
/// use sse_actix_core::{EventId, FieldErrorKind};
///
/// assert_eq!(EventId::from(42u64).as_str(), "42");
/// assert_eq!(EventId::try_from("a\u{1}b").unwrap_err().kind(), FieldErrorKind::Character('\u{1}'));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    text: CompactString,
    /// True if browsers send it back unchanged.
    for_browsers: bool,
}

impl EventId {
    /// The most bytes an id may have: it comes back as a request header, and servers and proxies refuse requests whose
    /// headers are much longer, which stops an `EventSource` permanently.
    pub const MAX_LEN: usize = 1024;

    /// An id from a literal. In a `const` the check happens at compile time.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid id. For a string made at run time use `EventId::try_from(text)`, which returns an
    /// error instead.
    ///
    /// ```compile_fail
    /// # use sse_actix_core::EventId;
    /// const ID: EventId = EventId::from_static("a\nb");
    /// ```
    #[inline]
    #[track_caller]
    #[allow(clippy::panic, reason = "a literal constructor; the fallible twin is TryFrom")]
    pub const fn from_static(id: &'static str) -> Self {
        match fault(id.as_bytes()) {
            None => Self {
                text: CompactString::const_new(id),
                for_browsers: true,
            },
            Some((FieldErrorKind::OuterBlank, _)) => {
                panic!("an id must not start or end with a space or tab")
            }
            Some((FieldErrorKind::TooLong, _)) => panic!("an id must not be longer than 1024 bytes"),
            Some((FieldErrorKind::Reserved, _)) => panic!("`sse-end` is reserved for the end of a stream"),
            Some(_) => panic!("an id must hold no control character but TAB"),
        }
    }

    /// An id for clients other than `EventSource`, such as an id that another server has given to its event.
    ///
    /// An [`EventId`] normally promises that browsers send the id back unchanged. This constructor does not. So if the
    /// id is not a valid `EventId`, a stream for browsers that has to send it fails. A plain stream sends it. Any text
    /// of one line without NUL is allowed.
    ///
    /// ```
    /// use sse_actix_core::{Event, EventId, Frame};
    ///
    /// let id = EventId::not_for_browsers("a b ")?;
    /// assert_eq!(Frame::from(Event::data("x").id(id)).as_ref(), b"id: a b \ndata: x\n\n");
    /// assert!(EventId::not_for_browsers("a\0b").is_err());
    /// # Ok::<(), sse_actix_core::FieldError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FieldError`] if it holds a line break or NUL.
    pub fn not_for_browsers(id: impl AsRef<str>) -> Result<Self, FieldError> {
        let id = id.as_ref();
        Self::check_line(id)?;
        Ok(Self {
            text: CompactString::new(id),
            for_browsers: fault(id.as_bytes()).is_none(),
        })
    }

    /// Makes the same checks as [`not_for_browsers`](Self::not_for_browsers).
    pub(crate) fn check_line(id: &str) -> Result<(), FieldError> {
        let mut bytes = id.bytes().enumerate();
        let found = bytes.find(|(_, byte)| matches!(byte, b'\n' | b'\r' | b'\0'));
        let fault = found.map(|(offset, byte)| (FieldErrorKind::Character(byte.into()), offset));
        FieldError::of("id", fault)
    }

    /// Makes the same checks as `TryFrom`.
    pub(crate) fn check(id: &str) -> Result<(), FieldError> {
        check(id)
    }

    /// The id as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Checks that a stream for browsers may send it. Only ids made by [`not_for_browsers`](Self::not_for_browsers) can
    /// fail.
    ///
    /// ```
    /// use sse_actix_core::EventId;
    ///
    /// assert!(EventId::from_static("tick").check_for_browsers().is_ok());
    /// assert!(EventId::not_for_browsers(" 7")?.check_for_browsers().is_err());
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
const fn fault(id: &[u8]) -> Option<(FieldErrorKind, usize)> {
    if id.len() > EventId::MAX_LEN {
        return Some((FieldErrorKind::TooLong, EventId::MAX_LEN));
    }
    if is_end(id) {
        return Some((FieldErrorKind::Reserved, 0));
    }
    if let [b' ' | b'\t', ..] = id {
        return Some((FieldErrorKind::OuterBlank, 0));
    }
    let mut offset = 0;
    let mut rest = id;
    while let [byte, tail @ ..] = rest {
        if byte.is_ascii_control() && *byte != b'\t' {
            return Some((FieldErrorKind::Character(*byte as char), offset));
        }
        rest = tail;
        offset += 1;
    }
    if let [.., b' ' | b'\t'] = id {
        return Some((FieldErrorKind::OuterBlank, offset - 1));
    }
    None
}

#[inline]
const fn is_end(id: &[u8]) -> bool {
    let (mut id, mut end) = (id, END_ID.as_bytes());
    loop {
        match (id, end) {
            ([], []) => return true,
            ([a, id_rest @ ..], [b, end_rest @ ..]) if *a == *b => (id, end) = (id_rest, end_rest),
            _ => return false,
        }
    }
}

fn check(id: &str) -> Result<(), FieldError> {
    FieldError::of("id", fault(id.as_bytes()))
}

impl TryFrom<&str> for EventId {
    type Error = FieldError;

    fn try_from(id: &str) -> Result<Self, FieldError> {
        check(id)?;
        Ok(Self {
            text: CompactString::new(id),
            for_browsers: true,
        })
    }
}

impl TryFrom<String> for EventId {
    type Error = FieldError;

    fn try_from(id: String) -> Result<Self, FieldError> {
        check(&id)?;
        Ok(Self {
            text: CompactString::from(id),
            for_browsers: true,
        })
    }
}

impl FromStr for EventId {
    type Err = FieldError;

    fn from_str(id: &str) -> Result<Self, FieldError> {
        Self::try_from(id)
    }
}

impl AsRef<str> for EventId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The types that [`Event::id`](crate::Event::id) accepts: an [`EventId`], any integer, or a literal.
///
/// Implemented only for these. A literal that is not a valid id panics when the line runs. For strings made at run time
/// use `EventId::try_from`.
///
/// ```
/// use sse_actix_core::{Event, EventId};
///
/// let id = EventId::try_from(format!("order-{}", 7))?;
/// for event in [Event::data("x").id(7), Event::data("x").id("order-7"), Event::data("x").id(id)] {
///     // Each has its id.
///     assert_ne!(event, Event::data("x"));
/// }
/// # Ok::<(), sse_actix_core::FieldError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not proven to be an event id: for text made at run time write `EventId::try_from(text)?`",
    label = "not a literal, an integer, nor an `EventId`"
)]
pub trait IntoEventId: sealed::Sealed {
    #[doc(hidden)]
    fn into_event_id(self) -> EventId;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::EventId {}
    impl Sealed for &super::EventId {}
    impl Sealed for &'static str {}
}

impl IntoEventId for EventId {
    fn into_event_id(self) -> EventId {
        self
    }
}

impl IntoEventId for &EventId {
    fn into_event_id(self) -> EventId {
        self.clone()
    }
}

impl IntoEventId for &'static str {
    #[inline]
    #[track_caller]
    fn into_event_id(self) -> EventId {
        EventId::from_static(self)
    }
}

macro_rules! integers {
    ($($int:ty)*) => {$(
        impl From<$int> for EventId {
            #[inline]
            fn from(id: $int) -> Self {
                Self {
                    text: CompactString::new(itoa::Buffer::new().format(id)),
                    for_browsers: true,
                }
            }
        }
        impl sealed::Sealed for $int {}
        impl IntoEventId for $int {
            #[inline]
            fn into_event_id(self) -> EventId {
                EventId::from(self)
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_but_tab_is_refused() {
        for byte in (0..0x20u8).chain([0x7F]) {
            let id = format!("a{}b", char::from(byte));
            let made = EventId::try_from(id.as_str());
            if byte == b'\t' {
                assert_eq!(made.unwrap().as_str(), "a\tb");
            } else {
                let error = made.unwrap_err();
                assert_eq!(
                    (error.kind(), error.offset()),
                    (FieldErrorKind::Character(byte.into()), 1)
                );
            }
        }
    }

    #[test]
    fn blanks_outside_length_and_the_end_id_are_refused() {
        for (id, kind, offset) in [
            (" a", FieldErrorKind::OuterBlank, 0),
            ("ab\t", FieldErrorKind::OuterBlank, 2),
            ("sse-end", FieldErrorKind::Reserved, 0),
        ] {
            let error = EventId::try_from(id).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset(), error.field()),
                (kind, offset, "id")
            );
        }
        assert_eq!(
            EventId::try_from("é".repeat(513)).unwrap_err().kind(),
            FieldErrorKind::TooLong
        );
        assert_eq!(EventId::try_from("x".repeat(1024)).unwrap().as_str().len(), 1024);
        assert_eq!(EventId::try_from("sse-end2").unwrap().as_str(), "sse-end2");
        assert_eq!(EventId::try_from("").unwrap().as_str(), "");
    }

    #[test]
    fn an_id_for_other_clients_is_one_line_and_says_whether_browsers_would_send_it_back() {
        for (id, for_browsers) in [
            ("a b ", false),
            ("a\u{1}", false),
            ("sse-end", false),
            ("7", true),
            ("", true),
        ] {
            let id = EventId::not_for_browsers(id).unwrap();
            assert_eq!(id.check_for_browsers().is_ok(), for_browsers, "{id}");
        }
        assert_eq!(EventId::not_for_browsers("7").unwrap(), EventId::from(7u8));
        for char in ['\n', '\r', '\0'] {
            let error = EventId::not_for_browsers(format!("a{char}")).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset()),
                (FieldErrorKind::Character(char), 1)
            );
        }
    }

    #[test]
    fn integers_are_ids() {
        assert_eq!(EventId::from(u64::MAX).as_str(), "18446744073709551615");
        assert_eq!((-1i8).into_event_id().as_str(), "-1");
        assert_eq!(EventId::from(i128::MIN).as_str(), i128::MIN.to_string());
    }
}
