use std::{error::Error, fmt, str, time::Duration};

use bytes::{Bytes, BytesMut};
use compact_str::CompactString;
use serde::Serialize;

use super::IdempotencyKey;
use crate::{
    Emit, EmitError, Event, EventName, FieldError, JsonError, Retry, TopicValue, encode::push_json_event,
    events::encode_event,
};

/// One encoded event that is appended to a log. It has no `id` line; the log adds that line once it knows the position.
///
/// ```
/// use sse_actix_core::{Event, Record};
///
/// let record = Record::event(&Event::data("hello").event("greeting"), None)?;
/// assert_eq!(record.body().as_ref(), b"event: greeting\ndata: hello\n\n");
///
/// let record = Record::json(&101.5, None)?.key("ACME");
/// assert_eq!(record.body().as_ref(), b"data: 101.5\n\n");
/// assert_eq!(record.key_str(), Some("ACME"));
///
/// let error = Record::event(&Event::data("hello").id(7), None).unwrap_err();
/// assert!(error.to_string().starts_with("the event has an id of its own"));
/// # Ok::<(), sse_actix_core::RecordError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    body: Bytes,
    key: Option<CompactString>,
    idempotency_key: Option<IdempotencyKey>,
}

impl Record {
    /// A record of `event`. If the event has no name, it gets `name`.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the event has an id, because in a log ids are positions, or if an `EventSource` cannot listen
    /// to the name, because browsers may read any topic.
    pub fn event(event: &Event, name: Option<&EventName>) -> Result<Self, RecordError> {
        if event.parts().id.is_some() {
            return Err(OwnId.into());
        }
        check_name(event.name().or(name))?;
        let mut body = BytesMut::new();
        // Only `Json` can fail.
        let _ = event.encode(name, &mut body);
        Ok(Self::of(body.freeze()))
    }

    /// A record whose data is `value` as JSON.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the value cannot be JSON, or if an `EventSource` cannot listen to the name.
    pub fn json<T: Serialize + ?Sized>(value: &T, name: Option<&EventName>) -> Result<Self, RecordError> {
        check_name(name)?;
        let mut body = BytesMut::new();
        push_json_event(name, value, &mut body)?;
        Ok(Self::of(body.freeze()))
    }

    /// A record of an event of an enum. See [`TopicValue`](crate::TopicValue)'s example.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it has an id, because in a log ids are positions, if its data cannot be JSON, or if it is an
    /// [`UnknownEvent`](crate::UnknownEvent) with a name that an `EventSource` cannot listen to.
    pub fn from_value<T: TopicValue>(event: &T) -> Result<Self, RecordError> {
        // An invalid text in the id field counts as an id, too.
        if !matches!(event.event_id(), Ok(None)) {
            return Err(OwnId.into());
        }
        check_name(Some(event.event_name()))?;
        let mut body = BytesMut::new();
        encode_event(event, &mut body)?;
        Ok(Self::of(body.freeze()))
    }

    /// A record of bytes that [`body`](Self::body) has returned before, such as bytes from a log on another machine.
    ///
    /// ```
    /// use sse_actix_core::{NotARecord, Record};
    ///
    /// assert!(Record::from_body("event: tick\ndata: 1\n\n".into()).is_ok());
    /// // Pages would take it for the end of the connection.
    /// assert_eq!(Record::from_body("event: error\ndata: 1\n\n".into()), Err(NotARecord));
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotARecord`] if the bytes are not exactly one event of this form: an `event` line with a name that browsers
    /// can listen to, a `retry` line with a time that [`Retry`] accepts, the `data` lines, and the empty line. The
    /// first two may be missing.
    pub fn from_body(body: Bytes) -> Result<Self, NotARecord> {
        if is_event(&body) {
            Ok(Self::of(body))
        } else {
            Err(NotARecord)
        }
    }

    /// Names the thing whose newest state this is. A topic that keeps the newest event of each key deletes the earlier
    /// events of this key.
    #[must_use]
    pub fn key(mut self, key: impl Into<CompactString>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The key, if it has one.
    pub fn key_str(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Sets the idempotency key: of all records with the same key, the log appends only one. See [`Log`](crate::Log).
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sse_actix_core::{Event, IdempotencyKey, Log, MemoryLog, Record, Retention, TopicName};
    ///
    /// let (log, topic, now) = (MemoryLog::new(), TopicName::from_static("orders"), SystemTime::UNIX_EPOCH);
    /// let key = IdempotencyKey::try_from("order 7")?;
    /// let record = Record::event(&Event::data("paid"), None)?.once(key.clone());
    /// assert_eq!(record.idempotency_key(), Some(&key));
    ///
    /// let append = || log.append(&topic, record.clone(), &Retention::new(), now).into_ready().unwrap();
    /// let (first, again) = (append()?, append()?);
    /// assert_eq!((first.repeated, again.repeated), (false, true));
    /// assert_eq!(again.position, first.position);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn once(mut self, key: IdempotencyKey) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// The idempotency key, if it has one.
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
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
        Self {
            body,
            key: None,
            idempotency_key: None,
        }
    }
}

/// Checks that browsers can listen to the name, because browsers may read any topic.
fn check_name(name: Option<&EventName>) -> Result<(), FieldError> {
    // Checks the text, as for a record that comes back from a log. So the names of the library's own events are
    // refused, too.
    name.map_or(Ok(()), |name| EventName::check(name.as_str()))
}

/// True if these are the lines of one encoded event without an id.
fn is_event(body: &[u8]) -> bool {
    let Some(text) = str::from_utf8(body)
        .ok()
        .and_then(|text| text.strip_suffix("\n\n"))
    else {
        return false;
    };
    let mut lines = text.split('\n').peekable();
    let mut value_of = |field| {
        let value = lines.peek()?.strip_prefix(field)?;
        lines.next();
        Some(value)
    };
    let (name, retry) = (value_of("event: "), value_of("retry: "));
    name.is_none_or(|name| EventName::check(name).is_ok())
        && retry.is_none_or(is_retry)
        && lines.peek().is_some()
        && lines.all(|line| line.starts_with("data:"))
        && !text.contains('\r')
}

fn is_retry(value: &str) -> bool {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        && value
            .parse()
            .is_ok_and(|millis| Retry::new(Duration::from_millis(millis)).is_ok())
}

/// An event cannot be appended to a log. See [`Record`]'s example.
#[derive(Debug)]
pub enum RecordError {
    /// It has an id.
    OwnId(OwnId),
    /// An `EventSource` cannot listen to its name.
    Name(FieldError),
    /// Its data cannot be JSON.
    Json(JsonError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnId(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::Json(error) => error.fmt(f),
        }
    }
}

impl Error for RecordError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OwnId(error) => error.source(),
            Self::Name(error) => error.source(),
            Self::Json(error) => error.source(),
        }
    }
}

impl From<JsonError> for RecordError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

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

impl From<EmitError> for RecordError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Json(error) => Self::Json(error),
            EmitError::Field(error) => Self::Name(error),
        }
    }
}

/// An event that should be appended to a log has an id. See [`Record`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnId;

impl fmt::Display for OwnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the event has an id of its own, but in a topic the log assigns the ids; leave `.id(..)`, or `#[sse(id)]`, out",
        )
    }
}

impl Error for OwnId {}

/// Bytes are not the body of a [`Record`]. See [`Record::from_body`]'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARecord;

impl fmt::Display for NotARecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not one encoded event without an id; another program writes to this log")
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
    fn a_default_name_that_browsers_could_not_listen_to_is_refused_where_it_is_used() {
        let error = EventName::not_for_browsers("error").unwrap();
        for name in [error, crate::GAP_EVENT] {
            let unnamed = Record::event(&Event::data("x"), Some(&name));
            assert!(matches!(unnamed, Err(RecordError::Name(_))), "{unnamed:?}");
            let json = Record::json(&1, Some(&name));
            assert!(matches!(json, Err(RecordError::Name(_))), "{json:?}");
            // An event that has a name does not get the default name.
            assert!(Record::event(&Event::data("x").event("own"), Some(&name)).is_ok());
        }
    }

    #[test]
    fn a_body_is_one_event_and_nothing_else() {
        for event in [
            Event::data(""),
            Event::data("a\nb:\n").event("x"),
            Event::data("\0: id: 3").retry(Duration::from_secs(1)),
            Event::data("a").event(" x ").retry(Retry::MAX),
            Event::data("a").retry(Duration::ZERO),
            Event::json(&[1]).unwrap(),
        ] {
            let record = Record::event(&event, None).unwrap();
            assert_eq!(Record::from_body(record.body().clone()), Ok(record));
        }
        let mut taken = Vec::new();
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
            // A name that browsers treat as something else, or cannot listen to.
            "event: error\ndata: a\n\n",
            "event: open\ndata: a\n\n",
            "event: a\0\ndata: a\n\n",
            "event: \ndata: a\n\n",
            "event: sse-end\ndata: {}\n\n",
            "event: sse-gap\ndata: {\"missed\":1}\n\n",
            // A reconnection time that is too short, too long, or not a number.
            "retry: 0\ndata: a\n\n",
            "retry: 99\ndata: a\n\n",
            "retry: 2147483648\ndata: a\n\n",
            "retry: 99999999999999999999\ndata: a\n\n",
            "retry: +1000\ndata: a\n\n",
            "retry: \ndata: a\n\n",
            // Lines that are repeated, in another order, or without data, so that browsers see no event.
            "event: a\nevent: b\ndata: a\n\n",
            "retry: 1000\nretry: 1000\ndata: a\n\n",
            "data: a\nevent: b\n\n",
            "data: a\nretry: 1000\n\n",
            "retry: 1000\nevent: b\ndata: a\n\n",
            "event: a\n\n",
            "retry: 1000\n\n",
            "event:a\ndata: a\n\n",
        ] {
            let body = Bytes::from_static(wrong.as_bytes());
            if Record::from_body(body) != Err(NotARecord) {
                taken.push(wrong);
            }
        }
        assert_eq!(taken, [""; 0]);
        assert_eq!(
            Record::from_body(Bytes::from_static(b"data: \xff\n\n")),
            Err(NotARecord)
        );
    }
}
