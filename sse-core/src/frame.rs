use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    str,
    sync::OnceLock,
};

use bytes::{Bytes, BytesMut};

use crate::{
    Comment, Emit, EmitError, Event, EventId, EventName, FieldError, Retry,
    encode::{push_retry, sealed::Sealed},
};

/// One complete encoded event: the bytes that are sent, up to and including the empty line. Or the lines of a comment
/// or of a reconnection time, which have no empty line.
///
/// Encoded once and cheap to clone: every reader shares the same bytes. A frame cannot be made from bytes that were not
/// encoded here, so a frame cannot break a stream.
///
/// ```
/// use sse_actix_core::{Event, Frame};
///
/// let frame = Frame::from(Event::data("hello").event("greeting"));
/// assert_eq!(frame.as_ref(), b"event: greeting\ndata: hello\n\n");
/// ```
#[derive(Clone)]
pub struct Frame {
    bytes: Bytes,
    /// The id line before `bytes`, if `bytes` are shared with readers that get another id line. Most frames have none.
    own_line: Option<Box<OwnLine>>,
    /// True if a stream for browsers may send it.
    for_browsers: bool,
}

/// If a reader gets its own id line, the rest of the event is copied behind the line only below this size. From this
/// size on, it stays shared.
const MIN_SHARED: usize = 8 * 1024;

/// An id line that stands in front of bytes that others share.
#[derive(Clone)]
struct OwnLine {
    line: Bytes,
    /// The line and the shared bytes in one piece. Made when a caller first requests it.
    whole: OnceLock<Bytes>,
}

impl Frame {
    /// Encodes anything that can be emitted.
    ///
    /// ```
    /// use sse_actix_core::{Frame, Json};
    ///
    /// assert_eq!(Frame::new(Json([1, 2]))?.into_bytes(), "data: [1,2]\n\n");
    /// # Ok::<(), sse_actix_core::EmitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmitError`], only from [`Json`](crate::Json), an enum of events, [`Message`](crate::Message) and
    /// [`Relayed`](crate::Relayed). For an [`Event`] or a [`Comment`] there is the infallible `Frame::from`.
    pub fn new(value: impl Emit) -> Result<Self, EmitError> {
        Self::encode(None, value)
    }

    /// Like [`Frame::new`]; data without a name gets this one.
    ///
    /// ```
    /// use sse_actix_core::{EventName, Frame};
    ///
    /// let name = EventName::from_static("tick");
    /// assert_eq!(Frame::named(&name, "1")?.as_ref(), b"event: tick\ndata: 1\n\n");
    /// # Ok::<(), sse_actix_core::EmitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`Frame::new`].
    pub fn named(name: &EventName, value: impl Emit) -> Result<Self, EmitError> {
        let mut frame = Self::encode(Some(name), value)?;
        frame.for_browsers &= name.check_for_browsers().is_ok();
        Ok(frame)
    }

    fn encode(name: Option<&EventName>, value: impl Emit) -> Result<Self, EmitError> {
        let for_browsers = value.check_for_browsers().is_ok();
        let mut bytes = BytesMut::new();
        value.encode(name, &mut bytes)?;
        Ok(Self {
            for_browsers,
            ..Self::of(bytes.freeze())
        })
    }

    /// A single `retry` line. Browsers obey it and dispatch no event.
    ///
    /// ```
    /// # use sse_actix_core::{Frame, Retry};
    /// assert_eq!(Frame::retry(Retry::from_millis(3_000)).as_ref(), b"retry: 3000\n");
    /// ```
    pub fn retry(retry: Retry) -> Self {
        let mut out = BytesMut::with_capacity(24);
        push_retry(Some(retry), &mut out);
        Self::of(out.freeze())
    }

    /// The event's name; `None` if it has none, which means `message`, or if this is not an event.
    ///
    /// ```
    /// # use sse_actix_core::{Event, Frame};
    /// assert_eq!(Frame::from(Event::data("x").event("tick").id(7)).name(), Some("tick"));
    /// assert_eq!(Frame::from(Event::data("x")).name(), None);
    /// ```
    pub fn name(&self) -> Option<&str> {
        // A frame is text, and its data lines come last.
        self.field("event: ")
    }

    fn field(&self, prefix: &str) -> Option<&str> {
        let (line, bytes) = self.parts();
        let fields = |part| {
            let text = str::from_utf8(part).ok()?;
            let mut fields = text.split('\n').take_while(|line| !line.starts_with("data"));
            fields.find_map(|line| line.strip_prefix(prefix))
        };
        fields(line).or_else(|| fields(bytes))
    }

    /// The frame's own id line, which is usually empty, and the shared bytes.
    fn parts(&self) -> (&[u8], &Bytes) {
        let line = self.own_line.as_ref().map_or(&b""[..], |own| &own.line);
        (line, &self.bytes)
    }

    fn whole(&self) -> &Bytes {
        match &self.own_line {
            Some(own) => own
                .whole
                .get_or_init(|| [&own.line[..], &self.bytes].concat().into()),
            None => &self.bytes,
        }
    }

    pub(crate) fn check_for_browsers(&self) -> Result<(), FieldError> {
        if self.for_browsers {
            return Ok(());
        }
        if let Some(name) = self.name() {
            EventName::try_from(name)?;
        }
        self.field("id: ")
            .map_or(Ok(()), |id| EventId::try_from(id).map(drop))
    }

    /// The bytes, which share the frame's memory. There is one exception: a large event on a stream of several topics
    /// is copied here, because its id line belongs to one reader. When it is emitted, it is not copied.
    pub fn into_bytes(self) -> Bytes {
        self.whole().clone()
    }

    /// Makes a frame of bytes that were encoded in this crate.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self {
            bytes,
            own_line: None,
            for_browsers: true,
        }
    }

    /// Makes a frame of an id line and the rest of an event. The rest stays shared if it is large. Both were encoded in
    /// this crate.
    pub(crate) fn with_line(line: &[u8], bytes: Bytes) -> Self {
        if bytes.len() < MIN_SHARED {
            return Self::of([line, &bytes].concat().into());
        }
        let own = OwnLine {
            line: Bytes::copy_from_slice(line),
            whole: OnceLock::new(),
        };
        Self {
            own_line: Some(Box::new(own)),
            ..Self::of(bytes)
        }
    }

    fn infallible(value: impl Emit) -> Self {
        // Only `Json`, an enum of events, `Message` and `Relayed` can fail, and no caller passes one.
        Self::encode(None, value).unwrap_or_else(|_| Self::of(Bytes::new()))
    }
}

impl From<Event> for Frame {
    fn from(event: Event) -> Self {
        Self::infallible(event)
    }
}

impl From<&Event> for Frame {
    fn from(event: &Event) -> Self {
        Self::infallible(event)
    }
}

impl From<Comment> for Frame {
    fn from(comment: Comment) -> Self {
        Self::infallible(comment)
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.whole()
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.whole()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        **self == **other && self.for_browsers == other.for_browsers
    }
}

impl Eq for Frame {}

impl Hash for Frame {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame")
            .field(&String::from_utf8_lossy(self))
            .finish()
    }
}

impl Sealed for Frame {}
impl Sealed for &Frame {}

impl Emit for Frame {
    fn encode(self, default_name: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        (&self).encode(default_name, out)
    }

    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        Frame::check_for_browsers(self)
    }

    #[inline]
    fn shared(&self) -> Option<(&[u8], &Bytes)> {
        Some(self.parts())
    }
}

impl Emit for &Frame {
    fn encode(self, _: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        let (line, bytes) = self.parts();
        out.extend_from_slice(line);
        out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        Frame::check_for_browsers(self)
    }

    #[inline]
    fn shared(&self) -> Option<(&[u8], &Bytes)> {
        Some(self.parts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_event_behind_a_line_of_its_own_is_shared_and_reads_as_one() {
        let event = Event::data("x".repeat(MIN_SHARED)).event("tick");
        let shared = Frame::from(event).into_bytes();
        let frame = Frame::with_line(b"id: 1,2\n", shared.clone());
        let (line, bytes) = frame.shared().unwrap();
        assert_eq!((line, bytes.as_ptr()), (&b"id: 1,2\n"[..], shared.as_ptr()));
        let whole = [b"id: 1,2\n", &shared[..]].concat();
        assert_eq!(*frame, *whole);
        assert_eq!(frame, Frame::of(whole.clone().into()));
        assert_eq!((frame.name(), frame.field("id: ")), (Some("tick"), Some("1,2")));
        let mut out = BytesMut::new();
        frame.clone().encode(None, &mut out).unwrap();
        assert_eq!(out, whole);
        assert_eq!(frame.into_bytes(), whole);
    }
}
