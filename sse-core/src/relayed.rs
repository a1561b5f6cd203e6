//! The items that a relay sends on.

mod events;

use bytes::{Bytes, BytesMut};

pub use self::events::RelayedEvents;
use crate::{
    Comment, Emit, EmitError, Event, EventName, FieldError, Frame, Message, Retry,
    decode::ByteString,
    encode::{push_retry, push_text_lines, sealed::Sealed},
};

/// An item of a relayed stream: an item of the other server, or an item that replaces it.
///
/// ```
/// use sse_actix_core::{Frame, Message, Relayed};
///
/// let message = Message { event: "tick".into(), data: "x".into(), last_event_id: "7".into() };
/// assert_eq!(Frame::new(Relayed::from(message))?.as_ref(), b"event: tick\nid: 7\ndata: x\n\n");
/// assert_eq!(Frame::new(Relayed::Comment("ping".into()))?.as_ref(), b": ping\n");
/// # Ok::<(), sse_actix_core::EmitError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relayed {
    /// An event of the other server, or several.
    Events(RelayedEvents),
    /// A comment of the other server.
    Comment(ByteString),
    /// The other server's reconnection time.
    Retry(Retry),
    /// An event made here.
    Event(Event),
    /// A frame made here.
    Frame(Frame),
}

impl From<RelayedEvents> for Relayed {
    fn from(events: RelayedEvents) -> Self {
        Self::Events(events)
    }
}

impl From<Message> for Relayed {
    /// With its last event id, unless that is empty.
    fn from(message: Message) -> Self {
        Self::Events(message.into())
    }
}

impl From<Event> for Relayed {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

impl From<Comment> for Relayed {
    fn from(comment: Comment) -> Self {
        Self::Frame(comment.into())
    }
}

impl From<Frame> for Relayed {
    fn from(frame: Frame) -> Self {
        Self::Frame(frame)
    }
}

impl Sealed for Relayed {}

impl Emit for Relayed {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        match self {
            Self::Events(events) => events.encode(out),
            Self::Comment(text) => {
                push_text_lines(b": ", text.as_bytes(), out);
                Ok(())
            }
            Self::Retry(retry) => {
                push_retry(Some(retry), out);
                Ok(())
            }
            Self::Event(event) => event.encode(default_name, out),
            Self::Frame(frame) => frame.encode(default_name, out),
        }
    }

    fn check_for_browsers(&self) -> Result<(), FieldError> {
        match self {
            Self::Events(events) => events.check_for_browsers(),
            Self::Event(event) => Emit::check_for_browsers(event),
            Self::Frame(frame) => Emit::check_for_browsers(frame),
            Self::Comment(_) | Self::Retry(_) => Ok(()),
        }
    }

    #[inline]
    fn events(&self) -> u64 {
        match self {
            Self::Events(events) => events.count(),
            _ => 1,
        }
    }

    #[inline]
    fn shared(&self) -> Option<(&[u8], &Bytes)> {
        match self {
            Self::Frame(frame) => Emit::shared(frame),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decoder;

    fn message(event: &str, id: &str) -> Message {
        Message {
            event: event.into(),
            data: "a\nb".into(),
            last_event_id: id.into(),
        }
    }

    fn bytes(item: impl Into<Relayed>) -> String {
        let mut out = BytesMut::new();
        item.into()
            .encode(Some(&EventName::from_static("default")), &mut out)
            .unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn every_kind_of_item() {
        let reset = RelayedEvents::with_id(message("message", ""));
        for (item, expected) in [
            (message("message", "").into(), "data: a\ndata: b\n\n"),
            (
                message("error", "7 ").into(),
                "event: error\nid: 7 \ndata: a\ndata: b\n\n",
            ),
            (reset.into(), "id: \ndata: a\ndata: b\n\n"),
            (Relayed::Comment("".into()), ":\n"),
            (Relayed::Retry(Retry::from_millis(500)), "retry: 500\n"),
            (Event::data("x").into(), "event: default\ndata: x\n\n"),
            (Event::comment("x").into(), ": x\n"),
            (Frame::from(Event::data("x")).into(), "data: x\n\n"),
        ] {
            assert_eq!(bytes(item), expected);
        }
    }

    #[test]
    fn several_events_are_counted_and_given_one_by_one() {
        let mut decoder = Decoder::new();
        decoder.feed("data: a\n\ndata: b\n\n");
        let events = decoder.next_unchanged().unwrap();
        assert_eq!(Emit::events(&Relayed::from(events.clone())), 2);
        let data: Vec<_> = events.into_messages().map(|message| message.data).collect();
        assert_eq!(data, ["a", "b"]);
        assert_eq!(Emit::events(&Relayed::from(message("a", ""))), 1);
    }

    #[test]
    fn what_browsers_cannot_use_is_told_and_what_is_not_sent_is_not() {
        for (event, id, sends_id, for_browsers) in [
            ("tick", "7", true, true),
            ("error", "7", true, false),
            ("tick", "7 ", true, false),
            ("tick", "7 ", false, true),
            ("sse-end", "7", true, false),
            ("sse-gap", "7", true, true),
            ("sse-position", "7", true, true),
            ("sse-position", "sse-end", true, false),
        ] {
            let message = message(event, id);
            let item = Relayed::from(if sends_id {
                RelayedEvents::with_id(message)
            } else {
                RelayedEvents::without_id(message)
            });
            assert_eq!(Emit::check_for_browsers(&item).is_ok(), for_browsers, "{item:?}");
        }
        let error = Event::data("x").event(EventName::not_for_browsers("error").unwrap());
        assert!(Emit::check_for_browsers(&Relayed::from(error.clone())).is_err());
        assert!(Emit::check_for_browsers(&Relayed::from(Frame::from(error))).is_err());
    }

    #[test]
    fn a_changed_message_cannot_forge_a_line() {
        for forged in [message("a\ndata: b", ""), message("a", "7\rid: 8")] {
            let mut out = BytesMut::from("before");
            assert!(Relayed::from(forged).encode(None, &mut out).is_err());
            assert_eq!(out, "before");
        }
    }
}
