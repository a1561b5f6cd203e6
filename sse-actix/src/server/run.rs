//! Builds a server from its settings, and runs it.

#[cfg(unix)]
use std::net::{IpAddr, Ipv4Addr};
use std::{fmt, future::ready, io, net::SocketAddr, sync::Arc};

use actix_http::{
    HttpServiceBuilder, Protocol, Request, Response,
    error::DispatchError,
    h1::{ExpectHandler, UpgradeHandler},
};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
#[cfg(any(feature = "rustls", feature = "openssl"))]
use actix_tls::accept::TlsError;
#[cfg(unix)]
use actix_web::rt::net::UnixStream;
use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{self, AppConfig, Extensions},
    http::Method,
    rt::net::TcpStream,
};

#[cfg(feature = "http2")]
use super::preface::protocol_of;
use super::{
    OnConnect, Server,
    activity::Activity,
    connection::{AcceptedConnection, ConnectionService},
    context::ServerContext,
    graceful,
    http2_watch::ConnectionLoss,
    listener::{Listener, ListenerProtocol},
    os_socket::SocketOptions,
    running::{RunningServer, ServerHandle},
    settings::{HttpSettings, TlsSettings},
    socket::{Socket, Transport},
    stopping::StopSettings,
    tracked::{TrackedBody, TrackedFactory},
};

impl<F> Server<F> {
    /// Serves until it is shut down: by SIGTERM or SIGINT, by [`shutdown`](Self::shutdown), by a
    /// [`shutdown_signal`](Self::shutdown_signal), or by a [`ServerHandle`].
    ///
    /// Then every stream delivers its pending events and ends with a `retry`, and its client reconnects when the next
    /// process serves. The server accepts no new connections. Other requests may continue for
    /// [`shutdown_timeout`](Self::shutdown_timeout) at most; streams whose client does not read, for half a second.
    /// When no request is in progress, this future is ready, even if clients hold connections open. A second signal
    /// ends it at once.
    ///
    /// The server serves only while the returned future is polled. The future returns an error at once if no address
    /// was bound, if a setting is not valid, or if the server cannot listen on a socket.
    ///
    /// ```
    /// use actix_web::App;
    /// use sse_actix::Server;
    ///
    /// # #[actix_web::main]
    /// # async fn main() {
    /// let error = Server::new(App::new).run().await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # }
    /// ```
    pub fn run<I, S, B>(self) -> RunningServer
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let activity = Arc::new(Activity::default());
        let shutdown = self.shutdown();
        match self.start(&activity) {
            Ok((server, stop)) => {
                let (handle, end) = ServerHandle::new(Some(server.handle()), shutdown);
                let our_handle = handle.clone();
                RunningServer::new(handle, async move {
                    // Dropped when the server has ended, even if the future is not polled any more.
                    let _ended_on_drop = end;
                    graceful::serve_until_stopped(server, stop, &activity, &our_handle).await
                })
            }
            Err(error) => {
                let (handle, _) = ServerHandle::new(None, shutdown);
                RunningServer::new(handle, async { Err(error) })
            }
        }
    }

    /// Builds actix's server from the settings. It serves once it is polled.
    fn start<I, S, B>(self, activity: &Arc<Activity>) -> io::Result<(dev::Server, StopSettings)>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        self.check()?;
        self.stop.shutdown.check()?;
        let hands_over = self.hands_over();
        let mut builder = ServerBuilder::new()
            .disable_signals()
            // Longer than this library's own time-out, which ends the wait first.
            .shutdown_timeout(self.stop.timeout.get().as_secs().saturating_add(1))
            .max_concurrent_connections(self.workers.max_connections);
        if let Some(workers) = self.workers.number {
            builder = builder.workers(workers);
        }
        if let Some(threads) = self.workers.blocking_threads {
            builder = builder.worker_max_blocking_threads(threads);
        }
        #[cfg(any(feature = "rustls", feature = "openssl"))]
        if let Some(handshakes) = self.tls.handshakes {
            // Each worker reads it once, when it accepts its first connection over TLS.
            actix_tls::accept::max_concurrent_tls_connect(handshakes);
        }
        let serving = ServerSettings {
            factory: self.factory,
            context: ServerContext {
                shutdown: self.stop.shutdown.clone(),
                activity: Arc::clone(activity),
                loss_notifier: None,
                hands_over,
                method: Method::GET,
                arrived_while_draining: false,
            },
            http: self.http,
            tls: self.tls,
            socket: self.socket,
            on_connect: self.on_connect,
            stopping: builder.graceful_shutdown_signal(),
        };
        let backlog = i32::try_from(self.workers.backlog).unwrap_or(i32::MAX);
        for listener in self.listeners {
            listener.set_backlog(backlog)?;
            builder = serving.clone().listen(builder, listener)?;
        }
        Ok((builder.run(), self.stop))
    }

    /// True if connections are handed over to hubs. Logs a line if not.
    fn hands_over(&self) -> bool {
        let because = if self.on_connect.is_some() {
            "there is an `on_connect` hook"
        } else if !self.direct_fan_out {
            "`direct_fan_out(false)`"
        } else {
            return true;
        };
        tracing::info!(
            target: "sse_actix", because,
            "connections are not handed over to hubs: a reader takes 13 KB of memory instead of 1.6 KB"
        );
        false
    }
}

/// The application, and the settings of its connections.
#[derive(Clone)]
struct ServerSettings<F> {
    factory: F,
    context: ServerContext,
    http: HttpSettings,
    #[cfg_attr(
        not(any(feature = "rustls", feature = "openssl")),
        expect(dead_code, reason = "only TLS has a handshake")
    )]
    tls: TlsSettings,
    socket: SocketOptions,
    on_connect: Option<OnConnect>,
    stopping: GracefulShutdownSignal,
}

/// The address of a listener, as the application sees it.
#[derive(Clone, Copy)]
struct ListenAddress {
    addr: SocketAddr,
    secure: bool,
    may_be_http2: bool,
}

/// The address that actix gives to applications on a unix socket.
#[cfg(unix)]
const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl<F> ServerSettings<F> {
    fn listen<I, S, B>(self, builder: ServerBuilder, listener: Listener) -> io::Result<ServerBuilder>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let (socket, protocol) = match listener {
            Listener::Tcp { socket, protocol, .. } => (socket, protocol),
            #[cfg(unix)]
            Listener::Unix { socket, .. } => {
                let name = format!("sse-actix-{:?}", socket.local_addr()?);
                let address = ListenAddress {
                    addr: NO_ADDRESS,
                    secure: false,
                    may_be_http2: false,
                };
                return builder.listen_uds(name, socket, move || {
                    fn_service(|unix: UnixStream| ready(Ok((Socket::new(unix), Protocol::Http1, None))))
                        .and_then(self.connections(address))
                });
            }
        };
        let mut address = ListenAddress {
            addr: socket.local_addr()?,
            secure: protocol.scheme() == "https",
            may_be_http2: true,
        };
        let name = format!("sse-actix-{}", address.addr);
        match protocol {
            ListenerProtocol::Http1 => {
                address.may_be_http2 = false;
                builder.listen(name, socket, move || {
                    fn_service(|tcp: TcpStream| ready(Ok(accept(tcp, Protocol::Http1))))
                        .and_then(self.connections(address))
                })
            }
            #[cfg(feature = "http2")]
            ListenerProtocol::AutoH2c => builder.listen(name, socket, move || {
                let patience = self.http.client_request_timeout;
                fn_service(move |tcp: TcpStream| async move {
                    let protocol = protocol_of(&tcp, patience).await.map_err(DispatchError::Io)?;
                    Ok(accept(tcp, protocol))
                })
                .and_then(self.connections(address))
            }),
            #[cfg(feature = "rustls")]
            ListenerProtocol::Rustls(config) => builder.listen(name, socket, move || {
                super::rustls::acceptor((*config).clone(), self.tls.handshake_timeout)
                    .and_then(self.connections(address).map_err(TlsError::Service))
            }),
            #[cfg(feature = "openssl")]
            ListenerProtocol::Openssl(acceptor) => builder.listen(name, socket, move || {
                super::openssl::acceptor(acceptor.clone(), self.tls.handshake_timeout)
                    .and_then(self.connections(address).map_err(TlsError::Service))
            }),
        }
    }

    /// The service for the connections of this address.
    fn connections<I, S, B, T>(
        &self,
        address: ListenAddress,
    ) -> impl ServiceFactory<
        AcceptedConnection<T>,
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<F, I, S, B, T>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
        T: Transport,
    {
        let host = self.http.server_hostname.clone();
        let host = host.unwrap_or_else(|| address.addr.to_string());
        // actix-web has this constructor for its own test kit only; its own server uses a private one.
        let config = AppConfig::__priv_test_new(address.secure, host, address.addr);
        let application = application((self.factory)().into_factory(), self.context.clone(), config);
        ConnectionService {
            http: self.build(address).finish(application),
            allow_half_closed: self.http.h1_allow_half_closed,
            activity: Arc::clone(&self.context.activity),
        }
    }

    fn build<T, S>(
        &self,
        address: ListenAddress,
    ) -> HttpServiceBuilder<Socket<T>, S, ExpectHandler, UpgradeHandler>
    where
        T: Transport,
        S: ServiceFactory<Request, Config = ()>,
        S::Error: Into<Response<BoxBody>> + 'static,
        S::InitError: fmt::Debug,
        <S::Service as Service<Request>>::Future: 'static,
    {
        let stopping = self.stopping.clone();
        let (on_connect, options) = (self.on_connect.clone(), self.socket);
        let mut http = HttpServiceBuilder::default()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(self.http.keep_alive)
            .client_request_timeout(self.http.client_request_timeout)
            .client_disconnect_timeout(self.http.client_disconnect_timeout)
            .h1_allow_half_closed(self.http.h1_allow_half_closed)
            .local_addr(address.addr)
            .on_connect_ext(move |socket: &Socket<T>, extensions: &mut Extensions| {
                let Some(transport) = socket.transport() else {
                    return;
                };
                let accepted = transport.accepted(address.may_be_http2);
                // Set first, so that a hook may change the options.
                options.apply(accepted.socket);
                if let Some(on_connect) = &on_connect {
                    on_connect(accepted.io, extensions);
                }
                ConnectionLoss::prepare(&accepted, extensions);
            });
        if let Some(bytes) = self.http.h1_write_buffer_size {
            http = http.h1_write_buffer_size(bytes);
        }
        if let Some(bytes) = self.http.h2_initial_window_size {
            http = http.h2_initial_window_size(bytes);
        }
        if let Some(bytes) = self.http.h2_initial_connection_window_size {
            http = http.h2_initial_connection_window_size(bytes);
        }
        http
    }
}

/// Sets the application up like actix's `HttpServer`, and counts its requests.
fn application<S, B>(
    application: S,
    context: ServerContext,
    config: AppConfig,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<TrackedBody<B>>,
    Error = Response<BoxBody>,
    InitError = S::InitError,
    Service = impl Service<Request, Response = Response<TrackedBody<B>>, Error = Response<BoxBody>> + 'static,
>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let counted = TrackedFactory::<S, B>::new(application, context);
    let counted = counted.map_err(|error| Response::from(error.into().error_response()));
    map_config(counted, move |()| config.clone())
}

fn accept(tcp: TcpStream, protocol: Protocol) -> AcceptedConnection<TcpStream> {
    let peer = tcp.peer_addr().ok();
    (Socket::new(tcp), protocol, peer)
}
