use std::mem;

use sse_actix_core::{EventName, KeepAlive, Retry};

/// What every stream can be given, whether the macro made it or [`Sse`](crate::Sse), where each option is
/// described.
///
/// Every setter is `const`, so that `#[sse_stream]` evaluates its arguments at compile time.
#[derive(Debug, Clone)]
#[must_use]
pub struct StreamOptions {
    pub(crate) keep_alive: KeepAlive,
    pub(crate) retry: Retry,
    pub(crate) event: Option<EventName>,
    pub(crate) finite: bool,
    pub(crate) resume: bool,
    pub(crate) compress: bool,
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// Browsers' own default, except Firefox's of 5 s. Sent on every stream, so that a longer time that an
/// overloaded or draining server once gave does not last.
const RETRY: Retry = Retry::from_millis(3_000);

impl StreamOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            keep_alive: KeepAlive::DEFAULT,
            retry: RETRY,
            event: None,
            finite: false,
            resume: false,
            compress: false,
            headers: &[],
        }
    }

    // A `const fn` may not drop, so the replaced value is forgotten. It owns nothing that could leak:
    // it is the default, which is `const` itself, since each is set once.

    /// As [`Sse::keep_alive`](crate::Sse::keep_alive).
    pub const fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        mem::forget(mem::replace(&mut self.keep_alive, keep_alive));
        self
    }

    /// As [`Sse::event`](crate::Sse::event).
    pub const fn event(mut self, event: EventName) -> Self {
        mem::forget(self.event.replace(event));
        self
    }

    /// As [`Sse::retry`](crate::Sse::retry).
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// As [`Sse::finite`](crate::Sse::finite).
    pub const fn finite(mut self) -> Self {
        self.finite = true;
        self
    }

    /// As [`Sse::resume`](crate::Sse::resume).
    pub const fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// As [`Sse::compress`](crate::Sse::compress).
    pub const fn compress(mut self) -> Self {
        self.compress = true;
        self
    }

    /// As [`Sse::header`](crate::Sse::header), for each.
    pub const fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::new()
    }
}
