use redis::{RedisError, Value, aio::MultiplexedConnection};

use crate::{
    error::ConnectError,
    fault::{Fault, is_of_connection},
    value,
};

/// What a server says of its part in replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerState {
    pub(crate) is_primary: bool,
    /// The identity of the history that it writes: another one after a fail-over or a restart.
    pub(crate) replication_id: String,
}

impl ServerState {
    /// Reads what `INFO replication` says; `None` if it does not say it.
    pub(crate) fn parse(info: &str) -> Option<Self> {
        Some(Self {
            is_primary: field(info, "role")? == "master",
            replication_id: field(info, "master_replid").unwrap_or_default().to_owned(),
        })
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

/// The text that `INFO` returns.
pub(crate) fn read_replication(value: Value) -> Option<ServerState> {
    let info = match value {
        Value::VerbatimString { text, .. } => text,
        other => value::text(other).ok()?,
    };
    ServerState::parse(&info)
}

/// Checks that a server is one that will do. `None` if it does not let its user ask.
pub(crate) async fn check_server(
    connection: &mut MultiplexedConnection,
    address: &str,
) -> Result<Option<ServerState>, ConnectError> {
    let mut info = String::new();
    for section in ["server", "replication"] {
        let part: Result<String, RedisError> = redis::cmd("INFO").arg(section).query_async(connection).await;
        match part {
            Ok(part) => info.push_str(&part),
            Err(error) if !is_of_connection(&error) => {
                return Ok(None);
            }
            Err(error) => return Err(ConnectError::of(address, Fault::Redis(error))),
        }
    }
    match field(&info, "redis_mode").or(field(&info, "server_mode")) {
        Some("cluster") => return Err(ConnectError::Cluster),
        Some("sentinel") => return Err(ConnectError::Sentinel),
        _ => {}
    }
    let state = ServerState::parse(&info);
    if state.as_ref().is_some_and(|state| !state.is_primary) {
        return Err(ConnectError::Replica(address.to_owned()));
    }
    let version = field(&info, "redis_version").unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if known < (6, 2) {
        return Err(ConnectError::Version(version.to_owned()));
    }
    Ok(state)
}
