//! A server's life: it serves, it is told to stop, it lets go.

use std::{future::pending, io, pin::pin, time::Duration};

use actix_web::dev;
use tokio::time::{Instant, sleep, timeout};

use super::activity::Activity;
use crate::lifecycle::shutdown::Shutdown;

/// How long a stream whose client does not read may delay the end. A client that reads is done in milliseconds.
const STREAM_GRACE: Duration = Duration::from_millis(500);

/// How long a connection that was just accepted has to send its request, which is answered by a `retry` alone. actix
/// would close such connections without an answer if it were stopped at once.
const ACCEPT_GRACE: Duration = Duration::from_millis(20);

/// How long connections are left open once nothing is under way: enough for the last bytes to be written
/// and read, so that closing the socket cannot take them back.
const CLOSE_DELAY: Duration = Duration::from_millis(150);

pub(super) async fn drive(
    server: dev::Server,
    shutdown: Shutdown,
    activity: &Activity,
    signals: bool,
    grace: Duration,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = pin!(server);
    let mut signals = Signals::new(signals)?;

    tokio::select! {
        ended = &mut server => return ended,
        () = shutdown.fired() => {}
        signal = signals.next() => tracing::info!(target: "sse_actix", signal, "shutting down"),
    }
    shutdown.fire();
    let stopped = async {
        // Clients that connect from now on wait for the next process, if a supervisor holds the socket.
        handle.pause().await;
        sleep(ACCEPT_GRACE).await;
        // Sent at once, and carried out while `server` is polled: idle connections on HTTP/1.1 are closed.
        drop(handle.stop(true));
        quiet(activity, &shutdown, grace).await;
    };

    tokio::select! {
        // Every connection was closed in time.
        ended = &mut server => ended,
        // Clients hold connections open, but nothing goes on there. Dropping the server stops its workers.
        () = stopped => Ok(()),
        signal = signals.next() => {
            tracing::warn!(target: "sse_actix", signal, "second signal: stopping at once");
            Ok(())
        }
    }
}

async fn quiet(activity: &Activity, shutdown: &Shutdown, grace: Duration) {
    let start = Instant::now();
    let _ = timeout(STREAM_GRACE, activity.until_idle()).await;
    // Checked after the grace of the streams, because connections that are still open may send new requests until
    // then.
    let rest = grace.saturating_sub(start.elapsed());
    if timeout(rest, activity.until_only_streams()).await.is_err() {
        tracing::warn!(target: "sse_actix", "requests were still under way after {grace:?}");
        shutdown.end_time_to_finish();
    }
    sleep(CLOSE_DELAY).await;
}

#[cfg(unix)]
struct Signals(Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn new(wanted: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        if !wanted {
            return Ok(Self(None));
        }
        Ok(Self(Some((
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ))))
    }

    async fn next(&mut self) -> &'static str {
        match &mut self.0 {
            Some((terminate, interrupt)) => tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            },
            None => pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Signals(bool);

#[cfg(not(unix))]
impl Signals {
    fn new(wanted: bool) -> io::Result<Self> {
        Ok(Self(wanted))
    }

    async fn next(&mut self) -> &'static str {
        if !self.0 || tokio::signal::ctrl_c().await.is_err() {
            return pending().await;
        }
        "Ctrl-C"
    }
}
