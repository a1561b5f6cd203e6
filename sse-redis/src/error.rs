use std::{error::Error, fmt};

use redis::RedisError;

use crate::fault::Fault;

/// The reason why a [`RedisLog`](crate::RedisLog) could not be connected.
///
/// ```
/// use sse_actix_redis::{ConnectError, RedisLog};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let error = RedisLog::connect("http://redis.internal/").await.unwrap_err();
/// assert!(matches!(error, ConnectError::Address(_)));
/// assert!(!error.to_string().contains("redis.internal"));
/// # });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not valid. The error shows no part of it, because any part may be a password.
    Address(String),
    /// A setting has a value that is not allowed.
    Setting {
        /// Its name in the builder.
        name: &'static str,
        /// What to write instead.
        instead: &'static str,
    },
    /// The prefix is not valid.
    Prefix(String),
    /// There is no Redis, or it does not answer, or it refuses the user.
    Unreachable {
        /// Where, without user and password.
        address: String,
        /// Why.
        source: RedisError,
    },
    /// The user lacks rights to the prefix's keys and channels, or the keys hold data of another program.
    Unusable {
        /// Where, without user and password.
        address: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Redis is older than 6.2, or a cluster of it older than 7.0.
    Version(String),
    /// It is a Redis Cluster, and the address does not say so.
    Cluster,
    /// It is no Redis Cluster, although the address says so.
    NoCluster(String),
    /// It is a Redis Sentinel.
    Sentinel,
    /// It is a replica, which accepts no events.
    Replica(String),
    /// The log's thread could not be started.
    Thread(std::io::Error),
    /// The log's thread has ended.
    Stopped,
}

impl ConnectError {
    pub(crate) fn of(address: &str, fault: Fault) -> Self {
        let address = address.to_owned();
        match fault {
            Fault::Redis(source) if source.code().is_none() || is_of_login(source.code()) => {
                Self::Unreachable { address, source }
            }
            Fault::Demoted => Self::Replica(address),
            fault => Self::Unusable {
                address,
                source: Box::new(fault),
            },
        }
    }
}

fn is_of_login(code: Option<&str>) -> bool {
    matches!(code, Some("NOAUTH" | "WRONGPASS"))
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(
                f,
                "the address of Redis is not valid ({why}); write `redis://host:6379/0`, `rediss://user:password@host:6380/0` for TLS, `redis+sentinel://host:26379,host:26379/service/0`, or `redis+cluster://host:6379,host:6379`"
            ),
            Self::Setting { name, instead } => write!(f, "`{name}` cannot be zero; write {instead}"),
            Self::Prefix(prefix) => write!(
                f,
                "`{prefix}` cannot be a prefix of keys; write 1 to 64 letters, digits, `-`, `_` and `.`"
            ),
            Self::Unreachable { address, .. } => write!(f, "Redis at {address} does not answer, or refuses the login"),
            Self::Unusable { address, .. } => write!(
                f,
                "the keys of Redis at {address} that begin with the prefix cannot be used; give this application its own prefix, and its user the rights to it"
            ),
            Self::Version(version) => write!(f, "Redis {version} is too old; 6.2 or later is needed, 7.0 for a cluster, or Valkey"),
            Self::Cluster => f.write_str(
                "this is a Redis Cluster; write `redis+cluster://host:6379,host:6379`, with some of its nodes",
            ),
            Self::NoCluster(address) => {
                write!(f, "Redis at {address} is no cluster; write `redis://host:6379`")
            }
            Self::Sentinel => f.write_str(
                "this is a Redis Sentinel, which holds no events; write `redis+sentinel://host:26379/service`, with the name of the service that it watches",
            ),
            Self::Replica(address) => {
                write!(f, "Redis at {address} is a replica; give the address of its primary")
            }
            Self::Thread(_) => f.write_str("the log's thread could not be started"),
            Self::Stopped => f.write_str("the log's thread has ended; the log says why"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::Unusable { source, .. } => Some(&**source),
            Self::Thread(source) => Some(source),
            _ => None,
        }
    }
}
