//! What goes wrong on the way to Redis and back, and where it is counted and logged.

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

/// How many different faults are told apart.
const MAX_KINDS: usize = 1_000;

#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no connection.
    Absent(String),
    /// A call has failed.
    Redis(RedisError),
    /// Redis has refused one of several calls.
    Refused(ServerError),
    /// Redis has answered something that the call does not return.
    Unexpected,
    /// This node has not heard its own heartbeat.
    Deaf(Duration),
    /// What was a primary is a replica.
    Demoted,
    /// The address leads to another primary.
    Moved,
    /// No node of the cluster holds some of the slots, as far as any has answered.
    Incomplete,
}

impl Fault {
    /// Whether the connection is of no use any more, rather than that Redis has refused what it was asked.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Redis(error) => is_of_connection(error),
            Self::Refused(_) | Self::Unexpected => false,
            Self::Absent(_) | Self::Deaf(_) | Self::Demoted | Self::Moved | Self::Incomplete => true,
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

/// Whether an error says that the connection is of no use, rather than that Redis did not like what it was asked.
pub(crate) fn is_of_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// Whether an error code says that at the other end is a replica.
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
            Self::Absent(address) => write!(f, "Redis at {address} is out of reach"),
            Self::Redis(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Unexpected => f.write_str(
                "a key holds something that was not written by sse-actix; give this application a prefix of its own",
            ),
            Self::Deaf(silence) => write!(
                f,
                "this node has not heard its own heartbeat for {} ms",
                silence.as_millis()
            ),
            Self::Demoted => f.write_str("Redis has become a replica"),
            Self::Moved => f.write_str("the address leads to another primary"),
            Self::Incomplete => f.write_str("some slots of the cluster are held by no node that answers"),
        }
    }
}

impl Error for Fault {}

/// Counts faults, and says which are to be logged: the first of a kind, then one a minute.
#[derive(Debug, Default)]
pub(crate) struct FaultLog(Mutex<HashMap<String, Kind>>);

#[derive(Debug)]
struct Kind {
    logged: Instant,
    /// How many there were since.
    since: u64,
}

impl FaultLog {
    /// A fault of this kind. `Some` says that it is to be logged, and how many there were since the last time.
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
