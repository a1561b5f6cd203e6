//! What stops a server, and how long that may take.

use std::{fmt, time::Duration};

use futures_core::future::BoxFuture;

use super::Server;
use crate::lifecycle::shutdown::Shutdown;

/// What stops a server, and how long that may take.
pub(super) struct StopSettings {
    pub(super) shutdown: Shutdown,
    pub(super) trigger: StopTrigger,
    pub(super) timeout: ShutdownTimeout,
    /// True if actix's `System` is stopped as well.
    pub(super) system_exit: bool,
}

/// What fires the `Shutdown`, if the program does not fire it.
pub(super) enum StopTrigger {
    /// SIGTERM and SIGINT.
    Signals,
    Future(BoxFuture<'static, ()>),
    Nothing,
}

impl Default for StopSettings {
    fn default() -> Self {
        Self {
            shutdown: Shutdown::new(),
            trigger: StopTrigger::Signals,
            timeout: ShutdownTimeout(Duration::from_secs(30)),
            system_exit: false,
        }
    }
}

/// The argument of [`Server::shutdown_timeout`]: a `Duration`, or a number of seconds, as in actix.
///
/// ```
/// use std::time::Duration;
/// use sse_actix::ShutdownTimeout;
///
/// assert_eq!(ShutdownTimeout::from(30), ShutdownTimeout::from(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShutdownTimeout(Duration);

impl ShutdownTimeout {
    pub(super) fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for ShutdownTimeout {
    fn from(timeout: Duration) -> Self {
        Self(timeout)
    }
}

impl From<u64> for ShutdownTimeout {
    fn from(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl fmt::Debug for ShutdownTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The triggers that stop the server. By default SIGTERM and SIGINT.
impl<F> Server<F> {
    /// The handle that ends this server's streams. If you fire it yourself, the server stops, too, as after SIGTERM.
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new);
    /// assert_eq!(server.shutdown().open_streams(), 0);
    /// ```
    pub fn shutdown(&self) -> Shutdown {
        self.stop.shutdown.clone()
    }

    /// Uses a handle that exists already, such as one with another range of `retry`. Servers that share a handle stop
    /// together.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::App;
    /// use sse_actix::{Server, Shutdown};
    ///
    /// let shutdown = Shutdown::with_retry(Duration::from_secs(1)..=Duration::from_secs(2));
    /// let server = Server::new(App::new).shut_down_by(&shutdown);
    /// shutdown.fire();
    /// assert!(server.shutdown().is_fired());
    /// ```
    pub fn shut_down_by(mut self, shutdown: &Shutdown) -> Self {
        self.stop.shutdown = shutdown.clone();
        self
    }

    /// Leaves SIGTERM and SIGINT to the program. Default: they fire [`shutdown`](Self::shutdown).
    ///
    /// ```
    /// use actix_web::App;
    ///
    /// let server = sse_actix::Server::new(App::new).disable_signals();
    /// // What the program does at its own signal:
    /// server.shutdown().fire();
    /// assert!(server.shutdown().is_fired());
    /// ```
    pub fn disable_signals(mut self) -> Self {
        if matches!(self.stop.trigger, StopTrigger::Signals) {
            self.stop.trigger = StopTrigger::Nothing;
        }
        self
    }

    /// When `signal` is ready, stops the server as SIGTERM does. SIGTERM and SIGINT are left to the program.
    ///
    /// ```no_run
    /// use actix_web::App;
    /// use sse_actix::Server;
    /// use tokio::sync::oneshot;
    ///
    /// # async fn main_() -> std::io::Result<()> {
    /// let (stop, stopped) = oneshot::channel::<()>();
    /// let server = Server::new(App::new)
    ///     .bind(("127.0.0.1", 8080))?
    ///     .shutdown_signal(async move { _ = stopped.await });
    /// # drop(stop);
    /// server.run().await
    /// # }
    /// ```
    pub fn shutdown_signal(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop.trigger = StopTrigger::Future(Box::pin(signal));
        self
    }

    /// How long requests that are not streams, and [plain](crate::Sse::plain) streams, may continue after a shutdown:
    /// a `Duration`, or a number of seconds. Other streams end, but as long as their clients read, they may take this
    /// long to deliver the events from before the shutdown. Default: 30 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::App;
    /// use sse_actix::Server;
    ///
    /// let server = Server::new(App::new).shutdown_timeout(10);
    /// let server = server.shutdown_timeout(Duration::from_millis(1_500));
    /// ```
    pub fn shutdown_timeout(mut self, timeout: impl Into<ShutdownTimeout>) -> Self {
        self.stop.timeout = timeout.into();
        self
    }

    /// When the server has stopped, stops actix's [`System`](actix_web::rt::System), too. Use it in a program that runs
    /// the server as a task of the `System`. Default: the `System` keeps running.
    ///
    /// ```no_run
    /// use actix_web::{App, rt::System};
    /// use sse_actix::Server;
    ///
    /// let system = System::new();
    /// let server = Server::new(App::new).system_exit().bind(("127.0.0.1", 8080))?;
    /// system.runtime().spawn(server.run());
    /// system.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn system_exit(mut self) -> Self {
        self.stop.system_exit = true;
        self
    }
}
