//! The endings of a stream, and errors with a text for the client.

use std::{borrow::Cow, error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

/// What the client does when a stream is ended from outside. An `EventSource` reconnects after every end; this decides
/// how the server answers then. See [`StreamControl::end`](crate::StreamControl::end)'s example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Sends a `retry` line with jitter, then ends: the client reconnects after that time and resumes.
    Reconnect,
    /// Sends an `sse-end` event with the reserved id, then ends: the server answers the client's next reconnect with
    /// 204, and the client stops.
    Final,
}

/// An error whose message is sent to the client.
///
/// After the opening, the text of another error is only logged, because it was written for the server's operator. The
/// text of this error is sent: as `message` of the `sse-end` event, or, before the opening, as the body of a 500.
///
/// ```
/// use sse_actix::StreamError;
///
/// let error = StreamError::new("the index was rebuilt; search again");
/// assert_eq!(error.message(), "the index was rebuilt; search again");
/// let error: actix_web::Error = error.into();
/// assert_eq!(error.to_string(), "the index was rebuilt; search again");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError(Cow<'static, str>);

impl StreamError {
    /// An error with a text for the client.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for StreamError {}

impl ResponseError for StreamError {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::build(self.status_code()).body(self.0.clone().into_owned())
    }
}

/// `no-transform` asks proxies not to compress, because that would delay events.
pub(crate) const UNCACHED: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// Stops an `EventSource` permanently, and is not an error status.
pub(crate) fn no_content() -> HttpResponse<BoxBody> {
    let mut response = HttpResponse::new(StatusCode::NO_CONTENT);
    response.headers_mut().insert(header::CACHE_CONTROL, UNCACHED);
    response
}
