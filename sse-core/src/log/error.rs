use std::{error::Error, fmt};

type Source = Box<dyn Error + Send + Sync>;

/// The reason why a record was not appended, or may not have been appended.
///
/// ```
/// use std::time::SystemTime;
/// use sse_actix_core::{AppendError, Event, Log, MemoryLog, Record, Retention, TopicName};
///
/// let retention = Retention::new().max_bytes(1_000);
/// let record = Record::event(&Event::data("x".repeat(1_000)), None)?;
/// let topic = TopicName::from_static("a");
/// let appended = MemoryLog::new().append(&topic, record, &retention, SystemTime::UNIX_EPOCH);
/// assert!(matches!(appended.into_ready().unwrap(), Err(AppendError::TooLarge { limit: 1_000, .. })));
/// # Ok::<(), sse_actix_core::RecordError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AppendError {
    /// The record is larger than all that the topic may keep; nothing was appended.
    TooLarge {
        /// Bytes that it would take.
        bytes: usize,
        /// Bytes that the topic may keep.
        limit: usize,
    },
    /// The topic keeps the newest event of each key, and the record has no key; nothing was appended.
    NoKey,
    /// The log refused, or could not be reached; nothing was appended.
    Refused(Source),
    /// The log did not answer, so it may have appended the record or not. Append the record again with the same
    /// [`IdempotencyKey`](crate::IdempotencyKey) until the outcome is known: then it is stored once. Without a key it
    /// may be stored twice.
    OutcomeUnknown(Source),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => write!(
                f,
                "the event takes {bytes} bytes, and its topic may keep {limit}; raise the topic's `max_bytes`, or publish less"
            ),
            Self::NoKey => f.write_str(
                "the topic keeps the latest event of each key, and the event has none; publish it with a key",
            ),
            Self::Refused(_) => f.write_str("the log did not store the event"),
            Self::OutcomeUnknown(_) => {
                f.write_str("it is unknown whether the log has stored the event: it did not answer; an event with an idempotency key may be published again")
            }
        }
    }
}

impl Error for AppendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge { .. } | Self::NoKey => None,
            Self::Refused(source) | Self::OutcomeUnknown(source) => Some(&**source),
        }
    }
}

/// Why a topic was not deleted, or may not have been.
///
/// ```
/// use std::{task::Waker, time::SystemTime};
/// use sse_actix_core::{
///     AppendError, Appended, Batch, Completion, DeleteError, Limit, Log, LogError, LogStats, MemoryLog, Record, Retention,
///     Start, TopicName, Watch,
/// };
///
/// /// A log that does not say how a topic is deleted.
/// #[derive(Debug)]
/// struct Simple(MemoryLog);
///
/// impl Log for Simple {
/// #   fn append(&self, topic: &TopicName, record: Record, retention: &Retention, now: SystemTime) -> Completion<Result<Appended, AppendError>> {
/// #       self.0.append(topic, record, retention, now)
/// #   }
/// #   fn read(&self, topic: &TopicName, start: Start, limit: Limit, now: SystemTime) -> Completion<Result<Batch, LogError>> {
/// #       self.0.read(topic, start, limit, now)
/// #   }
/// #   fn watch(&self, topic: &TopicName, waker: Waker, now: SystemTime) -> Watch { self.0.watch(topic, waker, now) }
/// #   fn stats(&self, topic: &TopicName) -> Option<LogStats> { self.0.stats(topic) }
///     // append, read, watch, stats
/// }
///
/// let topic = TopicName::from_static("room:7");
/// let deleted = Simple(MemoryLog::new()).delete(&topic, SystemTime::UNIX_EPOCH);
/// assert!(matches!(deleted.into_ready(), Ok(Err(DeleteError::Unsupported))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DeleteError {
    /// The log cannot delete topics.
    Unsupported,
    /// The log refused, or could not be reached; nothing was deleted.
    Refused(Source),
    /// The log did not answer, so it may have deleted the topic or not. Deleting again does no harm.
    OutcomeUnknown(Source),
}

impl fmt::Display for DeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => {
                "this log cannot delete topics; implement `Log::delete` for it, or let retention take what is too old"
            }
            Self::Refused(_) => "the log did not delete the topic",
            Self::OutcomeUnknown(_) => {
                "the log may or may not have deleted the topic: it did not answer; delete it again"
            }
        })
    }
}

impl Error for DeleteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unsupported => None,
            Self::Refused(source) | Self::OutcomeUnknown(source) => Some(&**source),
        }
    }
}

/// A log could not be read. It may be tried again.
///
/// ```
/// use std::error::Error;
/// use sse_actix_core::LogError;
///
/// let error = LogError::new("connection refused");
/// assert_eq!(error.source().unwrap().to_string(), "connection refused");
/// ```
#[derive(Debug)]
pub struct LogError(Source);

impl LogError {
    /// An error with its cause.
    pub fn new(source: impl Into<Source>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log could not be read")
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
