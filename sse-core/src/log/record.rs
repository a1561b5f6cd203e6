use std::{error::Error, fmt};

use bytes::{Bytes, BytesMut};
use compact_str::CompactString;
use serde::Serialize;

use crate::{Emit, Event, EventName, FieldError, JsonError, encode::push_json_event};

/// What is appended to a log: one encoded event without an `id` line, which the log adds once it knows
/// the position.
///
/// ```
/// use sse_actix_core::{Event, Record};
///
/// let record = Record::event(&Event::data("hello").event("greeting"), None)?;
/// assert_eq!(record.body().as_ref(), b"event: greeting\ndata: hello\n\n");
///
/// let error = Record::event(&Event::data("hello").id(7), None).unwrap_err();
/// assert!(error.to_string().starts_with("the event has an id of its own"));
/// # Ok::<(), sse_actix_core::RecordError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    body: Bytes,
    key: Option<CompactString>,
}

impl Record {
    /// A record of `event`, or with `name` if it has none of its own.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the event has an id, since in a log ids are positions, or a name that an
    /// `EventSource` cannot listen to, since browsers may read any topic.
    pub fn event(event: &Event, name: Option<&EventName>) -> Result<Self, RecordError> {
        if event.parts().id.is_some() {
            return Err(OwnId.into());
        }
        Emit::check_for_browsers(&event)?;
        let mut body = BytesMut::new();
        // Only `Json` can fail.
        let _ = event.encode(name, &mut body);
        Ok(Self::of(body.freeze()))
    }

    /// A record whose data is `value` as JSON.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the value cannot be JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T, name: Option<&EventName>) -> Result<Self, JsonError> {
        let mut body = BytesMut::new();
        push_json_event(name, value, &mut body)?;
        Ok(Self::of(body.freeze()))
    }

    /// A record of bytes that [`body`](Self::body) once returned, such as a log on another machine gives
    /// back.
    ///
    /// # Errors
    ///
    /// [`NotARecord`] if they could be anything else than the event line, the `retry` line, the `data`
    /// lines and the empty line of one event.
    pub fn from_body(body: Bytes) -> Result<Self, NotARecord> {
        let text = std::str::from_utf8(&body).map_err(|_| NotARecord)?;
        let lines = text.strip_suffix("\n\n").ok_or(NotARecord)?;
        let sound = |line: &str| {
            let field = line.split(':').next().unwrap_or_default();
            matches!(field, "event" | "retry" | "data") && line.len() > field.len()
        };
        if text.contains('\r') || !lines.split('\n').all(sound) {
            return Err(NotARecord);
        }
        Ok(Self::of(body))
    }

    /// Says of what this is the newest state: a topic that keeps the latest of each key forgets the
    /// earlier ones.
    #[must_use]
    pub fn key(mut self, key: impl Into<CompactString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The key, if it was given one.
    pub fn key_str(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The encoded event, up to and including the empty line.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.body.len() + self.key.as_ref().map_or(0, CompactString::len)
    }

    pub(crate) fn into_parts(self) -> (Bytes, Option<CompactString>) {
        (self.body, self.key)
    }

    fn of(body: Bytes) -> Self {
        Self { body, key: None }
    }
}

/// An event cannot be appended to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// It has an id of its own.
    OwnId(OwnId),
    /// An `EventSource` cannot listen to its name.
    Name(FieldError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnId(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl Error for RecordError {}

impl From<OwnId> for RecordError {
    fn from(error: OwnId) -> Self {
        Self::OwnId(error)
    }
}

impl From<FieldError> for RecordError {
    fn from(error: FieldError) -> Self {
        Self::Name(error)
    }
}

/// An event that was to be appended to a log has an id of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnId;

impl fmt::Display for OwnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the event has an id of its own, but a topic's ids are positions in its log; leave `.id(..)` out",
        )
    }
}

impl Error for OwnId {}

/// Bytes are not the body of a [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARecord;

impl fmt::Display for NotARecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not one encoded event without an id; something else writes to this log")
    }
}

impl Error for NotARecord {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_browsers_could_not_listen_to_is_refused() {
        let event = Event::data("x").event(EventName::not_for_browsers("error").unwrap());
        assert!(matches!(Record::event(&event, None), Err(RecordError::Name(_))));
        assert!(matches!(
            Record::event(&event.id(7), None),
            Err(RecordError::OwnId(OwnId))
        ));
    }

    #[test]
    fn a_body_is_one_event_and_nothing_else() {
        for event in [
            Event::data(""),
            Event::data("a\nb:\n").event("x"),
            Event::data("\0: id: 3").retry(std::time::Duration::from_secs(1)),
            Event::json(&[1]).unwrap(),
        ] {
            let record = Record::event(&event, None).unwrap();
            assert_eq!(Record::from_body(record.body().clone()), Ok(record));
        }
        for wrong in [
            "",
            "\n\n",
            "data: a",
            "data: a\n",
            "id: 7\ndata: a\n\n",
            "data: a\n\ndata: b\n\n",
            "data: a\rid: 7\n\n",
            "data\n\n",
            ": a\n\n",
            "\u{feff}data: a\n\n",
        ] {
            let body = Bytes::from_static(wrong.as_bytes());
            assert_eq!(Record::from_body(body), Err(NotARecord), "{wrong:?}");
        }
        assert_eq!(
            Record::from_body(Bytes::from_static(b"data: \xff\n\n")),
            Err(NotARecord)
        );
    }
}
