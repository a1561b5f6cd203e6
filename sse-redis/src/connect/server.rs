use redis::{RedisError, Value, aio::MultiplexedConnection};

use crate::{error::ConnectError, fault::Fault, value};

/// A server's role in replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerState {
    pub(crate) is_primary: bool,
    /// The identity of its history, which changes after a fail-over or a restart.
    pub(crate) replication_id: String,
}

impl ServerState {
    /// Parses the text of `INFO replication`; `None` if it lacks these facts.
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

/// Checks that a server can be used. Its user needs the right to call INFO, because nothing else shows a fail-over.
pub(crate) async fn check_server(
    connection: &mut MultiplexedConnection,
    address: &str,
    is_cluster: bool,
) -> Result<ServerState, ConnectError> {
    let mut info = String::new();
    for section in ["server", "replication"] {
        let mut call = redis::cmd("INFO");
        let part: Result<String, RedisError> = call.arg(section).query_async(connection).await;
        info.push_str(&part.map_err(|error| ConnectError::of(address, Fault::Redis(error)))?);
    }
    match field(&info, "redis_mode").or(field(&info, "server_mode")) {
        Some("cluster") if !is_cluster => return Err(ConnectError::Cluster),
        Some("standalone") if is_cluster => return Err(ConnectError::NoCluster(address.to_owned())),
        Some("sentinel") => return Err(ConnectError::Sentinel),
        _ => {}
    }
    let state =
        ServerState::parse(&info).ok_or_else(|| ConnectError::of(address, Fault::UnknownForm("INFO")))?;
    if !state.is_primary {
        return Err(ConnectError::Replica(address.to_owned()));
    }
    let version = field(&info, "redis_version").unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    // Shard channels came with 7.0.
    if known < if is_cluster { (7, 0) } else { (6, 2) } {
        return Err(ConnectError::Version(version.to_owned()));
    }
    Ok(state)
}
