use std::{fmt, ops::Deref};

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
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    bytes: Bytes,
    /// True if a stream for browsers may send it.
    for_browsers: bool,
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
    /// [`EmitError`], only from [`Json`](crate::Json) and [`Message`](crate::Message). For events and comments
    /// there is the infallible `Frame::from`.
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
            bytes: bytes.freeze(),
            for_browsers,
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
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let mut fields = text.split('\n').take_while(|line| !line.starts_with("data"));
        fields.find_map(|line| line.strip_prefix(prefix))
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

    /// The bytes, sharing the allocation.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Makes a frame of bytes that were encoded in this crate.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self {
            bytes,
            for_browsers: true,
        }
    }

    fn infallible(value: impl Emit) -> Self {
        // Only `Json` and `Message` can fail, and no caller passes one.
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
        &self.bytes
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame")
            .field(&String::from_utf8_lossy(&self.bytes))
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
    fn shared(&self) -> Option<&Bytes> {
        Some(&self.bytes)
    }
}

impl Emit for &Frame {
    fn encode(self, _: Option<&EventName>, out: &mut BytesMut) -> Result<(), EmitError> {
        out.extend_from_slice(self.as_ref());
        Ok(())
    }

    #[inline]
    fn check_for_browsers(&self) -> Result<(), FieldError> {
        Frame::check_for_browsers(self)
    }

    #[inline]
    fn shared(&self) -> Option<&Bytes> {
        Some(&self.bytes)
    }
}
