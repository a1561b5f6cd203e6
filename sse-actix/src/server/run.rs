//! From settings to a server that serves.

use std::{any::Any, fmt, io, sync::Arc};

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    Error, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Extensions},
    rt::net::TcpStream,
};

use super::{
    OnConnect, Server,
    connection::{Connection, SocketOptions},
    drive,
    host::Host,
    listen::{Listener, Spoken},
    traffic::{Counted, Traffic},
};

impl<F> Server<F> {
    /// Refuses what actix would panic at, or what could serve nobody.
    fn check(&self) -> io::Result<()> {
        let fault = if self.listeners.is_empty() {
            "the server has no address to listen on: call `bind` or `listen` before `run`"
        } else if self.workers.is_some_and(|workers| !(1..=512).contains(&workers)) {
            "`workers` must be between 1 and 512"
        } else if self.max_connections == 0 {
            "`max_connections` of 0 would leave every client waiting; leave it out for 25,600 a worker"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, fault))
    }

    /// Serves until it is shut down: by SIGTERM or SIGINT, or by [`shutdown`](Self::shutdown).
    ///
    /// Then every stream delivers what it was given, ends with a `retry`, and its client comes back when
    /// the next process serves. Nobody is accepted any more. Other requests go on for
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
        // Beyond our own, which ends the wait first.
        let timeout = self.shutdown_timeout.as_secs().saturating_add(1);
        let traffic = Arc::new(Traffic::default());
        let factory = self.factory;
        let host = Host {
            shutdown: self.shutdown.clone(),
            traffic: Arc::clone(&traffic),
            connection: None,
        };
        let mut http = HttpServer::new(move || Counted::<S, B>::new(factory().into_factory(), host.clone()))
            .disable_signals()
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .shutdown_timeout(timeout)
            .max_connections(self.max_connections)
            .keep_alive(self.keep_alive)
            .client_request_timeout(self.client_request_timeout)
            .client_disconnect_timeout(self.client_disconnect_timeout)
            .on_connect(hook(&self.listeners, self.on_connect, self.socket));
        if let Some(workers) = self.workers {
            http = http.workers(workers);
        }
        if let (Some(stream), Some(connection)) = self.h2_windows {
            http = http
                .h2_initial_window_size(stream)
                .h2_initial_connection_window_size(connection);
        }
        let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
        for listener in self.listeners {
            listener.set_backlog(backlog)?;
            http = match listener.spoken {
                Spoken::Http1 => http.listen(listener.socket)?,
                #[cfg(feature = "http2")]
                Spoken::AutoH2c => http.listen_auto_h2c(listener.socket)?,
                #[cfg(feature = "rustls")]
                Spoken::Tls(config) => http.listen_rustls_0_23(listener.socket, *config)?,
            };
        }
        drive::drive(
            http.run(),
            self.shutdown,
            &traffic,
            self.signals,
            self.shutdown_timeout,
        )
        .await
    }
}

/// What is called for every accepted connection: the user's hook, then ours.
fn hook(
    listeners: &[Listener],
    user: Option<OnConnect>,
    socket: SocketOptions,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + use<> {
    let h2c_ports: Vec<u16> = listeners
        .iter()
        .filter(|listener| !matches!(listener.spoken, Spoken::Http1))
        .filter_map(|listener| Some(listener.socket.local_addr().ok()?.port()))
        .collect();
    move |io: &dyn Any, extensions: &mut Extensions| {
        if let Some(user) = &user {
            user(io, extensions);
        }
        let may_be_http2 = |tcp: &TcpStream| {
            tcp.local_addr()
                .is_ok_and(|addr| h2c_ports.contains(&addr.port()))
        };
        Connection::prepare(io, extensions, socket, may_be_http2);
    }
}
