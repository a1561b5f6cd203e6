//! The [`Emit`] trait, which turns values into bytes, and the [writers of lines](lines) that its implementations use.
//!
//! Text and [`Json`] are encoded here. `Event` and `Comment` implement it in `event.rs`, an enum of events in
//! `events.rs`, an encoded `Frame` in `frame.rs`, `Relayed` in `relayed.rs`, and a decoded `Message` in
//! `relayed/events.rs`.
//!
//! Field order, the space after the colon and the empty line that dispatches follow the standard's
//! [event stream format](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

mod error;
mod lines;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

pub use self::error::{EmitError, JsonError};
pub(crate) use self::lines::{
    LineBuffer, push_field, push_json_event, push_json_lines, push_name, push_retry, push_text_lines,
};
use crate::field::{EventName, FieldError};

/// The types that can be sent on a stream: an [`Event`](crate::Event), a value of an enum of events
/// ([`SseEvents`](crate::SseEvents)), a [`Comment`](crate::Comment), a [`Frame`](crate::Frame), text (an event with
/// that data), [`Json`] of any `Serialize`, or a decoded [`Message`](crate::Message) or [`Relayed`](crate::Relayed),
/// which is sent on unchanged.
///
/// Sealed, because an implementation could write bytes that inject events.
///
/// ```
/// use sse_actix_core::{Emit, Event, Frame, Json};
///
/// fn bytes(value: impl Emit) -> Vec<u8> {
///     Frame::new(value).map(|frame| frame.to_vec()).unwrap_or_default()
/// }
/// assert_eq!(bytes("a\nb"), b"data: a\ndata: b\n\n");
/// assert_eq!(bytes(Json(1)), b"data: 1\n\n");
/// assert_eq!(bytes(Event::data("a").event("tick")), b"event: tick\ndata: a\n\n");
/// assert_eq!(bytes(Event::comment("a")), b": a\n");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be emitted as an event",
    label = "not an event, text, a frame or `Json(..)`",
    note = "for a value that implements `Serialize` write `Json(value)`, or `Event::json(&value)?` to give it a name or an id",
    note = "for other text write `Event::data(text)`"
)]
pub trait Emit: sealed::Sealed {
    /// Appends one complete frame to `out`. Data without a name gets `default_name`; frames, comments and messages stay
    /// unchanged.
    ///
    /// # Errors
    ///
    /// [`EmitError`], only from [`Json`], an enum of events, [`Message`](crate::Message) and
    /// [`Relayed`](crate::Relayed); `out` is then unchanged.
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError>;

    /// Checks that a stream for browsers may send it: it has no name or id that only [`EventName::not_for_browsers`] or
    /// [`EventId::not_for_browsers`](crate::EventId::not_for_browsers) allows.
    ///
    /// # Errors
    ///
    /// [`FieldError`], which says why not.
    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        Ok(())
    }

    /// The number of events in it.
    #[doc(hidden)]
    #[inline]
    fn events(&self) -> u64 {
        1
    }

    /// The bytes that [`encode`](Self::encode) would append, if they exist already: an id line, which may be empty, and
    /// bytes that can be shared instead of copied.
    #[doc(hidden)]
    #[inline]
    fn shared(&self) -> Option<(&[u8], &Bytes)> {
        None
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
    impl Sealed for std::borrow::Cow<'_, str> {}
    impl<T: serde::Serialize> Sealed for super::Json<T> {}
}

/// An event whose data is `T` as JSON, serialised straight into the stream's buffer.
///
/// ```
/// use sse_actix_core::{Frame, Json};
///
/// assert_eq!(Frame::new(Json([1, 2]))?.as_ref(), b"data: [1,2]\n\n");
/// # Ok::<(), sse_actix_core::EmitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl Emit for &str {
    #[inline]
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        out.reserve(self.len() + 64);
        push_name(default_name, out);
        push_text_lines(b"data: ", self.as_bytes(), out);
        out.extend_from_slice(b"\n");
        Ok(())
    }
}

impl Emit for String {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        self.as_str().encode(default_name, out)
    }
}

impl Emit for &String {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        self.as_str().encode(default_name, out)
    }
}

impl Emit for Cow<'_, str> {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        self.as_ref().encode(default_name, out)
    }
}

impl<T: Serialize> Emit for Json<T> {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        Ok(push_json_event(default_name, &self.0, out)?)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, error::Error as _, time::Duration};

    use super::*;
    use crate::{Event, EventId, Frame, Message};

    fn bytes(value: impl Emit) -> String {
        let mut out = BytesMut::new();
        value.encode(None, &mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn every_kind_of_emission() {
        assert_eq!(bytes("x"), "data: x\n\n");
        assert_eq!(bytes(String::from(" x")), "data:  x\n\n");
        assert_eq!(bytes(Json(true)), "data: true\n\n");
        assert_eq!(bytes(Event::comment("a\nb")), ": a\n: b\n");
        assert_eq!(bytes(Event::comment("")), ":\n");
        assert_eq!(
            bytes(
                Event::data("a")
                    .event("e")
                    .id(1)
                    .retry(Duration::from_millis(1500))
            ),
            "event: e\nid: 1\nretry: 1500\ndata: a\n\n"
        );
        assert_eq!(bytes(Event::data("a\n")), "data: a\ndata:\n\n");
        assert_eq!(bytes(Frame::from(Event::data("f"))), "data: f\n\n");
    }

    #[test]
    fn a_message_is_sent_on_as_it_came() {
        let message = |event: &str, data: &str, id: &str| Message {
            event: event.into(),
            data: data.into(),
            last_event_id: id.into(),
        };
        assert_eq!(bytes(message("message", "", "")), "data:\n\n");
        assert_eq!(
            bytes(message("error", "a\nb", "x ")),
            "event: error\nid: x \ndata: a\ndata: b\n\n"
        );
        for (message, for_browsers) in [
            (message("tick", "x", "7"), true),
            (message("error", "x", "7"), false),
            (message("tick", "x", "7 "), false),
            (message("sse-end", "x", "sse-end"), false),
        ] {
            assert_eq!(
                Emit::check_for_browsers(&message).is_ok(),
                for_browsers,
                "{message:?}"
            );
        }
        for forged in [message("a\ndata: b", "x", ""), message("a", "x", "7\rid: 8")] {
            let mut out = BytesMut::from("before");
            assert!(matches!(forged.encode(None, &mut out), Err(EmitError::Field(_))));
            assert_eq!(out, "before");
        }
    }

    #[test]
    fn what_is_not_for_browsers_is_told_of_an_event_and_of_its_frame() {
        let name = EventName::not_for_browsers("error").unwrap();
        let id = EventId::not_for_browsers("7 ").unwrap();
        for event in [Event::data("x").event(name), Event::data("x").id(id)] {
            let error = Emit::check_for_browsers(&event).unwrap_err();
            assert_eq!(Emit::check_for_browsers(&Frame::from(&event)), Err(error.clone()));
            assert_eq!(Emit::check_for_browsers(&Frame::from(event)), Err(error));
        }
        assert!(Emit::check_for_browsers(&Frame::from(Event::data("x").event("tick").id(7))).is_ok());
    }

    #[test]
    fn the_default_name_is_for_data_without_a_name() {
        let name = EventName::from_static("tick");
        let mut out = BytesMut::new();
        "x".encode(Some(&name), &mut out).unwrap();
        Event::data("y")
            .event("own")
            .encode(Some(&name), &mut out)
            .unwrap();
        Event::comment("c").encode(Some(&name), &mut out).unwrap();
        assert_eq!(out, "event: tick\ndata: x\n\nevent: own\ndata: y\n\n: c\n");
    }

    #[test]
    fn json_that_fails_leaves_nothing_behind() {
        let unserialisable = BTreeMap::from([((1, 2), 3)]);
        let mut out = BytesMut::from("before");
        let error = Json(&unserialisable)
            .encode(Some(&EventName::from_static("e")), &mut out)
            .unwrap_err();
        assert_eq!(out, "before");
        assert_eq!(error.source().unwrap().to_string(), "key must be a string");
        assert!(Event::json(&unserialisable).is_err());
    }

    #[test]
    fn line_breaks_inside_raw_json_cannot_end_the_line() {
        let raw = serde_json::value::RawValue::from_string("{\n \"a\":\r1}".to_owned()).unwrap();
        assert_eq!(bytes(Json(&raw)), "data: {\ndata:  \"a\":\ndata: 1}\n\n");
    }

    #[test]
    fn no_text_can_inject_a_field() {
        let hostile = "x\n\nevent: pwned\rid: 1\r\n\r\ndata: y";
        for line in bytes(Event::data(hostile)).lines() {
            assert!(line.is_empty() || line.starts_with("data:"), "{line}");
        }
        for line in bytes(Event::comment(hostile)).lines() {
            assert!(line.is_empty() || line.starts_with(':'), "{line}");
        }
    }
}
