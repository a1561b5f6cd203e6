//! Configures actix's own `HttpServer` for streams.

use std::{
    any::Any,
    fmt,
    future::pending,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    Error, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Extensions},
    rt::net::TcpStream,
};
use tokio::{io::ReadBuf, time::timeout};

use super::{
    http2_watch::{AcceptedSocket, ConnectionLoss},
    preface::HTTP2_PREFACE,
    signals::Signals,
    socket::Transport as _,
};
use crate::lifecycle::shutdown::Shutdown;

/// How long streams may take to end. Then actix's own shutdown begins, which does not end streams.
const END_STREAMS_TIMEOUT: Duration = Duration::from_millis(500);

/// Configures actix's [`HttpServer`] for streams, if you do not want to use [`Server`](crate::Server). Call it before
/// `bind`.
///
/// - The server notices at once, not at a later write, that a client on HTTP/1.1 has left
///   (`h1_allow_half_closed(false)`), or that a connection on HTTP/2 is lost. If the client has sent so many requests
///   behind the stream's that actix has stopped reading, the server notices it at the stream's next write.
/// - At SIGTERM, SIGINT, or when `shutdown` fires, every stream ends with a `retry`, and then the server stops
///   (`shutdown_signal`). Streams find `shutdown` by themselves.
///
/// It sets `h1_allow_half_closed`, `shutdown_signal` and `on_connect`, so do not set these. For a hook of your own use
/// [`connection_hook`]. The guide's page on serving lists what `Server` does beyond this.
///
/// ```no_run
/// use actix_web::{App, Error, HttpServer, get};
/// use sse_actix::{Shutdown, for_streams, sse_stream};
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
///     for_streams(HttpServer::new(|| App::new().service(hello)), &Shutdown::new())
///         .bind(("127.0.0.1", 8080))?
///         .run()
///         .await
/// }
/// ```
pub fn for_streams<F, I, S, B>(server: HttpServer<F, I, S, B>, shutdown: &Shutdown) -> HttpServer<F, I, S, B>
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
    let bound = server.addrs();
    if !bound.is_empty() {
        tracing::error!(
            target: "sse_actix", ?bound,
            "`for_streams` was called after `bind`, so these addresses do not use its hook: on them a shutdown ends no stream, and a lost HTTP/2 connection is noticed at its next write; call `for_streams` before `bind`"
        );
    }
    if let Err(error) = shutdown.check() {
        tracing::error!(target: "sse_actix", %error, "the reconnection time of a shutdown is not random");
    }
    server
        .h1_allow_half_closed(false)
        .shutdown_signal(stop_signal(shutdown.clone()))
        .on_connect(connection_hook(shutdown, |_, _| {}))
}

/// An `on_connect` hook that does what [`for_streams`] needs, and then calls `hook`.
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use sse_actix::{Shutdown, for_streams, connection_hook};
///
/// struct Accepted(std::time::Instant);
///
/// # async fn main_() -> std::io::Result<()> {
/// let shutdown = Shutdown::new();
/// for_streams(HttpServer::new(App::new), &shutdown)
///     .on_connect(connection_hook(&shutdown, |_, data| {
///         data.insert(Accepted(std::time::Instant::now()));
///     }))
///     .bind(("127.0.0.1", 8080))?
///     .run()
///     .await
/// # }
/// ```
pub fn connection_hook(
    shutdown: &Shutdown,
    hook: impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static,
) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    let shutdown = shutdown.clone();
    move |io, extensions| {
        extensions.insert(shutdown.clone());
        if let Some(accepted) = accepted(io) {
            ConnectionLoss::prepare(&accepted, extensions);
        }
        hook(io, extensions);
    }
}

/// The connection that actix passes to a hook, if it may speak HTTP/2.
fn accepted(io: &dyn Any) -> Option<AcceptedSocket<'_>> {
    if let Some(tcp) = io.downcast_ref::<TcpStream>() {
        return speaks_http2(tcp).then(|| tcp.accepted(true));
    }
    #[cfg(feature = "rustls")]
    if let Some(session) = io.downcast_ref() {
        return Some(super::rustls::accepted(session));
    }
    #[cfg(feature = "openssl")]
    if let Some(session) = io.downcast_ref() {
        return Some(super::openssl::accepted(session));
    }
    None
}

/// True if a client without TLS has begun with HTTP/2. If actix serves both protocols, it waits for these bytes before
/// it calls the hook. Only such a connection gets a second descriptor: for every connection it would be expensive, and
/// would be closed only at the first stream.
fn speaks_http2(tcp: &TcpStream) -> bool {
    let mut first = [0; HTTP2_PREFACE.len()];
    let mut first = ReadBuf::new(&mut first);
    // The waker is replaced when the connection is read.
    let peeked = tcp.poll_peek(&mut Context::from_waker(Waker::noop()), &mut first);
    matches!(peeked, Poll::Ready(Ok(_))) && first.filled() == HTTP2_PREFACE
}

/// Ready when actix may stop: all streams were asked to end, and the streams that could end have ended.
async fn stop_signal(shutdown: Shutdown) {
    tokio::select! {
        signal = next_signal() => tracing::info!(target: "sse_actix", signal, "shutting down"),
        () = shutdown.fired() => {}
    }
    shutdown.fire();
    let _ = timeout(END_STREAMS_TIMEOUT, shutdown.until_ended()).await;
}

async fn next_signal() -> &'static str {
    match Signals::new() {
        Ok(mut signals) => signals.next().await,
        Err(error) => {
            tracing::error!(target: "sse_actix", %error, "signals cannot be received");
            pending().await
        }
    }
}
