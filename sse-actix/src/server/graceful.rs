//! Serves until a signal stops the server, and then drains it.
//!
//! A signal reaches a stream in four steps:
//!
//! 1. SIGTERM or SIGINT (`signals.rs`) lets [`serve_until_stopped`] fire the [`Shutdown`].
//! 2. The `Shutdown` sets an end request in the `StreamControl` of each stream, which `respond` (`stream/response.rs`)
//!    has registered. It wakes the task of the stream's connection, and the task polls the stream's body.
//! 3. `StreamBody::fill`, polled next, lets the source send its last events. A hub's reader sends events that were
//!    published before (`stop_at`), and no newer ones. Then `end` (`stream/body/end.rs`) adds a `retry` line.
//! 4. After the last byte, actix's dispatcher ends the response. If the connection was handed over, `StreamConnection`
//!    sends the last chunk and closes.
//!
//! Meanwhile [`wait_until_drained`] looks at three numbers, all of [`Activity`]:
//!
//! | number | counts up | counts down |
//! |---|---|---|
//! | requests | `TrackedService` gets a request (`RequestGuard`) | actix, or `StreamConnection`, has taken the response's last byte |
//! | streams | `respond` makes a stream that a shutdown ends (`OpenStreamGuard`) | its body is dropped |
//! | progress | a client has taken 16 KiB, or a request or a stream has ended | never |
//!
//! A stream counts in the first two. So when both are equal, only streams are left.

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

/// How long streams may delay the end while no client takes bytes. Clients that read are finished within milliseconds,
/// or take one chunk after another.
const STREAM_GRACE: Duration = Duration::from_millis(500);

/// How long a connection that was just accepted may take to send its request; the answer is a single `retry`. If actix
/// stopped at once, it would close such connections without an answer.
const ACCEPT_GRACE: Duration = Duration::from_millis(20);

/// How long connections stay open once no request is in progress and no client takes bytes. This is enough to write and
/// read the last bytes, so that closing the socket cannot discard them. HTTP/2 holds bytes of bodies that have ended.
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
        // Polled before `fired`: each server of a shared `Shutdown` receives the same SIGTERM, and another server may
        // have fired the `Shutdown` first. This server takes its SIGTERM here; otherwise it would count as a second
        // signal below.
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
        // The `Shutdown` has fired, so `shutdown_signal`'s future is not needed any more: it must not count as a second
        // signal.
        if matches!(trigger, ArmedTrigger::Future(_)) {
            trigger = ArmedTrigger::Nothing;
        }
        activity.begin_draining();
        shutdown.fire();
        let stopped = async {
            // Clients that connect from now on wait for the next process, if a supervisor holds the socket.
            handle.pause().await;
            sleep(ACCEPT_GRACE).await;
            // The command is sent at once and carried out while `server` is polled: actix closes idle connections on
            // HTTP/1.1.
            drop(handle.stop(true));
            wait_until_drained(activity, &shutdown, shutdown_timeout.get()).await;
        };
        tokio::select! {
            // Every connection was closed in time.
            ended = &mut server => ended,
            // Clients hold connections open, but no request is in progress on them. Returning drops `server`, which
            // stops actix's workers. Then `run().await` is ready, and `main` ends.
            () = stopped => Ok(()),
            () = forced => Ok(()),
            cause = trigger.next() => {
                tracing::warn!(target: "sse_actix", cause, "already shutting down: stopping at once");
                Ok(())
            }
        }
    };
    if system_exit && let Some(system) = System::try_current() {
        system.stop();
    }
    ended
}

/// The outside trigger of the shutdown.
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

/// Waits in three phases:
///
/// 1. For streams: until no request is left, or until no client has taken bytes for half a second.
/// 2. For other requests: until `shutdown_timeout` is over.
/// 3. For the last bytes: until no client has taken bytes for 150 ms, or for half a second if a socket is full.
///
/// The time-out also bounds the first and the last phase, but each of them has at least its time without progress.
async fn wait_until_drained(activity: &Activity, shutdown: &Shutdown, shutdown_timeout: Duration) {
    let start = Instant::now();
    let deadline = |timeout: Duration| start + timeout.min(LONGEST);
    // Events from before the shutdown are delivered as long as the clients take them.
    tokio::select! {
        () = activity.until_idle() => {}
        () = activity.until_no_progress(STREAM_GRACE, deadline(shutdown_timeout.max(STREAM_GRACE))) => {}
    }
    // Checked after the phase of the streams, because open connections may send new requests until then.
    let rest = shutdown_timeout.saturating_sub(start.elapsed());
    if timeout(rest, activity.until_only_streams_left()).await.is_err() {
        tracing::warn!(target: "sse_actix", "requests were still in progress after {shutdown_timeout:?}");
        shutdown.abort_unfinished();
    }
    // A full socket takes no bytes until its client has read a part of them. A slow client needs long for that.
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Poll};

    use super::*;
    use crate::server::activity::{ClientProgress, RequestGuard};

    /// Returns how long a server takes to shut down, in milliseconds, while one client reads all the time. If
    /// `is_blocked`, another client does not read.
    async fn ends_after(shutdown_timeout: Duration, is_blocked: bool) -> u128 {
        let activity = Arc::new(Activity::default());
        activity.begin_draining();
        let _under_way = RequestGuard::begin(&activity);
        activity.stream_opened();
        let mut progress = ClientProgress::new(&activity);
        let mut blocked = ClientProgress::new(&activity);
        if is_blocked {
            blocked.note_write(&Poll::Pending);
        }
        let began = Instant::now();
        let shutdown = Shutdown::new();
        let reads = async {
            loop {
                sleep(Duration::from_millis(30)).await;
                progress.note_write(&Poll::Ready(Ok(64 * 1024)));
            }
        };
        tokio::select! {
            () = wait_until_drained(&activity, &shutdown, shutdown_timeout) => began.elapsed().as_millis(),
            () = reads => 0,
        }
    }

    /// The server waits until the time-out for a client that takes a slice again and again, and then for the time that
    /// the last bytes get.
    #[tokio::test(start_paused = true)]
    async fn a_drain_in_slices_ends_by_its_deadline() {
        for millis in [600, 1_000, 30_000] {
            let timeout = Duration::from_millis(millis);
            let millis = u128::from(millis);
            assert_eq!(ends_after(timeout, false).await, millis + CLOSE_DELAY.as_millis());
            assert_eq!(ends_after(timeout, true).await, millis + STREAM_GRACE.as_millis());
        }
        // Streams have half a second, whatever the time-out.
        assert_eq!(ends_after(Duration::ZERO, false).await, 650);
    }
}
