use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

use crate::error::ConnectError;

/// The address of Redis.
#[derive(Clone)]
pub(crate) enum Address {
    /// One server, at this address.
    Server(ConnectionInfo),
    /// A cluster, of which these nodes are a part.
    Cluster(Vec<ConnectionInfo>),
    /// The primary that the Sentinels name.
    Sentinel {
        /// The address of each Sentinel.
        sentinels: Vec<ConnectionInfo>,
        /// The service that they watch.
        service: String,
        /// The settings of the connection to the primary; its host and port are not used.
        primary: ConnectionInfo,
    },
}

impl Address {
    /// Reads an address.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        if url.contains('#') {
            // The text after it would be ignored, and the text before it treated as a host.
            let why = "it holds a `#`; in a password, write %23".to_owned();
            return Err(ConnectError::Address(why));
        }
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| ConnectError::Address("it has no scheme".to_owned()))?;
        let is_of_socket = matches!(scheme, "unix" | "redis+unix" | "valkey+unix");
        let login = rest.rsplit_once('@').filter(|_| !is_of_socket);
        if login.is_some_and(|(login, _)| login.contains(['/', '?'])) {
            // The text before it would be treated as the host, and the text after it ignored.
            let why = "it holds an `@` after a `/` or a `?`; in a password, write %2F and %3F, and elsewhere %40 for `@`";
            return Err(ConnectError::Address(why.to_owned()));
        }
        match scheme {
            "redis+sentinel" => Self::parse_sentinel("redis", rest),
            "rediss+sentinel" => Self::parse_sentinel("rediss", rest),
            "redis+cluster" => Self::parse_cluster("redis", rest),
            "rediss+cluster" => Self::parse_cluster("rediss", rest),
            _ if rest.contains(',') && !rest.contains('@') => Err(ConnectError::Cluster),
            _ => Ok(Self::Server(parse_one(url)?)),
        }
    }

    /// `user:password@host:port,host:port`
    fn parse_cluster(scheme: &str, rest: &str) -> Result<Self, ConnectError> {
        let wrong = |why: &str| ConnectError::Address(why.to_owned());
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (format!("{login}@"), rest),
            None => (String::new(), rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(path, "" | "0") {
            return Err(wrong("a cluster has no database but 0"));
        }
        let seeds = hosts
            .split(',')
            .map(|host| match host {
                "" => Err(wrong("it has no host between two commas")),
                host => parse_one(&format!("{scheme}://{login}{host}")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::Cluster(seeds))
    }

    /// `user:password@host:port,host:port/service/database?sentinel_user=..&sentinel_password=..`
    fn parse_sentinel(scheme: &str, rest: &str) -> Result<Self, ConnectError> {
        let wrong = |why: &str| ConnectError::Address(why.to_owned());
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (format!("{login}@"), rest),
            None => (String::new(), rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_once('/').ok_or_else(|| wrong("it names no service"))?;
        let (service, database) = path.split_once('/').unwrap_or((path, "0"));
        if service.is_empty() {
            return Err(wrong("it names no service"));
        }
        let (mut user, mut password) = ("", "");
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sentinel_user", value)) => user = value,
                Some(("sentinel_password", value)) => password = value,
                _ => return Err(wrong("it has a parameter that is not known")),
            }
        }
        let sentinel_login = if password.is_empty() {
            String::new()
        } else {
            format!("{user}:{password}@")
        };
        let sentinels = hosts
            .split(',')
            .map(|host| {
                let port = if host.contains(':') { "" } else { ":26379" };
                parse_one(&format!("{scheme}://{sentinel_login}{host}{port}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::Sentinel {
            sentinels,
            service: service.to_owned(),
            primary: parse_one(&format!("{scheme}://{login}sentinel/{database}"))?,
        })
    }

    /// The text for messages: without user and password.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Server(info) => match info.addr() {
                ConnectionAddr::Unix(path) => path.display().to_string(),
                other => format!("{other}/{}", info.redis_settings().db()),
            },
            Self::Cluster(seeds) => hosts(seeds),
            Self::Sentinel {
                sentinels,
                service,
                primary,
            } => {
                let database = primary.redis_settings().db();
                format!("{}/{service}/{database}", hosts(sentinels))
            }
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        let info = match self {
            Self::Server(info) => Some(info),
            Self::Cluster(seeds) => seeds.first(),
            Self::Sentinel { primary, .. } => Some(primary),
        };
        info.is_some_and(|info| matches!(info.addr(), ConnectionAddr::TcpTls { .. }))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The address of one node of this cluster; of anything else, the address as it is.
    pub(super) fn of_node(&self, node: &str) -> Self {
        let Self::Cluster(seeds) = self else {
            return self.clone();
        };
        let parts = node.rsplit_once(':');
        let (Some(info), Some((host, Ok(port)))) =
            (seeds.first(), parts.map(|(host, port)| (host, port.parse())))
        else {
            return self.clone();
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self::Server(info.clone().set_addr(at(info.addr(), host, port)))
    }
}

/// Another host and port, reached in the same way.
pub(super) fn at(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls {
            insecure, tls_params, ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

fn hosts(servers: &[ConnectionInfo]) -> String {
    let hosts: Vec<_> = servers.iter().map(|info| info.addr().to_string()).collect();
    hosts.join(",")
}

/// Parses the address of one server. The error contains no part of the address, because text that looks like a host may
/// be the rest of a password.
fn parse_one(url: &str) -> Result<ConnectionInfo, ConnectError> {
    let info = url
        .into_connection_info()
        .map_err(|error| ConnectError::Address(error.category().to_owned()))?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match Address::parse(url) {
            Ok(address) => address.shown(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses_are_shown_without_credentials() {
        assert_eq!(shown("redis://u:secret@a:1/3"), "a:1/3");
        assert_eq!(
            shown("redis+sentinel://u:secret@a:1,b/main/2?sentinel_user=s&sentinel_password=secret"),
            "a:1,b:26379/main/2"
        );
        assert_eq!(shown("redis+cluster://u:secret@a:1,b"), "a:1,b:6379");
    }

    #[test]
    fn nothing_of_an_address_that_cannot_be_read_is_shown() {
        for url in [
            "redis://:se#cret@a:1/",
            "redis://a:se#cret@b",
            "redis://app:12345?secret@b",
            "redis://app:12345/secret@b",
            "rediss://:12345?secret@b:1/0",
            "redis+sentinel://app:12345?secret@b:1/main",
            "redis+sentinel://u:secret@a:1",
            "redis+cluster://u:secret@a:1,,b",
            "redis+cluster://u:secret@a:1/3",
            "redis+sentinel://u:secret@a:1/",
            "redis+sentinel://a:1/main?secret=secret",
            "redis://u:secret@a:port/",
            "secret",
        ] {
            let error = Address::parse(url).map(|_| ()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("cret"), "{url}: {said}");
        }
    }
}
