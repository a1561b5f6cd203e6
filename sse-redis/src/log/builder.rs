use std::{fmt, future::Future, io, sync::Arc, thread, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{
    connect::{Address, Connector, Credentials, Tls},
    driver,
    error::ConnectError,
    log::RedisLog,
    settings::Settings,
    shared::Shared,
};

/// Settings of a [`RedisLog`].
///
/// ```
/// use std::time::Duration;
/// use sse_actix_redis::{ConnectError, RedisLog};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // Nothing listens there.
/// let shop = RedisLog::builder("redis://127.0.0.1:1/3")
///     .prefix("shop")
///     .connect_timeout(Duration::from_secs(1))
///     .response_timeout(Duration::from_secs(1))
///     .publish_wait(Duration::from_secs(2))
///     .max_pending(1_000)
///     .max_pending_bytes(16 * 1024 * 1024)
///     .topic_ttl(Duration::from_secs(24 * 3_600))
///     .check_interval(Duration::from_secs(5))
///     .linger(Duration::from_secs(30))
///     .connect()
///     .await;
/// assert!(matches!(shop, Err(ConnectError::Unreachable { .. })));
/// # });
/// ```
#[must_use = "a builder does nothing until it connects"]
#[derive(Clone)]
pub struct RedisLogBuilder {
    url: String,
    tls: Tls,
    credentials: Option<Credentials>,
    settings: Settings,
}

impl RedisLogBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            tls: Tls::default(),
            credentials: None,
            settings: Settings::default(),
        }
    }

    /// The prefix of all keys and channels, before a colon. Default: `sse`. Applications with different prefixes do not
    /// affect each other; the nodes of one application have the same prefix. 1 to 64 letters, digits, `-`, `_` and `.`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// A certificate authority to trust instead of the system's, in PEM.
    ///
    /// ```no_run
    /// use sse_actix_redis::RedisLog;
    ///
    /// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
    /// let log = RedisLog::builder("rediss://redis.internal:6380/")
    ///     .tls_root(std::fs::read("ca.pem")?)
    ///     .tls_client(std::fs::read("node.pem")?, std::fs::read("node.key")?)
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn tls_root(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.root = Some(pem.into());
        self
    }

    /// The certificate and the private key of this node for TLS client authentication, both in PEM. Default: none.
    pub fn tls_client(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((certificate.into(), key.into()));
        self
    }

    /// A function that returns the user name and the password. It is called whenever a connection begins, so that a
    /// token may expire. Default: those in the address. If it fails, or takes longer than
    /// [`connect_timeout`](Self::connect_timeout), there is no connection, and it is called again later.
    ///
    /// ```
    /// use sse_actix_redis::RedisLog;
    ///
    /// # async fn token() -> std::io::Result<String> { Ok(String::new()) }
    /// let log = RedisLog::builder("rediss://redis.internal:6380/")
    ///     .credentials(|| async { Ok(("app".to_owned(), token().await?)) });
    /// assert_eq!(format!("{log:?}"), r#"RedisLogBuilder { prefix: "sse", .. }"#);
    /// ```
    pub fn credentials<F, R>(mut self, credentials: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<(String, String)>> + Send + 'static,
    {
        self.credentials = Some(Arc::new(move || Box::pin(credentials())));
        self
    }

    /// How long it may take to connect. Default: 2 s. Not zero.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long Redis may take to answer before the connection is closed; events that are being published then have an
    /// unknown outcome. Default: 2 s. Not zero.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.settings.response_timeout = timeout;
        self
    }

    /// How long publishing waits while Redis cannot be reached, before it is refused. Default: not at all.
    pub fn publish_wait(mut self, limit: Duration) -> Self {
        self.settings.publish_wait = limit;
        self
    }

    /// How many events may wait for Redis at once. Default: 10,000. More events are refused. Not zero.
    pub fn max_pending(mut self, events: usize) -> Self {
        self.settings.max_pending = events;
        self
    }

    /// How many bytes of events may wait for Redis at once. Default: 64 MiB.
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_pending_bytes = bytes;
        self
    }

    /// How long Redis remembers a topic without publishers and readers, so that a client that comes back gets no gap
    /// event without a reason. Default: 7 days. At least as long as the topic's events are kept.
    pub fn topic_ttl(mut self, ttl: Duration) -> Self {
        self.settings.topic_ttl = ttl;
        self
    }

    /// How often each topic that has readers on this node is compared with Redis, to find events whose notice was lost,
    /// and deletions. Default: 10 s. Costs one call for each hundred topics. Not zero.
    pub fn check_interval(mut self, interval: Duration) -> Self {
        self.settings.check_interval = interval;
        self
    }

    /// How long a node keeps following a topic after its last reader has left. Then it forgets the topic, within 10 s,
    /// and lets it expire in Redis. Default: 60 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.settings.linger = linger;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], if a setting is not valid, or Redis does not answer or cannot be used.
    pub async fn connect(self) -> Result<RedisLog, ConnectError> {
        check_prefix(&self.settings.prefix)?;
        self.settings.check()?;
        let address = Address::parse(&self.url)?;
        if address.is_tls() && rustls::crypto::CryptoProvider::get_default().is_none() {
            // If other code has already set a provider, that one is used.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut settings = self.settings.bounded();
        settings.address = address.shown();
        let is_cluster = address.is_cluster();
        let connector = Connector {
            address,
            tls: self.tls,
            credentials: self.credentials,
            connect_timeout: settings.connect_timeout,
        };
        let shared = Arc::new(Shared::new(settings, is_cluster));
        let (commands, received) = mpsc::unbounded_channel();
        let (ready, connected) = oneshot::channel();
        let log = RedisLog::new(Arc::clone(&shared), commands);
        thread::Builder::new()
            .name("sse-redis".to_owned())
            .spawn(move || driver::serve(shared, connector, received, ready))
            .map_err(ConnectError::Thread)?;
        connected.await.unwrap_or(Err(ConnectError::Stopped))?;
        Ok(log)
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

impl fmt::Debug for RedisLogBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("RedisLogBuilder")
            .field("prefix", &self.settings.prefix)
            .finish_non_exhaustive()
    }
}
