use std::{error::Error, fmt};

/// Something larger than [`max_event_size`](crate::Decoder::max_event_size) was discarded.
///
/// The decoder stays usable. There is no other error, because any bytes are a valid event stream.
///
/// ```
/// use sse_actix_core::DecodeError;
///
/// assert_eq!(
///     DecodeError::EventTooLarge { limit: 1024 }.to_string(),
///     "an event of more than 1024 bytes was discarded",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// An event. All its lines, up to and including its empty line, are skipped, and its id does not become the last
    /// event id, because the event was not delivered. A `retry` line of the event has already taken effect if it came
    /// before the limit was reached.
    EventTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A comment. Only this one line is skipped.
    CommentTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, limit) = match self {
            Self::EventTooLarge { limit } => ("an event", limit),
            Self::CommentTooLarge { limit } => ("a comment", limit),
        };
        write!(f, "{what} of more than {limit} bytes was discarded")
    }
}

impl Error for DecodeError {}
