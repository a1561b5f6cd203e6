//! When a stream's next keep-alive is due.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use sse_actix_core::{KeepAlive, SilenceClock};
use tokio::time::{Instant, Sleep};

pin_project! {
    /// One timer for each stream, unless the source has one for many. An event does not touch the timer. When the timer
    /// fires, it checks when the last event was sent.
    pub(super) struct KeepAliveTimer {
        // `None` without keep-alives.
        silence: Option<SilenceClock>,
        // Something was sent of which `silence` was not told.
        sent: bool,
        #[pin]
        sleep: Option<Sleep>,
        // `sleep` wakes the task that polls.
        is_set: bool,
    }
}

impl KeepAliveTimer {
    pub(super) fn new(keep_alive: &KeepAlive) -> Self {
        Self {
            silence: keep_alive
                .after()
                .map(|after| SilenceClock::new(after, Instant::now().into_std())),
            sent: false,
            sleep: None,
            is_set: false,
        }
    }

    /// After how much silence; `None` for never.
    pub(super) fn after(&self) -> Option<Duration> {
        self.silence.as_ref().map(SilenceClock::after)
    }

    pub(super) fn note_sent(self: Pin<&mut Self>) {
        *self.project().sent = true;
    }

    /// Whether something was sent since this was last asked.
    pub(super) fn take_sent(self: Pin<&mut Self>) -> bool {
        mem::take(self.project().sent)
    }

    /// Another task polls from now on.
    pub(super) fn forget_task(self: Pin<&mut Self>) {
        *self.project().is_set = false;
    }

    /// Ready when a keep-alive is due. Told whether something was sent since it was last polled.
    pub(super) fn poll(self: Pin<&mut Self>, sent: bool, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(silence) = this.silence else {
            return Poll::Pending;
        };
        if sent {
            // Silence begins when there is nothing more to send: a stream that pours reads no clock.
            silence.note_write(Instant::now().into_std());
        }
        let mut sleep = match this.sleep.as_mut().as_pin_mut() {
            Some(sleep) if *this.is_set && !sleep.is_elapsed() => return Poll::Pending,
            Some(sleep) => sleep,
            None => {
                let deadline = Instant::from_std(silence.deadline());
                this.sleep.set(Some(tokio::time::sleep_until(deadline)));
                let Some(sleep) = this.sleep.as_mut().as_pin_mut() else {
                    return Poll::Pending;
                };
                sleep
            }
        };
        *this.is_set = true;
        loop {
            ready!(sleep.as_mut().poll(cx));
            let now = Instant::now();
            match silence.check(now.into_std()) {
                Ok(()) => {
                    silence.note_write(now.into_std());
                    sleep.as_mut().reset(Instant::from_std(silence.deadline()));
                    // Firing took the task that it knew.
                    *this.is_set = false;
                    return Poll::Ready(());
                }
                Err(deadline) => sleep.as_mut().reset(Instant::from_std(deadline)),
            }
        }
    }
}
