use bytes::{Bytes, BytesMut};

use crate::{
    Decoded, Decoder, Emit, EmitError, EventId, EventName, FieldError, GAP_EVENT, Message, POSITION_EVENT,
    encode::{push_field, push_text_lines, sealed::Sealed},
};

/// One event of another server, or several that were not decoded one by one, to be sent on.
///
/// ```
/// use sse_actix_core::{Frame, Message, Relayed, RelayedEvents};
///
/// let message = Message { event: "tick".into(), data: "x".into(), last_event_id: "7".into() };
/// let first = RelayedEvents::from(message.clone());
/// assert_eq!(Frame::new(Relayed::from(first))?.as_ref(), b"event: tick\nid: 7\ndata: x\n\n");
/// let second = RelayedEvents::without_id(message);
/// assert_eq!(Frame::new(Relayed::from(second))?.as_ref(), b"event: tick\ndata: x\n\n");
/// # Ok::<(), sse_actix_core::EmitError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedEvents(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// The bytes as they were received: each event has only one line of data, and their stream has no ids.
    Unchanged { bytes: Bytes, events: u64 },
    Decoded {
        message: Message,
        /// True if its last event id is sent with it.
        sends_id: bool,
    },
}

impl RelayedEvents {
    /// Each of the events is `data: `, a line, and an empty line, in valid UTF-8.
    #[inline]
    fn unchanged(bytes: Bytes, events: u64) -> Self {
        Self(Form::Unchanged { bytes, events })
    }

    /// A message whose last event id the client already has. A message holds the last id of its stream, which may be
    /// from an earlier event.
    #[inline]
    pub fn without_id(message: Message) -> Self {
        Self(Form::Decoded {
            message,
            sends_id: false,
        })
    }

    /// A message whose last event id is new to the client. An empty id resets the client's id.
    ///
    /// ```
    /// use sse_actix_core::{Frame, Message, Relayed, RelayedEvents};
    ///
    /// let message = Message { event: "".into(), data: "x".into(), last_event_id: "".into() };
    /// let frame = Frame::new(Relayed::from(RelayedEvents::with_id(message)))?;
    /// assert_eq!(frame.as_ref(), b"id: \ndata: x\n\n");
    /// # Ok::<(), sse_actix_core::EmitError>(())
    /// ```
    #[inline]
    pub fn with_id(message: Message) -> Self {
        Self(Form::Decoded {
            message,
            sends_id: true,
        })
    }

    /// The events, as a browser would dispatch them.
    ///
    /// ```
    /// use sse_actix_core::{Message, RelayedEvents};
    ///
    /// let message = Message { event: "tick".into(), data: "x".into(), last_event_id: "7".into() };
    /// let events = RelayedEvents::without_id(message.clone());
    /// assert_eq!(events.into_messages().collect::<Vec<_>>(), [message]);
    /// ```
    pub fn into_messages(self) -> impl Iterator<Item = Message> {
        let (message, decoder) = match self.0 {
            Form::Decoded { message, .. } => (Some(message), None),
            Form::Unchanged { bytes, .. } => {
                let mut decoder = Decoder::new();
                decoder.feed(bytes);
                (None, Some(decoder))
            }
        };
        let unread = decoder.into_iter().flatten().filter_map(|item| match item {
            Ok(Decoded::Message(message)) => Some(message),
            _ => None,
        });
        message.into_iter().chain(unread)
    }

    #[inline]
    pub(super) fn count(&self) -> u64 {
        match self.0 {
            Form::Unchanged { events, .. } => events,
            Form::Decoded { .. } => 1,
        }
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EmitError> {
        match &self.0 {
            Form::Unchanged { bytes, .. } => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Form::Decoded { message, sends_id } => encode_message(message, *sends_id, out),
        }
    }

    /// Like [`Message`]; the gap and position events of another `sse-actix` server are allowed for browsers.
    #[inline]
    pub(super) fn check_for_browsers(&self) -> Result<(), FieldError> {
        let Form::Decoded { message, sends_id } = &self.0 else {
            return Ok(());
        };
        let name = &*message.event;
        let told = name == GAP_EVENT.as_str() || name == POSITION_EVENT.as_str();
        if !matches!(name, "message" | "") && !told {
            EventName::check(name)?;
        }
        if *sends_id {
            EventId::check(&message.last_event_id)?;
        }
        Ok(())
    }
}

impl Decoder {
    /// The next events as they were received, as long as each is one complete line of data, and the stream has sent no
    /// id. At most 4 KiB, or one event. `None` if the caller has to iterate instead.
    ///
    /// Sending events on without decoding each takes a third of the time.
    ///
    /// ```
    /// use sse_actix_core::{Decoder, Frame, Relayed};
    ///
    /// let mut decoder = Decoder::new();
    /// decoder.feed("data: a\n\ndata: b\n\ndata: c");
    /// let unchanged = Relayed::from(decoder.next_unchanged().unwrap());
    /// assert_eq!(Frame::new(unchanged)?.as_ref(), b"data: a\n\ndata: b\n\n");
    /// assert_eq!((decoder.next_unchanged(), decoder.next()), (None, None));
    /// # Ok::<(), sse_actix_core::EmitError>(())
    /// ```
    #[inline]
    pub fn next_unchanged(&mut self) -> Option<RelayedEvents> {
        let (bytes, events) = self.next_events_of_one_line()?;
        Some(RelayedEvents::unchanged(bytes, events))
    }
}

impl From<Message> for RelayedEvents {
    /// With its last event id, unless that is empty.
    fn from(message: Message) -> Self {
        if message.last_event_id.is_empty() {
            Self::without_id(message)
        } else {
            Self::with_id(message)
        }
    }
}

impl Sealed for Message {}
impl Sealed for &Message {}

/// Encoded unchanged: with its name, unless that is `message`, its last event id, unless that is empty, and its data.
impl Emit for &Message {
    fn encode(self, _: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        encode_message(self, !self.last_event_id.is_empty(), out)
    }

    fn check_for_browsers(&self) -> Result<(), FieldError> {
        let Message {
            event, last_event_id, ..
        } = self;
        if !event.is_empty() {
            EventName::check(event)?;
        }
        EventId::check(last_event_id)
    }
}

impl Emit for Message {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        (&self).encode(default_name, out)
    }

    fn check_for_browsers(&self) -> Result<(), FieldError> {
        Emit::check_for_browsers(&self)
    }
}

/// Names and ids are checked again, because code may have changed the message.
#[inline]
fn encode_message(message: &Message, sends_id: bool, out: &mut BytesMut) -> Result<(), EmitError> {
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
    push_text_lines(b"data: ", data.as_bytes(), out);
    out.extend_from_slice(b"\n");
    Ok(())
}
