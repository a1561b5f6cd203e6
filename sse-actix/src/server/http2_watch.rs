//! Notifies streams on HTTP/2 when their connection is lost.
//!
//! On HTTP/1.1 the connection owns the stream's body and drops it when the client leaves. On HTTP/2 it does not: a
//! stream is a separate task, which would notice a lost connection only at its next write. So this module notifies it.

use std::{
    any::Any,
    fmt, io,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::{dev::Extensions, http::Version, rt::net::TcpStream};
use socket2::Socket;
use tokio::{io::Interest, sync::Notify};

use super::os_socket::OsSocket;
use crate::{lifecycle::control::StreamControl, tracing_limit::TracingLimit};

/// A connection that has just been accepted.
pub(super) struct AcceptedSocket<'a> {
    /// The connection in the form that hooks get.
    pub(super) io: &'a dyn Any,
    pub(super) socket: OsSocket<'a>,
    /// True if it may speak HTTP/2, so that a second descriptor is useful.
    pub(super) may_be_http2: bool,
}

/// Notifies the streams of an HTTP/2 connection when the connection is lost. It lives in the connection's extensions,
/// and is dropped with them: when the connection has ended and none of its requests is alive any more.
pub(super) struct ConnectionLoss(LossNotifier);

/// Notifies the registered streams.
#[derive(Clone)]
pub(super) struct LossNotifier(Arc<Shared>);

struct Shared {
    lost: AtomicBool,
    /// The registered streams. They are few: a browser opens about a hundred at most.
    streams: Mutex<Vec<StreamControl>>,
    /// A second descriptor of the socket, until it is watched or known not to be needed.
    watch_socket: Mutex<Option<Socket>>,
    /// Ends the watch.
    closed: Notify,
}

impl ConnectionLoss {
    /// Prepares an accepted connection.
    pub(super) fn prepare(accepted: &AcceptedSocket<'_>, extensions: &mut Extensions) {
        if !accepted.may_be_http2 {
            return;
        }
        let watch_socket = accepted
            .socket
            .options()
            .try_clone()
            .inspect_err(|error| {
                static LIMIT: LazyLock<TracingLimit> = LazyLock::new(TracingLimit::new);
                if let Some(left_out) = LIMIT.take() {
                    tracing::warn!(
                        target: "sse_actix", %error, left_out, "no descriptor to watch an HTTP/2 connection with"
                    );
                }
            })
            .ok();
        extensions.insert(Self(LossNotifier(Arc::new(Shared {
            lost: AtomicBool::new(false),
            streams: Mutex::default(),
            watch_socket: Mutex::new(watch_socket),
            closed: Notify::new(),
        }))));
    }

    /// Called for every request. HTTP/1.x needs no watch, and closes the descriptor.
    pub(super) fn loss_notifier(&self, version: Version) -> Option<LossNotifier> {
        if version < Version::HTTP_2 {
            drop(self.0.0.watch_socket().take());
            return None;
        }
        Some(self.0.clone())
    }
}

impl LossNotifier {
    /// Registers a stream that is notified when this connection is lost, until the returned value is dropped.
    pub(super) fn register(&self, control: &StreamControl) -> LossRegistration {
        self.0.watch();
        self.0.streams().push(control.clone());
        // Checked after the insertion. If the connection is lost in between, `connection_lost` finds the stream, or
        // this check sees the loss.
        if self.0.lost.load(Ordering::SeqCst) {
            control.connection_lost();
        }
        LossRegistration {
            by: Arc::clone(&self.0),
            stream: control.id(),
        }
    }
}

impl Drop for ConnectionLoss {
    fn drop(&mut self) {
        self.0.0.closed.notify_one();
        self.0.0.connection_lost();
    }
}

impl Shared {
    fn connection_lost(&self) {
        self.lost.store(true, Ordering::SeqCst);
        let streams = self.streams().clone();
        for stream in streams {
            stream.connection_lost();
        }
    }

    /// Watches the socket for its end; one watch for each connection.
    ///
    /// Dropping the extensions is not enough, because a handler that keeps its `HttpRequest` keeps them alive.
    fn watch(self: &Arc<Self>) {
        let Some(socket) = self.watch_socket().take() else {
            return;
        };
        let watched = match TcpStream::from_std(socket.into()) {
            Ok(watched) => watched,
            Err(error) => {
                static LIMIT: LazyLock<TracingLimit> = LazyLock::new(TracingLimit::new);
                if let Some(left_out) = LIMIT.take() {
                    tracing::warn!(target: "sse_actix", %error, left_out, "an HTTP/2 connection cannot be watched");
                }
                return;
            }
        };
        let shared = Arc::clone(self);
        actix_web::rt::spawn(async move {
            tokio::select! {
                () = until_peer_has_closed(&watched) => shared.connection_lost(),
                () = shared.closed.notified() => {}
            }
        });
    }

    fn streams(&self) -> MutexGuard<'_, Vec<StreamControl>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch_socket(&self) -> MutexGuard<'_, Option<Socket>> {
        self.watch_socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn until_peer_has_closed(socket: &TcpStream) {
    while let Ok(ready) = socket.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        // These bytes are for the connection itself, which reads them through its own descriptor. Return `WouldBlock`,
        // so that tokio clears the readiness flag.
        let _ = socket.try_io(Interest::READABLE, || {
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
    }
}

/// Keeps a stream registered for the loss of its connection, until this is dropped.
pub(super) struct LossRegistration {
    by: Arc<Shared>,
    stream: u64,
}

impl Drop for LossRegistration {
    fn drop(&mut self) {
        self.by.streams().retain(|stream| stream.id() != self.stream);
    }
}

impl fmt::Debug for ConnectionLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLoss").finish_non_exhaustive()
    }
}
