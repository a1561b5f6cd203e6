use std::{error::Error, fmt};

use actix_web::{ResponseError, http::StatusCode};
use sse_actix_core::{ByteString, DecodeError, FieldError};

/// The reason why a [`Relay`](crate::Relay) has ended before its upstream's end. The answer is 502 if the stream has
/// not opened yet.
///
/// ```
/// use actix_web::ResponseError as _;
/// use sse_actix::RelayError;
///
/// let error = RelayError::Unfinished;
/// assert_eq!(error.to_string(), "upstream ended in the middle of an event, or before its last event");
/// assert_eq!(error.status_code(), 502);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RelayError {
    /// Upstream's body failed.
    Upstream(Box<dyn Error + Send + Sync>),
    /// Upstream ended in the middle of an event, or without the event that
    /// [`ends_with`](crate::Relay::ends_with) names.
    Unfinished,
    /// An event or a comment of upstream is larger than [`max_event_size`](crate::Relay::max_event_size).
    TooLarge(DecodeError),
    /// Upstream, an `sse-actix` server, has said that its stream failed or was ended.
    Ended {
        /// The data of its `sse-end` event.
        data: ByteString,
    },
    /// Upstream, an `sse-actix` server, has sent a gap event.
    Gap {
        /// The data of its `sse-gap` event.
        data: ByteString,
    },
    /// Browsers cannot use a name or an id of upstream, and [`Unusable::Fail`](crate::Unusable::Fail) was chosen.
    Unusable(FieldError),
    /// The closure of [`map_messages`](crate::Relay::map_messages) has failed.
    Map(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(error) => write!(f, "the connection to upstream failed: {error}"),
            Self::Unfinished => {
                f.write_str("upstream ended in the middle of an event, or before its last event")
            }
            Self::TooLarge(DecodeError::EventTooLarge { limit }) => {
                write!(f, "upstream has sent an event of more than {limit} bytes")
            }
            Self::TooLarge(DecodeError::CommentTooLarge { limit }) => {
                write!(f, "upstream has sent a comment of more than {limit} bytes")
            }
            Self::TooLarge(error) => error.fmt(f),
            Self::Ended { data } => write!(f, "upstream has ended its stream: {data}"),
            Self::Gap { data } => write!(f, "upstream has lost events: {data}"),
            Self::Unusable(error) => {
                write!(f, "upstream has sent an event that browsers cannot use: {error}")
            }
            Self::Map(error) => write!(f, "an event of upstream could not be mapped: {error}"),
        }
    }
}

impl Error for RelayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Upstream(error) | Self::Map(error) => Some(&**error),
            Self::TooLarge(error) => Some(error),
            Self::Unusable(error) => Some(error),
            Self::Unfinished | Self::Ended { .. } | Self::Gap { .. } => None,
        }
    }
}

impl ResponseError for RelayError {
    fn status_code(&self) -> StatusCode {
        StatusCode::BAD_GATEWAY
    }
}
