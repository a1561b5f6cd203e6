//! A server's life: it serves, it is told to stop, it lets go.
//!
//! A signal reaches a stream in four steps:
//!
//! 1. SIGTERM or SIGINT (`signals.rs`) lets [`serve_until_stopped`] fire the [`Shutdown`].
//! 2. That asks the `StreamControl` of each stream to end, and wakes its task. `respond` (`stream/response.rs`) has registered it.
//! 3. `StreamBody::fill`, polled next, lets the source send its last events. A hub's reader sends what was published before
//!    (`stop_at`), and nothing newer. Then `end` (`stream/body/end.rs`) adds a `retry` line.
//! 4. After the last byte, actix's dispatcher ends the response. Where the connection was handed over, `StreamConnection` sends the
//!    last chunk and closes.
//!
//! Meanwhile [`wait_until_drained`] looks at three numbers, all of [`Activity`]:
//!
//! | number | counts up | counts down |
//! |---|---|---|
//! | requests | `TrackedService` gets a request (`RequestGuard`) | the response's last byte was handed over |
//! | streams | `respond` makes a stream that a shutdown ends (`OpenStreamGuard`) | its body is dropped |
//! | progress | a client has taken 16 KiB, or one of the others has counted down | never |
//!
//! A stream is in the first two. So no request but streams is left when both are equal.

use std::{future::pending, io, pin::pin, time::Duration};

use actix_web::{dev, rt::System};
use futures_core::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::{
    activity::Activity,
    running::ServerHandle,
    settings::LONGEST,
    signals::Signals,
    stopping::{StopSettings, StopTrigger},
};
use crate::lifecycle::shutdown::Shutdown;

/// How long streams may delay the end while no client takes anything. Clients that read are done in milliseconds, or take
/// one chunk after another.
const STREAM_GRACE: Duration = Duration::from_millis(500);

/// How long a connection that was just accepted has to send its request, which is answered by a `retry` alone. actix
/// would close such connections without an answer if it were stopped at once.
const ACCEPT_GRACE: Duration = Duration::from_millis(20);

/// How long connections are left open once nothing is under way and no client takes anything: enough for the last bytes to
/// be written and read, so that closing the socket cannot take them back. HTTP/2 holds bytes of bodies that have ended.
const CLOSE_DELAY: Duration = Duration::from_millis(150);

pub(super) async fn serve_until_stopped(
    server: dev::Server,
    stop: StopSettings,
    activity: &Activity,
    our_handle: &ServerHandle,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = pin!(server);
    let mut forced = pin!(our_handle.forced());
    let StopSettings {
        shutdown,
        trigger,
        timeout: shutdown_timeout,
        system_exit,
    } = stop;
    let mut trigger = ArmedTrigger::new(trigger)?;

    let ended = tokio::select! {
        biased;
        () = &mut forced => Some(Ok(())),
        // Polled before `fired`. Servers that share a `Shutdown` all receive the same signal. If it were not taken here, it
        // would count as a second one.
        cause = trigger.next() => {
            tracing::info!(target: "sse_actix", cause, "shutting down");
            None
        }
        () = shutdown.fired() => None,
        ended = &mut server => Some(ended),
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        // The `Shutdown` has fired, so the program's own future brings no news any more.
        if matches!(trigger, ArmedTrigger::Future(_)) {
            trigger = ArmedTrigger::Nothing;
        }
        activity.begin_draining();
        shutdown.fire();
        let stopped = async {
            // Clients that connect from now on wait for the next process, if a supervisor holds the socket.
            handle.pause().await;
            sleep(ACCEPT_GRACE).await;
            // Sent at once, and carried out while `server` is polled: idle connections on HTTP/1.1 are closed.
            drop(handle.stop(true));
            wait_until_drained(activity, &shutdown, shutdown_timeout.get()).await;
        };
        tokio::select! {
            // Every connection was closed in time.
            ended = &mut server => ended,
            // Clients hold connections open, but nothing goes on there. Returning drops `server`, which stops actix's workers. Then
            // `run().await` is ready, and `main` ends.
            () = stopped => Ok(()),
            () = forced => Ok(()),
            cause = trigger.next() => {
                tracing::warn!(target: "sse_actix", cause, "a second time: stopping at once");
                Ok(())
            }
        }
    };
    if system_exit && let Some(system) = System::try_current() {
        system.stop();
    }
    ended
}

/// What fires the shutdown from outside.
enum ArmedTrigger {
    Signals(Signals),
    /// Ready once.
    Future(BoxFuture<'static, ()>),
    Nothing,
}

impl ArmedTrigger {
    fn new(trigger: StopTrigger) -> io::Result<Self> {
        Ok(match trigger {
            StopTrigger::Signals => Self::Signals(Signals::new()?),
            StopTrigger::Future(signal) => Self::Future(signal),
            StopTrigger::Nothing => Self::Nothing,
        })
    }

    async fn next(&mut self) -> &'static str {
        match self {
            Self::Signals(signals) => return signals.next().await,
            Self::Future(signal) => signal.await,
            Self::Nothing => return pending().await,
        }
        *self = Self::Nothing;
        "shutdown_signal"
    }
}

/// Waits in three phases: for streams (as long as clients take something, and at least half a second), for other requests
/// (until `shutdown_timeout` is over), and for last bytes on their way (150 ms, or half a second while a socket is full).
async fn wait_until_drained(activity: &Activity, shutdown: &Shutdown, shutdown_timeout: Duration) {
    let start = Instant::now();
    let deadline = |timeout: Duration| start + timeout.min(LONGEST);
    // What was published is delivered as long as the clients take it.
    tokio::select! {
        () = activity.until_idle() => {}
        () = activity.until_no_progress(STREAM_GRACE, deadline(shutdown_timeout.max(STREAM_GRACE))) => {}
    }
    // Checked after the streams have had their time, because connections that are still open may send new requests until
    // then.
    let rest = shutdown_timeout.saturating_sub(start.elapsed());
    if timeout(rest, activity.until_only_streams_left()).await.is_err() {
        tracing::warn!(target: "sse_actix", "requests were still under way after {shutdown_timeout:?}");
        shutdown.end_time_to_finish();
    }
    // A socket that is full takes more once a part of it is free, which lasts with a slow client.
    let patience = if activity.has_full_sockets() {
        STREAM_GRACE
    } else {
        CLOSE_DELAY
    };
    activity
        .until_no_progress(
            patience,
            deadline(shutdown_timeout.max(start.elapsed() + patience)),
        )
        .await;
}
