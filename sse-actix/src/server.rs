//! [`Server`]: an HTTP server for streams, made of actix's parts. Its modules:
//!
//! - it starts and stops: [run](run), [running](running), [graceful](graceful), [activity](activity),
//!   [signals](signals), [stopping](stopping);
//! - its settings and sockets: [settings](settings), [bind](bind), [listener](listener), [inherited](inherited),
//!   [os_socket](os_socket);
//! - one connection: [connection](connection), [socket](socket), [handover](handover),
//!   [stream_connection](stream_connection), [unsent](unsent), [rest_watch](rest_watch), [flush](flush);
//! - one request: [tracked](tracked), [context](context), [discard](discard).
//!
//! [`for_streams`](mod@for_streams) configures actix's own `HttpServer` instead.

mod activity;
mod bind;
mod chunk_size_line;
mod connection;
mod context;
mod discard;
mod flush;
mod for_streams;
mod graceful;
mod handover;
mod http2_resets;
mod http2_watch;
mod inherited;
mod listener;
#[cfg(feature = "openssl")]
mod openssl;
mod os_socket;
mod preface;
mod rest_watch;
mod run;
mod running;
#[cfg(feature = "rustls")]
mod rustls;
mod settings;
mod signals;
mod socket;
mod stopping;
mod stream_connection;
mod tracked;
#[cfg(unix)]
mod unix_socket;
mod unsent;

use std::{any::Any, fmt, sync::Arc, time::Duration};

use actix_web::dev::Extensions;

pub(crate) use self::{
    context::{OpenStreamGuard, ServerContext},
    flush::{Flush, RESET_PATIENCE, RESET_POLL},
    handover::{ConnectionState, DirectConnection, HandoverOwner, MadeStream, StreamMarker},
    rest_watch::min_bytes_read,
};
pub use self::{
    for_streams::{connection_hook, for_streams},
    inherited::{InheritedSocket, inherited_sockets},
    running::{RunningServer, ServerHandle},
    stopping::ShutdownTimeout,
};
use self::{
    listener::Listener,
    os_socket::SocketOptions,
    settings::{HttpSettings, TlsSettings, Workers},
    stopping::StopSettings,
};

/// The TLS settings that [`Server::bind_openssl`] takes.
#[cfg(feature = "openssl")]
pub use actix_tls::accept::openssl::reexports::SslAcceptorBuilder;
/// The TLS settings that [`Server::bind_rustls_0_23`] takes.
#[cfg(feature = "rustls")]
pub use actix_tls::accept::rustls_0_23::reexports::ServerConfig;

type OnConnect = Arc<dyn Fn(&dyn Any, &mut Extensions) + Send + Sync>;

/// Replaces actix's [`HttpServer`](actix_web::HttpServer), with the same method names, and does what streams need.
///
/// ```no_run
/// use actix_web::{App, Error, get};
/// use sse_actix::{Server, sse_stream};
///
/// #[get("/hello")]
/// #[sse_stream]
/// async fn hello() -> Result<(), Error> {
///     emit!("hello");
///     Ok(())
/// }
///
/// #[actix_web::main]
/// async fn main() -> std::io::Result<()> {
///     Server::new(|| App::new().service(hello)).bind(("127.0.0.1", 8080))?.run().await
/// }
/// ```
///
/// Its settings, and the reasons:
///
/// | setting | reason |
/// |---|---|
/// | [`h1_allow_half_closed(false)`](Self::h1_allow_half_closed) | the server notices within milliseconds that a client has left; by default, only at the second write after that |
/// | [`tcp_nodelay(true)`](Self::tcp_nodelay) | an event is sent when it is written; with Nagle's algorithm it may wait 40 ms for the last event's acknowledgement |
/// | [`user_timeout`](Self::user_timeout): 30 s | the connection of a client that acknowledges no bytes for that long is closed; there is no other write time-out |
/// | [`send_buffer`](Self::send_buffer): 256 KiB | a client that does not read costs 512 KiB of kernel memory (Linux doubles the value), not 4 MB |
/// | a watch on each HTTP/2 connection | streams on HTTP/2 end within milliseconds after their connection is lost, not at their next write |
/// | [`backlog`](Self::backlog): 4,096 | after a restart all clients reconnect at once |
/// | [`max_connections`](Self::max_connections): 25,600 a worker | the same as actix's; a client above this number gets no answer, so set it higher than you expect |
/// | [`direct_fan_out`](Self::direct_fan_out) | an idle subscriber of a hub takes 1.6 KB, and an event for ten thousand subscribers costs little more than ten thousand `send` calls |
/// | at most 64 KiB are kept of the bytes after a request for a stream | a client that keeps sending would otherwise keep a processor busy |
/// | SIGTERM and SIGINT | every stream ends with a `retry`, other requests may take up to [`shutdown_timeout`](Self::shutdown_timeout), then the process exits; see [`run`](Self::run) |
///
/// It takes the application factory itself, for two reasons. It counts the requests in progress, because actix
/// does not expose their number: a shutdown has to know whether it waits for a stream, which it can
/// end, or for another request, which it must not end. And its connections can be handed over to hubs.
///
/// All settings take effect in [`run`](Self::run), so their order, before or after `bind`, does not matter.
#[must_use = "a server does nothing until it is `run`"]
pub struct Server<F> {
    factory: F,
    listeners: Vec<Listener>,
    on_connect: Option<OnConnect>,
    socket: SocketOptions,
    workers: Workers,
    http: HttpSettings,
    tls: TlsSettings,
    stop: StopSettings,
    direct_fan_out: bool,
}

impl<F> Server<F> {
    /// A server for the applications that `factory` makes, one for each worker.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            listeners: Vec::new(),
            on_connect: None,
            socket: SocketOptions {
                nodelay: true,
                user_timeout: Some(Duration::from_secs(30)),
                send_buffer: Some(256 * 1024),
            },
            workers: Workers::default(),
            http: HttpSettings::default(),
            tls: TlsSettings::default(),
            stop: StopSettings::default(),
            direct_fan_out: true,
        }
    }

    /// Calls `hook` for every accepted connection, like [`actix_web::HttpServer::on_connect`]. Several hooks are called
    /// in turn. On a unix socket a hook gets tokio's `UnixStream`. A hook may change the options of the socket.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use actix_web::{App, rt::net::TcpStream};
    ///
    /// struct Accepted(Option<SocketAddr>);
    ///
    /// let server = sse_actix::Server::new(App::new).on_connect(|io, data| {
    ///     let tcp = io.downcast_ref::<TcpStream>();
    ///     data.insert(Accepted(tcp.and_then(|tcp| tcp.local_addr().ok())));
    /// });
    /// ```
    pub fn on_connect(mut self, hook: impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static) -> Self {
        self.on_connect = Some(match self.on_connect.take() {
            None => Arc::new(hook),
            Some(earlier) => Arc::new(move |io: &dyn Any, extensions: &mut Extensions| {
                earlier(io, extensions);
                hook(io, extensions);
            }),
        });
        self
    }

    /// Sets whether the connection of a [`Subscription`](crate::Subscription) that answers GET on HTTP/1.1 is handed
    /// over to its hub. Default: true.
    ///
    /// An idle subscriber then takes 1.6 KB instead of 13, and a delivery takes a third less processor time. Middleware
    /// still sees every byte. The connection closes after the stream: a later request of the client on this connection
    /// is not answered. With an [`on_connect`](Self::on_connect) hook no connection is handed over, because the hook's
    /// data lives with actix's part of a connection. [`HubStats::handed_over`](crate::HubStats::handed_over) counts
    /// these connections.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).direct_fan_out(false);
    /// ```
    pub fn direct_fan_out(mut self, direct: bool) -> Self {
        self.direct_fan_out = direct;
        self
    }
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addrs", &self.addrs())
            .field("shutdown", &self.stop.shutdown)
            .field("shutdown_timeout", &self.stop.timeout)
            .finish_non_exhaustive()
    }
}
