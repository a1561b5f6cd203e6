//! actix's `HttpServer`, set up for streams.

mod activity;
mod bind;
mod connection;
mod context;
mod discard;
mod flush;
mod graceful;
mod handover;
mod http2_watch;
mod run;
mod socket;
mod stream_connection;
#[cfg(feature = "rustls")]
mod tls;
mod tracked;

use std::{any::Any, fmt, sync::Arc, time::Duration};

use actix_web::{dev::Extensions, http::KeepAlive};

pub use self::bind::inherited_sockets;
use self::{bind::Listener, http2_watch::SocketOptions};
pub(crate) use self::{
    context::{OpenStreamGuard, ServerContext},
    flush::{Flush, RESET_PATIENCE, RESET_POLL},
    handover::{ConnectionOwner, OwnedConnection, StreamMarker},
};
use crate::lifecycle::shutdown::Shutdown;

/// The TLS settings that [`Server::bind_rustls`] takes.
#[cfg(feature = "rustls")]
pub use actix_tls::accept::rustls_0_23::reexports::ServerConfig;

type OnConnect = Arc<dyn Fn(&dyn Any, &mut Extensions) + Send + Sync>;

/// actix's [`HttpServer`](actix_web::HttpServer) with what streams need, in its place and under its names.
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
/// What it sets, and why:
///
/// | setting | reason |
/// |---|---|
/// | `h1_allow_half_closed(false)` | a client that has left is noticed in milliseconds; by default, at the second write after it |
/// | `tcp_nodelay(true)` | an event leaves when it is written; with Nagle's algorithm it may wait 40 ms for the last one's acknowledgement |
/// | [`user_timeout`](Self::user_timeout): 30 s | a client that acknowledges nothing for that long is dropped; there is no other write time-out |
/// | [`send_buffer`](Self::send_buffer): 256 KiB | a client that does not read costs so much kernel memory, doubled, and not 4 MB |
/// | a watch on each HTTP/2 connection | streams on HTTP/2 learn that their connection is lost, and end, within milliseconds and not at their next write |
/// | [`backlog`](Self::backlog): 4,096 | after a restart everyone comes back at once |
/// | [`max_connections`](Self::max_connections): 25,600 a worker | as actix's; a client above it hangs, so it should lie above what you expect |
/// | [`direct_fan_out`](Self::direct_fan_out) | an idle reader of a hub takes 1.6 KB, and an event for ten thousand costs little more than to send it ten thousand times |
/// | at most 64 KiB are kept of what comes behind a request for a stream | a client that sends on would otherwise occupy a processor |
/// | SIGTERM and SIGINT | every stream ends with a `retry`, other requests have [`shutdown_timeout`](Self::shutdown_timeout), then the process exits; see [`run`](Self::run) |
///
/// It takes the application factory itself, because it counts the requests that are under way: actix
/// does not say how many there are, and a shutdown has to know whether it waits for a stream, which it can
/// end, or for another request, which it must not. And because its connections can be handed over to hubs.
///
/// All settings take effect in [`run`](Self::run), so their order, before or after `bind`, does not matter.
#[must_use = "a server does nothing until it is `run`"]
pub struct Server<F> {
    factory: F,
    listeners: Vec<Listener>,
    shutdown: Shutdown,
    signals: bool,
    on_connect: Option<OnConnect>,
    socket: SocketOptions,
    shutdown_timeout: Duration,
    workers: Workers,
    http: HttpSettings,
    direct_fan_out: bool,
}

/// Who accepts connections, and how many.
struct Workers {
    /// `None` for one for each processor.
    number: Option<usize>,
    backlog: u32,
    max_connections: usize,
}

/// What actix's HTTP service is told.
#[derive(Clone, Copy)]
struct HttpSettings {
    keep_alive: KeepAlive,
    client_request_timeout: Duration,
    client_disconnect_timeout: Duration,
    /// Of a stream and of a connection; `None` for actix's own.
    h2_windows: Option<(u32, u32)>,
}

impl<F> Server<F> {
    /// A server for the applications that `factory` makes, one for each worker.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            listeners: Vec::new(),
            shutdown: Shutdown::new(),
            signals: true,
            on_connect: None,
            socket: SocketOptions {
                user_timeout: Some(Duration::from_secs(30)),
                send_buffer: Some(256 * 1024),
            },
            shutdown_timeout: Duration::from_secs(30),
            workers: Workers {
                number: None,
                backlog: 4096,
                max_connections: 25_600,
            },
            http: HttpSettings {
                keep_alive: KeepAlive::default(),
                client_request_timeout: Duration::from_secs(5),
                client_disconnect_timeout: Duration::from_secs(1),
                h2_windows: None,
            },
            direct_fan_out: true,
        }
    }

    /// The handle that ends this server's streams. When it is fired by hand, the server stops too, as by
    /// SIGTERM.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Uses a handle that exists already, such as one with another range of `retry`.
    pub fn shut_down_by(mut self, shutdown: &Shutdown) -> Self {
        self.shutdown = shutdown.clone();
        self
    }

    /// Leaves SIGTERM and SIGINT to the program. Default: they fire [`shutdown`](Self::shutdown).
    pub fn disable_signals(mut self) -> Self {
        self.signals = false;
        self
    }

    /// Calls `hook` for every accepted connection, as [`actix_web::HttpServer::on_connect`]. Several are called in turn.
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

    /// How long sent bytes may go unacknowledged, or a client may refuse to take any, before its
    /// connection is dropped: `TCP_USER_TIMEOUT`, on Linux. Default: 30 s. `None` leaves it to the kernel,
    /// which takes a quarter of an hour and longer.
    pub fn user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.user_timeout = timeout.into();
        self
    }

    /// The kernel's send buffer for each connection in bytes, which Linux doubles: `SO_SNDBUF`. Default:
    /// 256 KiB. `None` lets it grow, to 4 MB with usual settings.
    pub fn send_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.socket.send_buffer = bytes.into();
        self
    }

    /// How many connections may wait to be accepted, on sockets bound here. Default: 4,096; the kernel
    /// bounds it by `net.core.somaxconn`.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.workers.backlog = connections;
        self
    }

    /// How long requests that are no streams may go on after a shutdown. Default: 30 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// How many workers serve, each on a thread of its own. Default: the number of processors.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers.number = Some(workers);
        self
    }

    /// How many connections a worker serves at once; further clients wait, without a sign. Default: 25,600.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.workers.max_connections = connections;
        self
    }

    /// How long an idle connection is kept for another request, as [`actix_web::HttpServer::keep_alive`]. It has
    /// nothing to do with keep-alives on streams. Default: 5 s.
    pub fn keep_alive(mut self, keep_alive: impl Into<KeepAlive>) -> Self {
        self.http.keep_alive = keep_alive.into();
        self
    }

    /// How long a client may take to send a request's head. Default: 5 s.
    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.http.client_request_timeout = timeout;
        self
    }

    /// How long a connection may take to close. Default: 1 s.
    pub fn client_disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.http.client_disconnect_timeout = timeout;
        self
    }

    /// HTTP/2's initial windows in bytes, of a stream and of a connection, as
    /// [`actix_web::HttpServer::h2_initial_window_size`]. They bound what clients send. Default: actix's.
    pub fn h2_windows(mut self, stream: u32, connection: u32) -> Self {
        self.http.h2_windows = Some((stream, connection));
        self
    }

    /// Whether the connection of a [`Subscription`](crate::Subscription) that answers GET on HTTP/1.1 is handed over to
    /// its hub. Default: it is.
    ///
    /// An idle reader then takes 1.6 KB instead of 13, and a delivery a third less of the processor. Middleware sees every
    /// byte, as before. The connection closes after the stream: a request that a client sends behind it is not
    /// answered. With an [`on_connect`](Self::on_connect) hook none is handed over, since what a hook stores lives with
    /// actix's part of a connection. [`HubStats::handed_over`](crate::HubStats::handed_over) counts them.
    pub fn direct_fan_out(mut self, direct: bool) -> Self {
        self.direct_fan_out = direct;
        self
    }
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addrs", &self.addrs())
            .field("shutdown", &self.shutdown)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .finish_non_exhaustive()
    }
}
