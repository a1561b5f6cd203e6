//! What a relay sends on.

use bytes::BytesMut;

use crate::{
    Comment, Emit, EmitError, Event, EventId, EventName, FieldError, Frame, GAP_EVENT, Message,
    POSITION_EVENT, Retry,
    decode::ByteString,
    encode::{push_field, push_retry, push_text_lines},
};

/// One item of a stream that is sent on: what another server sent, or what was put in its place.
///
/// ```
/// use sse_actix_core::{Frame, Message, Relayed};
///
/// let message = Message { event: "tick".into(), data: "x".into(), last_event_id: "7".into() };
/// let first = Relayed::Message { message: message.clone(), sends_id: true };
/// assert_eq!(Frame::new(first)?.as_ref(), b"event: tick\nid: 7\ndata: x\n\n");
/// let second = Relayed::Message { message, sends_id: false };
/// assert_eq!(Frame::new(second)?.as_ref(), b"event: tick\ndata: x\n\n");
/// assert_eq!(Frame::new(Relayed::Comment("ping".into()))?.as_ref(), b": ping\n");
/// # Ok::<(), sse_actix_core::EmitError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relayed {
    /// An event of the other server.
    Message {
        /// The event.
        message: Message,
        /// Whether its last event id is sent with it. `false` if the client has that id already: a message holds
        /// the last id of its stream, which need not be its own.
        sends_id: bool,
    },
    /// A comment of the other server.
    Comment(ByteString),
    /// The other server's reconnection time.
    Retry(Retry),
    /// An event made here.
    Event(Event),
    /// A frame made here.
    Frame(Frame),
}

impl From<Message> for Relayed {
    /// With its last event id, unless that is empty.
    fn from(message: Message) -> Self {
        let sends_id = !message.last_event_id.is_empty();
        Self::Message { message, sends_id }
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

impl Emit for Relayed {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        match self {
            Self::Message { message, sends_id } => encode_message(&message, sends_id, out),
            Self::Comment(text) => {
                push_text_lines(b":", text.as_bytes(), out);
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

    /// As for the parts. The events by which another `sse-actix` server tells of a gap or a position are for
    /// browsers.
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        match self {
            Self::Message { message, sends_id } => {
                let Message {
                    event, last_event_id, ..
                } = message;
                let name = &**event;
                if !matches!(name, "message" | "") && !is_told_to_browsers(name) {
                    EventName::check(name)?;
                }
                if *sends_id {
                    EventId::check(last_event_id)?;
                }
                Ok(())
            }
            Self::Event(event) => Emit::check_for_browsers(event),
            Self::Frame(frame) => Emit::check_for_browsers(frame),
            Self::Comment(_) | Self::Retry(_) => Ok(()),
        }
    }
}

/// Whether it is the name of an event by which a server of this library tells a browser something.
fn is_told_to_browsers(name: &str) -> bool {
    name == GAP_EVENT.as_str() || name == POSITION_EVENT.as_str()
}

/// Names and ids are checked again, since a message may have been changed on its way.
#[inline]
pub(crate) fn encode_message(message: &Message, sends_id: bool, out: &mut BytesMut) -> Result<(), EmitError> {
    let Message {
        event,
        data,
        last_event_id,
    } = message;
    let has_name = !matches!(&**event, "message" | "");
    if has_name {
        EventName::check_line(event)?;
    }
    if sends_id {
        EventId::check_line(last_event_id)?;
    }
    out.reserve(data.len() + event.len() + last_event_id.len() + 64);
    if has_name {
        push_field(b"event: ", event.as_bytes(), out);
    }
    if sends_id {
        push_field(b"id: ", last_event_id.as_bytes(), out);
    }
    push_text_lines(b"data:", data.as_bytes(), out);
    out.extend_from_slice(b"\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let reset = Relayed::Message {
            message: message("message", ""),
            sends_id: true,
        };
        for (item, expected) in [
            (message("message", "").into(), "data: a\ndata: b\n\n"),
            (
                message("error", "7 ").into(),
                "event: error\nid: 7 \ndata: a\ndata: b\n\n",
            ),
            (reset, "id: \ndata: a\ndata: b\n\n"),
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
            let item = Relayed::Message {
                message: message(event, id),
                sends_id,
            };
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
