//! The settings of connections and workers.

use std::{io, time::Duration};

use actix_web::http::KeepAlive;

use super::Server;

/// The longest time that a setting can have. A time-out ends at an [`Instant`](std::time::Instant), and a time beyond
/// the clock's range would make every connection panic.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// The longest `user_timeout`: the kernel takes milliseconds in 31 bits, which is 24 days.
const LONGEST_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// Settings of the workers, which accept connections.
pub(super) struct Workers {
    /// `None`: one worker for each processor.
    pub(super) number: Option<usize>,
    pub(super) backlog: u32,
    pub(super) max_connections: usize,
    /// `None`: actix's default.
    pub(super) blocking_threads: Option<usize>,
}

/// Settings of actix's HTTP service. `None` means actix's default.
#[derive(Clone)]
pub(super) struct HttpSettings {
    pub(super) keep_alive: KeepAlive,
    pub(super) client_request_timeout: Duration,
    pub(super) client_disconnect_timeout: Duration,
    pub(super) h1_allow_half_closed: bool,
    pub(super) h1_write_buffer_size: Option<usize>,
    pub(super) h2_initial_window_size: Option<u32>,
    pub(super) h2_initial_connection_window_size: Option<u32>,
    /// `None`: the address of the listening socket.
    pub(super) server_hostname: Option<String>,
}

/// Settings of TLS. `None` means actix's default.
#[derive(Clone, Copy, Default)]
pub(super) struct TlsSettings {
    /// How many handshakes each worker may have in progress at once.
    pub(super) handshakes: Option<usize>,
    pub(super) handshake_timeout: Option<Duration>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            number: None,
            backlog: 4096,
            max_connections: 25_600,
            blocking_threads: None,
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            keep_alive: KeepAlive::default(),
            client_request_timeout: Duration::from_secs(5),
            client_disconnect_timeout: Duration::from_secs(1),
            h1_allow_half_closed: false,
            h1_write_buffer_size: None,
            h2_initial_window_size: None,
            h2_initial_connection_window_size: None,
            server_hostname: None,
        }
    }
}

/// Settings of sockets, workers, HTTP and TLS. Times longer than 100 years count as 100 years.
///
/// ```
/// use std::time::Duration;
/// use actix_web::App;
///
/// let server = sse_actix::Server::new(App::new)
///     .workers(4)
///     .backlog(10_000)
///     .max_connections(50_000)
///     .user_timeout(Duration::from_secs(20))
///     .send_buffer(64 * 1024)
///     .keep_alive(Duration::from_secs(75))
///     .client_request_timeout(Duration::from_secs(10))
///     .client_disconnect_timeout(Duration::from_secs(2));
/// ```
impl<F> Server<F> {
    /// Sets `TCP_NODELAY`: written bytes are sent at once. Default: true. Otherwise (Nagle's algorithm) an event may
    /// wait 40 ms for the last event's acknowledgement. Unix sockets do not wait.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).tcp_nodelay(false);
    /// ```
    pub fn tcp_nodelay(mut self, enabled: bool) -> Self {
        self.socket.nodelay = enabled;
        self
    }

    /// How long a client may leave sent bytes unacknowledged, or take no bytes, before its connection is dropped.
    /// Default: 30 s. This is `TCP_USER_TIMEOUT`, on Linux only, in milliseconds, 24 days at most. `None` leaves it to
    /// the kernel, which waits for a quarter of an hour or longer. Unix sockets have no such option.
    pub fn user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket.user_timeout = timeout.into().map(|timeout| timeout.min(LONGEST_USER_TIMEOUT));
        self
    }

    /// The kernel's send buffer for each connection in bytes, which Linux doubles: `SO_SNDBUF`. Default:
    /// 256 KiB. `None` lets it grow, to 4 MB with usual settings.
    pub fn send_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.socket.send_buffer = bytes.into();
        self
    }

    /// How many connections may wait to be accepted, on sockets that this server binds. Default: 4,096; the kernel
    /// bounds it by `net.core.somaxconn`.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.workers.backlog = connections;
        self
    }

    /// How many workers serve, each on its own thread. Default: the number of processors.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers.number = Some(workers);
        self
    }

    /// How many connections a worker serves at once; further clients wait without an answer. Default: 25,600.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.workers.max_connections = connections;
        self
    }

    /// How many threads [`web::block`](actix_web::web::block) may use at once, for each worker. Default: 512, divided
    /// by the number of processors.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).worker_max_blocking_threads(64);
    /// ```
    pub fn worker_max_blocking_threads(mut self, threads: usize) -> Self {
        self.workers.blocking_threads = Some(threads);
        self
    }

    /// How many TLS handshakes a worker has in progress at once. At this number it accepts no connection. Default:
    /// 256. Without TLS it has no effect.
    ///
    /// actix keeps this setting for the whole process: it applies to all servers whose workers start afterwards.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).max_connection_rate(1_000);
    /// ```
    pub fn max_connection_rate(mut self, handshakes: usize) -> Self {
        self.tls.handshakes = Some(handshakes);
        self
    }

    /// How long a TLS handshake may take before the connection is closed. Default: 3 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).tls_handshake_timeout(Duration::from_secs(10));
    /// ```
    #[cfg(any(feature = "rustls", feature = "openssl"))]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.tls.handshake_timeout = Some(timeout.min(LONGEST));
        self
    }

    /// How long an idle connection is kept for another request, like [`actix_web::HttpServer::keep_alive`]. Do not
    /// confuse it with keep-alives on streams. Default: 5 s.
    pub fn keep_alive(mut self, keep_alive: impl Into<KeepAlive>) -> Self {
        self.http.keep_alive = match keep_alive.into() {
            KeepAlive::Timeout(timeout) => KeepAlive::Timeout(timeout.min(LONGEST)),
            other => other,
        };
        self
    }

    /// How long a client may take to send a request's head. Default: 5 s. Zero is no limit.
    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.http.client_request_timeout = timeout.min(LONGEST);
        self
    }

    /// How long a connection may take to close. Default: 1 s. Zero is no limit.
    pub fn client_disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.http.client_disconnect_timeout = timeout.min(LONGEST);
        self
    }

    /// Sets whether a client on HTTP/1.1 that has closed its sending side, as `nc` does after its input, still gets an
    /// answer. Default: false; such a client counts as disconnected, and its handler is dropped.
    ///
    /// With `true`, only a failed write shows that a client has left. The first write after that succeeds, the second
    /// fails. So on a silent stream the server notices it at the second keep-alive, after 30 s. Until then the stream
    /// keeps its memory, its presence and its place in the limits.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).h1_allow_half_closed(true);
    /// ```
    pub fn h1_allow_half_closed(mut self, allow: bool) -> Self {
        self.http.h1_allow_half_closed = allow;
        self
    }

    /// How many bytes of a body on HTTP/1.1 are buffered before the body waits for the socket. Default: actix's,
    /// 32 KiB. A connection that was [handed over](Self::direct_fan_out) has no such buffer.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).h1_write_buffer_size(64 * 1024);
    /// ```
    pub fn h1_write_buffer_size(mut self, bytes: usize) -> Self {
        self.http.h1_write_buffer_size = Some(bytes);
        self
    }

    /// How many bytes a client on HTTP/2 may send on one stream before the server takes them. Default: actix's, 1 MiB.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).h2_initial_window_size(128 * 1024);
    /// ```
    #[cfg(feature = "http2")]
    pub fn h2_initial_window_size(mut self, bytes: u32) -> Self {
        self.http.h2_initial_window_size = Some(bytes);
        self
    }

    /// How many bytes a client on HTTP/2 may send on one connection before the server takes them. Default: actix's,
    /// 2 MiB.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).h2_initial_connection_window_size(256 * 1024);
    /// ```
    #[cfg(feature = "http2")]
    pub fn h2_initial_connection_window_size(mut self, bytes: u32) -> Self {
        self.http.h2_initial_connection_window_size = Some(bytes);
        self
    }

    /// The host in addresses that the application makes
    /// ([`ConnectionInfo::host`](actix_web::dev::ConnectionInfo::host)), if the request names no host. Default: the
    /// address of the listening socket.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).server_hostname("prices.example");
    /// ```
    pub fn server_hostname(mut self, host: impl AsRef<str>) -> Self {
        self.http.server_hostname = Some(host.as_ref().to_owned());
        self
    }

    /// Refuses settings that would make actix panic, or with which no client could be served.
    pub(super) fn check(&self) -> io::Result<()> {
        const LARGEST_WINDOW: u32 = i32::MAX as u32;

        let too_large = |window: Option<u32>| window.is_some_and(|bytes| bytes > LARGEST_WINDOW);
        let faults = [
            (
                self.listeners.is_empty(),
                "the server has no address to listen on: call `bind` or `listen` before `run`",
            ),
            (
                self.workers
                    .number
                    .is_some_and(|workers| !(1..=512).contains(&workers)),
                "`workers` must be between 1 and 512",
            ),
            (
                self.workers.max_connections == 0,
                "`max_connections` of 0 would leave every client waiting; leave it out for 25,600 a worker",
            ),
            (
                self.workers.blocking_threads == Some(0),
                "`worker_max_blocking_threads` of 0 would panic in every worker; leave it out for actix's own",
            ),
            (
                self.tls.handshakes == Some(0),
                "`max_connection_rate` of 0 would leave every client waiting; leave it out for 256 a worker",
            ),
            (
                self.tls.handshake_timeout == Some(Duration::ZERO),
                "`tls_handshake_timeout` of 0 would refuse every client; leave it out for 3 s",
            ),
            (
                self.http.h1_write_buffer_size == Some(0),
                "`h1_write_buffer_size` of 0 would send no body; leave it out for actix's own",
            ),
            (
                too_large(self.http.h2_initial_window_size),
                "`h2_initial_window_size` must be below 2^31 bytes",
            ),
            (
                too_large(self.http.h2_initial_connection_window_size),
                "`h2_initial_connection_window_size` must be below 2^31 bytes",
            ),
        ];
        match faults.into_iter().find(|(is_fault, _)| *is_fault) {
            Some((_, fault)) => Err(io::Error::new(io::ErrorKind::InvalidInput, fault)),
            None => Ok(()),
        }
    }
}
