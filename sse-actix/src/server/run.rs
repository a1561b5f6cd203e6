//! From settings to a server that serves.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use actix_http::{
    HttpServiceBuilder, Protocol, Request, Response,
    h1::{ExpectHandler, UpgradeHandler},
};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{AppConfig, Extensions},
    http::Method,
    rt::net::TcpStream,
};

use super::{
    HttpSettings, OnConnect, Server,
    activity::Activity,
    bind::{Listener, ListenerProtocol},
    connection::{self, ConnectionService},
    context::ServerContext,
    graceful,
    http2_watch::{ConnectionWatch, SocketOptions},
    socket::{Socket, Transport},
    tracked::{TrackedBody, TrackedFactory},
};
#[cfg(feature = "rustls")]
use actix_tls::accept::TlsError;

impl<F> Server<F> {
    /// Refuses settings at which actix would panic, or that could serve no client.
    fn check(&self) -> io::Result<()> {
        let fault = if self.listeners.is_empty() {
            "the server has no address to listen on: call `bind` or `listen` before `run`"
        } else if self
            .workers
            .number
            .is_some_and(|workers| !(1..=512).contains(&workers))
        {
            "`workers` must be between 1 and 512"
        } else if self.workers.max_connections == 0 {
            "`max_connections` of 0 would leave every client waiting; leave it out for 25,600 a worker"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, fault))
    }

    /// Serves until it is shut down: by SIGTERM or SIGINT, or by [`shutdown`](Self::shutdown).
    ///
    /// Then every stream delivers what it was given, ends with a `retry`, and its client comes back when
    /// the next process serves. No connection is accepted any more. Other requests go on for
    /// [`shutdown_timeout`](Self::shutdown_timeout) at most; streams whose client does not read, for half a
    /// second. When nothing is under way, this returns, though clients may hold connections open. A
    /// second signal returns at once.
    ///
    /// # Errors
    ///
    /// If nothing was bound, a setting makes no sense, or a socket cannot be listened on.
    pub async fn run<I, S, B>(self) -> io::Result<()>
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
        let hands_over = self.direct_fan_out && self.on_connect.is_none();
        if !hands_over {
            let because = if self.on_connect.is_some() {
                "there is an `on_connect` hook"
            } else {
                "`direct_fan_out(false)`"
            };
            tracing::info!(
                target: "sse_actix", because,
                "connections are not handed over to hubs: a reader takes 13 KB instead of 1.6"
            );
        }
        // Beyond our own, which ends the wait first.
        let timeout = self.shutdown_timeout.as_secs().saturating_add(1);
        let activity = Arc::new(Activity::default());
        let mut builder = ServerBuilder::new()
            .disable_signals()
            .shutdown_timeout(timeout)
            .max_concurrent_connections(self.workers.max_connections);
        if let Some(workers) = self.workers.number {
            builder = builder.workers(workers);
        }
        let serving = ServerSettings {
            factory: self.factory,
            host: ServerContext {
                shutdown: self.shutdown.clone(),
                activity: Arc::clone(&activity),
                connection: None,
                hands_over,
                method: Method::GET,
                drains: false,
            },
            http: self.http,
            socket: self.socket,
            on_connect: self.on_connect,
            stopping: builder.graceful_shutdown_signal(),
        };
        let backlog = i32::try_from(self.workers.backlog).unwrap_or(i32::MAX);
        for listener in self.listeners {
            listener.set_backlog(backlog)?;
            builder = serving.clone().listen(builder, listener)?;
        }
        graceful::drive(
            builder.run(),
            self.shutdown,
            &activity,
            self.signals,
            self.shutdown_timeout,
        )
        .await
    }
}

/// What is served, and how.
#[derive(Clone)]
struct ServerSettings<F> {
    factory: F,
    host: ServerContext,
    http: HttpSettings,
    socket: SocketOptions,
    on_connect: Option<OnConnect>,
    stopping: GracefulShutdownSignal,
}

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
        let Listener { socket, spoken, .. } = listener;
        let addr = socket.local_addr()?;
        let name = format!("sse-actix-{addr}");
        match spoken {
            ListenerProtocol::Http1 => builder.listen(name, socket, move || {
                let http = self.build(addr, false).finish(application(
                    (self.factory)().into_factory(),
                    self.host.clone(),
                    addr,
                    false,
                ));
                fn_service(|tcp: TcpStream| async { Ok(accept(tcp, Protocol::Http1)) })
                    .and_then(ConnectionService(http))
            }),
            #[cfg(feature = "http2")]
            ListenerProtocol::AutoH2c => builder.listen(name, socket, move || {
                let http = self.build(addr, true).finish(application(
                    (self.factory)().into_factory(),
                    self.host.clone(),
                    addr,
                    false,
                ));
                fn_service(async |tcp: TcpStream| {
                    let protocol = protocol_of(&tcp)
                        .await
                        .map_err(actix_http::error::DispatchError::Io)?;
                    Ok(accept(tcp, protocol))
                })
                .and_then(ConnectionService(http))
            }),
            #[cfg(feature = "rustls")]
            ListenerProtocol::Tls(config) => builder.listen(name, socket, move || {
                let http = self.build(addr, true).finish(application(
                    (self.factory)().into_factory(),
                    self.host.clone(),
                    addr,
                    true,
                ));
                super::tls::acceptor((*config).clone())
                    .and_then(ConnectionService(http).map_err(TlsError::Service))
            }),
        }
    }

    fn build<T, S>(
        &self,
        addr: SocketAddr,
        may_be_http2: bool,
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
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .local_addr(addr)
            .on_connect_ext(move |socket: &Socket<T>, extensions: &mut Extensions| {
                let Some(transport) = socket.transport() else {
                    return;
                };
                let accepted = transport.accepted(may_be_http2);
                if let Some(on_connect) = &on_connect {
                    on_connect(accepted.io, extensions);
                }
                ConnectionWatch::prepare(&accepted, extensions, options);
            });
        if let Some((stream, connection)) = self.http.h2_windows {
            http = http
                .h2_initial_window_size(stream)
                .h2_initial_connection_window_size(connection);
        }
        http
    }
}

/// The application, as actix's `HttpServer` sets it up, with its requests counted.
fn application<S, B>(
    application: S,
    host: ServerContext,
    addr: SocketAddr,
    secure: bool,
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
    let counted = TrackedFactory::<S, B>::new(application, host);
    let counted = counted.map_err(|error| Response::from(error.into().error_response()));
    // actix-web has this constructor for its own test kit only; its own server uses a private one.
    map_config(counted, move |()| {
        AppConfig::__priv_test_new(secure, addr.to_string(), addr)
    })
}

fn accept(tcp: TcpStream, protocol: Protocol) -> connection::AcceptedConnection<TcpStream> {
    // A socket option that cannot be set costs speed, not the connection.
    let _ = tcp.set_nodelay(true);
    let peer = tcp.peer_addr().ok();
    (Socket::new(tcp), protocol, peer)
}

/// What a client speaks, by how it begins ([RFC 9113, 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
#[cfg(feature = "http2")]
async fn protocol_of(tcp: &TcpStream) -> io::Result<Protocol> {
    const PREFACE: &[u8] = b"PRI * HTTP/2";
    let mut first = [0; PREFACE.len()];
    tcp.peek(&mut first).await?;
    Ok(if first == PREFACE {
        Protocol::Http2
    } else {
        Protocol::Http1
    })
}
