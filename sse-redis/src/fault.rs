//! Faults of Redis and of the connections to it, and their log lines.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{RedisError, ServerError, Value};

use crate::value::Unexpected;

/// How often the same fault is logged.
const LOGGED: Duration = Duration::from_secs(60);

/// How many different faults are counted separately.
const MAX_KINDS: usize = 1_000;

#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no connection.
    Absent(String),
    /// A call has failed.
    Redis(RedisError),
    /// Redis has refused one of several calls.
    Refused(ServerError),
    /// A key holds a value that this program never writes.
    Unexpected,
    /// Redis has answered this in a form that sse-actix does not know.
    UnknownForm(&'static str),
    /// The session's connections are lost.
    Lost,
    /// This node has not heard its own heartbeat.
    Deaf(Duration),
    /// Redis has not answered this call in time.
    Unanswered(&'static str, Duration),
    /// A revocation has not arrived. The next session reads those that were missed.
    RevocationMissed,
    /// The primary has become a replica.
    Demoted,
    /// The address leads to another primary.
    Moved,
    /// Some slots of the cluster are not held by any node that has answered.
    Incomplete,
}

impl Fault {
    /// True if the connection is lost; false if Redis has only refused the call.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Redis(error) => is_of_connection(error),
            Self::Refused(_) | Self::Unexpected | Self::UnknownForm(_) => false,
            Self::Absent(_)
            | Self::Lost
            | Self::Deaf(_)
            | Self::Unanswered(..)
            | Self::RevocationMissed
            | Self::Demoted
            | Self::Moved
            | Self::Incomplete => true,
        }
    }
}

impl Fault {
    /// Whether another node of the cluster holds the key, or will soon.
    pub(crate) fn is_of_slot(&self) -> bool {
        match self {
            Self::Redis(error) => error.code().is_some_and(is_of_slot),
            Self::Refused(error) => is_of_slot(error.code()),
            Self::Incomplete => true,
            _ => false,
        }
    }
}

/// True if the error means that the connection is lost; false if Redis has only refused the call.
pub(crate) fn is_of_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// True if the error code means that the server is a replica.
pub(crate) fn is_of_replica(code: &str) -> bool {
    matches!(code, "READONLY" | "MASTERDOWN")
}

/// Whether an error code says that another node holds the key, or will soon.
pub(crate) fn is_of_slot(code: &str) -> bool {
    matches!(code, "MOVED" | "ASK" | "TRYAGAIN")
}

/// Whether an error code says that the whole server takes no events at present.
pub(crate) fn is_of_server(code: &str) -> bool {
    matches!(
        code,
        "OOM" | "MISCONF" | "NOREPLICAS" | "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN"
    )
}

/// The value, unless it is an error.
pub(crate) fn checked(value: Value) -> Result<Value, Fault> {
    match value {
        Value::ServerError(error) => Err(Fault::Refused(error)),
        value => Ok(value),
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Unexpected> for Fault {
    fn from(_: Unexpected) -> Self {
        Self::Unexpected
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(address) => write!(f, "Redis at {address} cannot be reached"),
            Self::Redis(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Unexpected => {
                f.write_str("a key holds data of another program; give this application its own prefix")
            }
            Self::UnknownForm(what) => {
                write!(f, "Redis answered {what} in a form that sse-actix does not know")
            }
            Self::Lost => f.write_str("the connections to Redis are lost"),
            Self::Deaf(silence) => write!(
                f,
                "this node has not heard its own heartbeat for {} ms",
                silence.as_millis()
            ),
            Self::Unanswered(what, time) => {
                write!(f, "Redis has not answered {what} for {} ms", time.as_millis())
            }
            Self::RevocationMissed => f.write_str("a revocation has not arrived"),
            Self::Demoted => f.write_str("Redis has become a replica"),
            Self::Moved => f.write_str("the address leads to another primary"),
            Self::Incomplete => {
                f.write_str("some slots of the cluster are not held by any node that answers")
            }
        }
    }
}

impl Error for Fault {}

/// Counts faults, and decides which are logged: the first of a kind, then one a minute.
#[derive(Debug, Default)]
pub(crate) struct FaultLog(Mutex<HashMap<String, Kind>>);

#[derive(Debug)]
struct Kind {
    logged: Instant,
    /// The number of faults since the last log line.
    since: u64,
}

impl FaultLog {
    /// Counts a fault of this kind. `Some` if it has to be logged, with the number of faults since the last time.
    pub(crate) fn count(&self, kind: &str) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kinds.get_mut(kind) {
            known.since += 1;
            if known.logged.elapsed() < LOGGED {
                return None;
            }
            known.logged = Instant::now();
            return Some(std::mem::take(&mut known.since));
        }
        kinds.retain(|_, known| known.logged.elapsed() < LOGGED);
        if kinds.len() >= MAX_KINDS {
            return None;
        }
        let new = Kind {
            logged: Instant::now(),
            since: 0,
        };
        kinds.insert(kind.to_owned(), new);
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_logged_once_a_minute() {
        let log = FaultLog::default();
        assert_eq!((log.count("a"), log.count("b")), (Some(1), Some(1)));
        assert_eq!((log.count("a"), log.count("a")), (None, None));
    }
}
