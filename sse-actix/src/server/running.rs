//! A running server, and the handle that controls it.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::dev;
use futures_core::future::BoxFuture;
use tokio::sync::watch;

use crate::lifecycle::shutdown::Shutdown;

/// A server that runs while this is polled, and stops at once when this is dropped. It can be awaited, or spawned on
/// any tokio runtime.
///
/// ```
/// use actix_web::App;
/// use sse_actix::Server;
///
/// # #[actix_web::main]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::new(App::new).workers(1).bind(("127.0.0.1", 0))?.run();
/// let handle = server.handle();
/// let running = tokio::spawn(server);
/// handle.stop(true).await;
/// running.await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns an error at once if no address was bound, if a setting is not valid, or if the server cannot listen on a
/// socket.
#[must_use = "a server serves only while it is polled: `.await` it"]
pub struct RunningServer {
    serving: BoxFuture<'static, io::Result<()>>,
    handle: ServerHandle,
}

impl RunningServer {
    pub(super) fn new(
        handle: ServerHandle,
        serving: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> Self {
        Self {
            serving: Box::pin(serving),
            handle,
        }
    }

    /// A handle that pauses, resumes and stops this server from anywhere.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl Future for RunningServer {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.serving.as_mut().poll(cx)
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").finish_non_exhaustive()
    }
}

/// Controls a [`RunningServer`] from any thread, like actix's [`ServerHandle`](dev::ServerHandle). A command takes
/// effect even if its future is not awaited. A command before the server's first poll is carried out at that poll.
///
/// ```no_run
/// use actix_web::App;
/// use sse_actix::Server;
///
/// # async fn main_() -> std::io::Result<()> {
/// let server = Server::new(App::new).bind(("127.0.0.1", 8080))?.run();
/// let handle = server.handle();
/// tokio::spawn(async move {
///     handle.pause().await;
///     // No connection is accepted meanwhile.
///     handle.resume().await;
///     handle.stop(true).await;
/// });
/// server.await
/// # }
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    /// `None` if the server could not be started.
    actix: Option<dev::ServerHandle>,
    shutdown: Shutdown,
    force: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

impl ServerHandle {
    /// The handle, and a guard that is dropped when the server has ended.
    pub(super) fn new(actix: Option<dev::ServerHandle>, shutdown: Shutdown) -> (Self, watch::Sender<()>) {
        let (end, ended) = watch::channel(());
        let handle = Self {
            actix,
            shutdown,
            force: watch::Sender::new(false),
            ended,
        };
        (handle, end)
    }

    /// Accepts no connection until [`resume`](Self::resume). Open connections continue; new clients wait in the
    /// [backlog](crate::Server::backlog).
    pub fn pause(&self) -> impl Future<Output = ()> + use<> {
        let paused = self.actix.as_ref().map(dev::ServerHandle::pause);
        async move {
            if let Some(paused) = paused {
                paused.await;
            }
        }
    }

    /// Accepts connections again.
    pub fn resume(&self) -> impl Future<Output = ()> + use<> {
        let resumed = self.actix.as_ref().map(dev::ServerHandle::resume);
        async move {
            if let Some(resumed) = resumed {
                resumed.await;
            }
        }
    }

    /// Stops the server. The future is ready when it has stopped.
    ///
    /// `stop(true)` fires the server's [`Shutdown`], like SIGTERM: streams end with a `retry`, other requests may take
    /// up to [`shutdown_timeout`](crate::Server::shutdown_timeout), and other servers with this `Shutdown` stop, too.
    /// `stop(false)` closes all connections of this server at once, even while it is already stopping.
    pub fn stop(&self, graceful: bool) -> impl Future<Output = ()> + use<> {
        if graceful {
            self.shutdown.fire();
        } else {
            self.force.send_replace(true);
        }
        let mut ended = self.ended.clone();
        async move {
            // No value is ever sent: an error means that the server has ended.
            while ended.changed().await.is_ok() {}
        }
    }

    /// Waits until the server has to stop at once.
    pub(super) fn forced(&self) -> impl Future<Output = ()> + use<> {
        let force = self.force.clone();
        async move {
            // Never an error, because `force` is a sender itself.
            let _ = force.subscribe().wait_for(|force| *force).await;
        }
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}
