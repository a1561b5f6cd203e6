use std::{error::Error, fmt, sync::Arc, thread, time::Duration};

use redis::{
    Client, ConnectionAddr, IntoConnectionInfo, RedisError, TlsCertificates, aio::MultiplexedConnection,
};
use sse_actix_core::Retention;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::LocalSet,
};

use crate::{
    RedisLog,
    driver::{self, Shared, millis},
    link::{self, is_of_connection},
};

/// Settings of a [`RedisLog`].
///
/// ```
/// use std::time::Duration;
/// use sse_actix_redis::{ConnectError, RedisLog};
///
/// # async fn doc() {
/// let shop = RedisLog::builder("redis://127.0.0.1:1/3")
///     .prefix("shop")
///     .publish_wait(Duration::from_secs(2))
///     .connect()
///     .await;
/// assert!(matches!(shop, Err(ConnectError::Unreachable { .. })));
/// # }
/// ```
#[must_use = "a builder does nothing until it connects"]
#[derive(Clone)]
pub struct RedisLogBuilder {
    url: String,
    root: Option<Vec<u8>>,
    settings: Settings,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Without user and password.
    pub(crate) address: String,
    pub(crate) prefix: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) publish_wait: Duration,
    pub(crate) max_pending: usize,
    pub(crate) max_pending_bytes: usize,
    pub(crate) topic_ttl: Duration,
    pub(crate) check_interval: Duration,
}

impl Settings {
    /// After how many milliseconds without an event a topic is forgotten.
    pub(crate) fn topic_ttl(&self, retention: &Retention) -> u64 {
        millis(self.topic_ttl.max(retention.age()))
    }
}

impl RedisLogBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            root: None,
            settings: Settings {
                address: String::new(),
                prefix: "sse".to_owned(),
                connect_timeout: Duration::from_secs(2),
                response_timeout: Duration::from_secs(2),
                publish_wait: Duration::ZERO,
                max_pending: 10_000,
                max_pending_bytes: 64 * 1024 * 1024,
                topic_ttl: Duration::from_secs(7 * 24 * 3_600),
                check_interval: Duration::from_secs(10),
            },
        }
    }

    /// With what all keys begin, before a colon. Default: `sse`. Applications with different prefixes see
    /// nothing of each other; nodes of one application have the same. 1 to 64 letters, digits, `-`, `_` and `.`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// A certificate authority to trust instead of the system's, in PEM.
    pub fn tls_root(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root = Some(pem.into());
        self
    }

    /// How long it may take to connect. Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long Redis may take to answer before the connection is given up; what was being published then has an
    /// unknown outcome. Default: 2 s.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.settings.response_timeout = timeout;
        self
    }

    /// How long publishing waits for a Redis that is out of reach before it is refused. Default: not at all.
    pub fn publish_wait(mut self, limit: Duration) -> Self {
        self.settings.publish_wait = limit;
        self
    }

    /// How many events may be on their way to Redis at once. Default: 10,000. What is beyond is refused.
    pub fn max_pending(mut self, events: usize) -> Self {
        self.settings.max_pending = events;
        self
    }

    /// How many bytes of events may be on their way to Redis at once. Default: 64 MiB.
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_pending_bytes = bytes;
        self
    }

    /// For how long Redis remembers a topic to which nothing is published, so that a client that comes back is not
    /// told of a gap where there was none. Default: 7 days. At least as long as the topic's events are kept.
    pub fn topic_ttl(mut self, ttl: Duration) -> Self {
        self.settings.topic_ttl = ttl;
        self
    }

    /// How often a silent topic is checked for deletion. A deleted topic sends no notification. Default: 10 s.
    /// Costs one call a topic that is read here.
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.settings.check_interval = interval;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], if a setting makes no sense, or Redis does not answer, or is none that will do.
    pub async fn connect(mut self) -> Result<RedisLog, ConnectError> {
        check_prefix(&self.settings.prefix)?;
        let client = self.client()?;
        let (ready, connected) = oneshot::channel();
        let settings = self.settings;
        thread::Builder::new()
            .name("sse-redis".to_owned())
            .spawn(move || serve(client, settings, ready))
            .map_err(ConnectError::Thread)?;
        connected.await.unwrap_or(Err(ConnectError::Stopped))
    }

    fn client(&mut self) -> Result<Client, ConnectError> {
        let scheme = self.url.split("://").next().unwrap_or_default();
        if scheme.contains("sentinel") {
            return Err(ConnectError::Sentinel);
        }
        if scheme.contains("cluster") || self.url.contains(',') && !self.url.contains('@') {
            return Err(ConnectError::Cluster);
        }
        let info = self.url.as_str().into_connection_info().map_err(|error| {
            // What it says of an address holds no part of it.
            ConnectError::Address(error.category().to_owned())
        })?;
        self.settings.address = match info.addr() {
            ConnectionAddr::Unix(path) => path.display().to_string(),
            other => format!("{other}/{}", info.redis_settings().db()),
        };
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. })
            && rustls::crypto::CryptoProvider::get_default().is_none()
        {
            // Whoever was faster has set one, which will do.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = match self.root.take() {
            None => Client::open(info),
            Some(root) => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(root),
                },
            ),
        };
        client.map_err(|error| ConnectError::Address(error.to_string()))
    }
}

fn check_prefix(prefix: &str) -> Result<(), ConnectError> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&prefix.len()) && prefix.bytes().all(sound) {
        Ok(())
    } else {
        Err(ConnectError::Prefix(prefix.to_owned()))
    }
}

/// What the thread does: connects, answers with the log, and serves it.
fn serve(client: Client, settings: Settings, ready: oneshot::Sender<Result<RedisLog, ConnectError>>) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(ConnectError::Thread(error)))),
    };
    LocalSet::new().block_on(&runtime, async {
        let connected = async {
            let mut first = link::connect(&client, settings.connect_timeout, settings.response_timeout)
                .await
                .map_err(|error| ConnectError::of(&settings.address, error))?;
            check_server(&mut first, &settings).await?;
            let address = settings.address.clone();
            let shared = Arc::new(Shared::new(settings));
            // Now, since what is revoked from now on must not be missed.
            let begun = shared.cluster.begin(&mut first).await;
            begun.map_err(|fault| ConnectError::Unusable {
                address,
                source: Box::new(fault),
            })?;
            Ok((first, shared))
        };
        match connected.await {
            Err(error) => drop(ready.send(Err(error))),
            Ok((first, shared)) => {
                let (send, receive) = mpsc::unbounded_channel();
                let log = RedisLog::new(Arc::clone(&shared), send);
                if ready.send(Ok(log)).is_ok() {
                    driver::run(shared, client, first, receive).await;
                }
            }
        }
    });
}

/// Whether it is one that will do.
async fn check_server(
    connection: &mut MultiplexedConnection,
    settings: &Settings,
) -> Result<(), ConnectError> {
    let mut info = String::new();
    for section in ["server", "replication"] {
        let part: Result<String, RedisError> = redis::cmd("INFO").arg(section).query_async(connection).await;
        match part {
            Ok(part) => info.push_str(&part),
            Err(error) if !is_of_connection(&error) => {
                tracing::warn!(
                    target: "sse_actix", %error,
                    "whether this is a Redis that will do is not known: its user may not ask for INFO"
                );
                return Ok(());
            }
            Err(error) => return Err(ConnectError::of(&settings.address, error)),
        }
    }
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    };
    match field("redis_mode").or(field("server_mode")) {
        Some("cluster") => return Err(ConnectError::Cluster),
        Some("sentinel") => return Err(ConnectError::Sentinel),
        _ => {}
    }
    if field("role") == Some("slave") {
        return Err(ConnectError::Replica(settings.address.clone()));
    }
    let version = field("redis_version").unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let known = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if known < (6, 2) {
        return Err(ConnectError::Version(version.to_owned()));
    }
    Ok(())
}

impl fmt::Debug for RedisLogBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("RedisLogBuilder")
            .field("prefix", &self.settings.prefix)
            .finish_non_exhaustive()
    }
}

/// Why a [`RedisLog`] is none.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address makes no sense.
    Address(String),
    /// The prefix is none.
    Prefix(String),
    /// There is no Redis, or it does not answer, or does not let in.
    Unreachable {
        /// Where, without user and password.
        address: String,
        /// Why.
        source: RedisError,
    },
    /// It does not let this user do what is needed with the prefix's keys, or they hold something else.
    Unusable {
        /// Where, without user and password.
        address: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is older than 6.2.
    Version(String),
    /// It is a Redis Cluster.
    Cluster,
    /// It is a Redis Sentinel.
    Sentinel,
    /// It is a replica, which takes nothing.
    Replica(String),
    /// The log's thread could not be started.
    Thread(std::io::Error),
    /// The log's thread has ended.
    Stopped,
}

impl ConnectError {
    fn of(address: &str, source: RedisError) -> Self {
        Self::Unreachable {
            address: address.to_owned(),
            source,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(
                f,
                "the address of Redis makes no sense ({why}); write `redis://host:6379/0`, or `rediss://user:password@host:6380/0` for TLS"
            ),
            Self::Prefix(prefix) => write!(
                f,
                "`{prefix}` cannot be a prefix of keys; write 1 to 64 letters, digits, `-`, `_` and `.`"
            ),
            Self::Unreachable { address, .. } => write!(f, "Redis at {address} does not answer, or does not let in"),
            Self::Unusable { address, .. } => write!(
                f,
                "the keys of Redis at {address} that begin with the prefix cannot be used; give this application a prefix of its own, and its user the rights to it"
            ),
            Self::Version(version) => write!(f, "Redis {version} is too old; 6.2 or later is needed, or Valkey"),
            Self::Cluster => f.write_str(
                "Redis Cluster is not supported yet; use one primary, with replicas if it has to survive: `redis://host:6379`",
            ),
            Self::Sentinel => f.write_str(
                "Redis Sentinel is not supported yet; give the address of the primary, or of a proxy or name that follows it: `redis://host:6379`",
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
