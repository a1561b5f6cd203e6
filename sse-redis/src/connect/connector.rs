use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, PushInfo, RedisError, TlsCertificates,
    aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::time::timeout;

use super::{Address, address::at};
use crate::fault::Fault;

/// Returns a user name and a password whenever a connection begins.
pub(crate) type Credentials = Arc<dyn Fn() -> CredentialsFuture + Send + Sync>;

type CredentialsFuture = Pin<Box<dyn Future<Output = io::Result<(String, String)>> + Send>>;

/// Handles the push messages of Redis.
pub(crate) type Receiver = Box<dyn Fn(PushInfo) + Send + Sync>;

/// Certificates of TLS, in PEM.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    /// An authority to trust instead of the system's.
    pub(crate) root: Option<Vec<u8>>,
    /// The certificate and the key of this node.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: Address,
    pub(crate) tls: Tls,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) connect_timeout: Duration,
}

impl Connector {
    /// A connector that opens connections to one node of a cluster.
    pub(super) fn to_node(&self, node: &str) -> Self {
        Self {
            address: self.address.of_node(node),
            ..self.clone()
        }
    }

    /// Opens a connection to the primary. Each time, the name in the address is resolved again, and the Sentinels are
    /// asked. Without `response_timeout`, calls wait for their answers as long as the connection is there.
    pub(crate) async fn open(
        &self,
        response_timeout: Option<Duration>,
        receiver: Option<Receiver>,
    ) -> Result<MultiplexedConnection, Fault> {
        let mut info = match &self.address {
            Address::Server(info) => info.clone(),
            Address::Cluster(seeds) => match seeds.first() {
                Some(seed) => seed.clone(),
                None => return Err(Fault::Incomplete),
            },
            Address::Sentinel {
                sentinels,
                service,
                primary,
            } => self.find_primary(sentinels, service, primary).await?,
        };
        if let Some(credentials) = &self.credentials {
            let (user, password) = timeout(self.connect_timeout, credentials())
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(RedisError::from)?;
            let settings = info.redis_settings().clone();
            let settings = settings.set_username(user).set_password(password);
            info = info.set_redis_settings(settings);
        }
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(response_timeout);
        if let Some(receiver) = receiver {
            config = config.set_push_sender(move |push| {
                receiver(push);
                Ok::<(), redis::aio::SendError>(())
            });
        }
        self.connect(info, &config).await
    }

    async fn connect(
        &self,
        info: ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, Fault> {
        // Written bytes are sent at once, even if they are few and the answer to earlier bytes has not arrived yet.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = if self.tls.root.is_none() && self.tls.client.is_none() {
            Client::open(info)?
        } else {
            let client_tls = self.tls.client.clone();
            let certificates = TlsCertificates {
                client_tls: client_tls.map(|(client_cert, client_key)| redis::ClientTlsConfig {
                    client_cert,
                    client_key,
                }),
                root_cert: self.tls.root.clone(),
            };
            Client::build_with_tls(info, certificates)?
        };
        Ok(client
            .get_multiplexed_async_connection_with_config(config)
            .await?)
    }

    /// Asks the Sentinels, one after the other, where the primary is.
    async fn find_primary(
        &self,
        sentinels: &[ConnectionInfo],
        service: &str,
        primary: &ConnectionInfo,
    ) -> Result<ConnectionInfo, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.connect_timeout));
        let mut failure = None;
        for sentinel in sentinels {
            let asked = async {
                let mut connection = self.connect(sentinel.clone(), &config).await?;
                let mut call = redis::cmd("SENTINEL");
                call.arg("get-master-addr-by-name").arg(service);
                let found: Option<(String, u16)> = call.query_async(&mut connection).await?;
                Ok::<_, Fault>(found)
            };
            match asked.await {
                Ok(Some((host, port))) => {
                    let addr = at(primary.addr(), host, port);
                    return Ok(primary.clone().set_addr(addr));
                }
                Ok(None) => {}
                Err(fault) => failure = Some(fault),
            }
        }
        Err(failure.unwrap_or_else(|| {
            let error = (ErrorKind::Client, "no Sentinel knows a service of this name");
            Fault::Redis(RedisError::from(error))
        }))
    }
}
