//! An event and a comment, as their author builds them before they are encoded.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{
    Emit, EmitError, EventId, EventName, FieldError, IntoEventId, IntoEventName, JsonError, Retry, SseEvents,
    encode::{self, push_field, push_name, push_retry, push_text_lines, sealed::Sealed},
    events::push_data_lines,
    scratch::{Parts, PooledParts},
};
use bytes::BytesMut;

/// An event, before it is encoded.
///
/// Built by chaining. Its name and id are checked when they are made, and its data may be any text, so encoding cannot
/// fail, and no text can inject a field. Its parts are those of the
/// [standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
///
/// ```
/// use sse_actix_core::{Event, Frame};
///
/// let event = Event::json(&["a", "b"])?.event("letters").id(7);
/// assert_eq!(Frame::from(event).as_ref(), b"event: letters\nid: 7\ndata: [\"a\",\"b\"]\n\n");
/// # Ok::<(), sse_actix_core::JsonError>(())
/// ```
///
/// Every line break in the data (LF, CR or CRLF) starts a new `data` line, and a browser joins
/// the lines with LF:
///
/// ```
/// # use sse_actix_core::{Event, Frame};
/// assert_eq!(Frame::from(Event::data("a\r\nb\rc")).as_ref(), b"data: a\ndata: b\ndata: c\n\n");
/// assert_eq!(Frame::from(Event::data("")).as_ref(), b"data:\n\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "an event does nothing until it is emitted"]
pub struct Event(PooledParts);

impl Event {
    /// An event with this text as its data. A browser calls `onmessage`, unless the event has a name.
    pub fn data(text: impl AsRef<str>) -> Self {
        let mut scratch = PooledParts::take();
        push_text_lines(
            b"data: ",
            text.as_ref().as_bytes(),
            &mut scratch.parts_mut().lines,
        );
        Self(scratch)
    }

    /// An event with `value` as JSON, which is serialised here, straight into the frame's lines.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the value cannot be JSON: a map whose keys are not strings, or a `Serialize`
    /// that fails.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        let mut scratch = PooledParts::take();
        encode::push_json_lines(value, &mut scratch.parts_mut().lines)?;
        Ok(Self(scratch))
    }

    /// Makes an event from a value of an enum. Use it to add a reconnection time, or to mix such events with other
    /// events.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_actix_core::{Event, EventName, Frame, SseEvents};
    /// # #[derive(serde::Serialize, serde::Deserialize)] enum Market { Closed }
    /// # impl SseEvents for Market {
    /// #     const NAMES: &'static [EventName] = &[EventName::from_static("closed")];
    /// #     fn event_name(&self) -> &EventName { &Self::NAMES[0] }
    /// # }
    /// let event = Event::of(&Market::Closed)?.retry(Duration::from_secs(60));
    /// assert_eq!(Frame::from(event).as_ref(), b"event: closed\nretry: 60000\ndata: null\n\n");
    /// # Ok::<(), sse_actix_core::EmitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmitError`] if its data cannot be JSON, or if the text of its id field is not a valid id.
    pub fn of<T: SseEvents>(event: &T) -> Result<Self, EmitError> {
        let mut scratch = PooledParts::take();
        let parts = scratch.parts_mut();
        push_data_lines(event, &mut parts.lines)?;
        parts.id = event.event_id()?;
        parts.name = Some(event.event_name().clone());
        Ok(Self(scratch))
    }

    /// A comment. Browsers skip it; people who look at the raw stream see it.
    ///
    /// See [`Comment`]'s example.
    pub fn comment(text: impl Into<Cow<'static, str>>) -> Comment {
        Comment {
            text: text.into(),
            retry: None,
        }
    }

    /// The name, which decides the listener that the browser calls. Default: none, which is `message`.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid event name; see [`EventName`] for constructors that return an error instead.
    #[inline]
    #[track_caller]
    pub fn event(mut self, name: impl IntoEventName) -> Self {
        self.0.parts_mut().name = Some(name.into_event_name());
        self
    }

    /// The id that the browser sends when it reconnects after this event. Default: none, which does not change the
    /// browser's last event id.
    ///
    /// # Panics
    ///
    /// If the literal is not a valid id; see [`EventId`](crate::EventId) for constructors that return an error instead.
    #[inline]
    #[track_caller]
    pub fn id(mut self, id: impl IntoEventId) -> Self {
        self.0.parts_mut().id = Some(id.into_event_id());
        self
    }

    /// How long the browser waits before it reconnects, from now on. A `Duration` shorter than
    /// [`Retry::MIN`], 100 ms, is sent as 100 ms, `Duration::ZERO` too; one longer than [`Retry::MAX`], about 25 days,
    /// is sent as `Retry::MAX`. [`Retry::new`] refuses both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_actix_core::{Event, Frame};
    ///
    /// let event = Event::data("busy").retry(Duration::from_secs(60));
    /// assert_eq!(Frame::from(event).as_ref(), b"retry: 60000\ndata: busy\n\n");
    /// ```
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.0.parts_mut().retry = Some(retry.into());
        self
    }

    /// The event's name, if it has one.
    ///
    /// ```
    /// use sse_actix_core::Event;
    ///
    /// assert_eq!(Event::data("x").event("tick").name().unwrap().as_str(), "tick");
    /// assert_eq!(Event::data("x").name(), None);
    /// ```
    pub fn name(&self) -> Option<&EventName> {
        self.parts().name.as_ref()
    }

    #[inline]
    pub(crate) fn parts(&self) -> &Parts {
        self.0.parts()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            name,
            id,
            retry,
            lines,
        } = self.parts();
        f.debug_struct("Event")
            .field("name", name)
            .field("id", id)
            .field("retry", retry)
            .field("lines", &String::from_utf8_lossy(lines))
            .finish()
    }
}

/// Lines that browsers skip: see [`Event::comment`]. A comment may have a `retry`, but neither id nor name, because
/// browsers disagree about these without data.
///
/// ```
/// use std::time::Duration;
/// use sse_actix_core::{Event, Frame};
///
/// let comment = Event::comment("hello").retry(Duration::from_secs(2));
/// assert_eq!(Frame::from(comment).as_ref(), b": hello\nretry: 2000\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a comment does nothing until it is emitted"]
pub struct Comment {
    pub(crate) text: Cow<'static, str>,
    pub(crate) retry: Option<Retry>,
}

impl Comment {
    /// How long the browser waits before it reconnects, from now on; as [`Event::retry`].
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.retry = Some(retry.into());
        self
    }
}

impl Sealed for Event {}
impl Sealed for &Event {}
impl Sealed for Comment {}

impl Emit for &Event {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        let Parts {
            name,
            id,
            retry,
            lines,
        } = self.parts();
        out.reserve(lines.len() + 64);
        push_name(name.as_ref().or(default_name), out);
        if let Some(id) = id {
            push_field(b"id: ", id.as_str().as_bytes(), out);
        }
        push_retry(*retry, out);
        out.extend_from_slice(lines);
        out.extend_from_slice(b"\n");
        Ok(())
    }

    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        let Parts { name, id, .. } = self.parts();
        name.as_ref().map_or(Ok(()), EventName::check_for_browsers)?;
        id.as_ref().map_or(Ok(()), EventId::check_for_browsers)
    }
}

impl Emit for Event {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        (&self).encode(default_name, out)
    }

    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        Emit::check_for_browsers(&self)
    }
}

/// Has no empty line at its end: a comment is not dispatched, and clients that dispatch at every empty line would see
/// an event where there is none.
impl Emit for Comment {
    fn encode(self, _: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        push_text_lines(b": ", self.text.as_bytes(), out);
        push_retry(self.retry, out);
        Ok(())
    }
}
