//! The options of one stream. The arguments of `#[sse_stream]` and the setters of [`Sse`](crate::Sse) set them.

use std::mem;

use actix_web::{Error, http::Method};
use sse_actix_core::{Event, EventName, FieldError, KeepAlive, Retry};

/// What every stream can be given, whether the macro made it or [`Sse`](crate::Sse), where each option is
/// described.
///
/// Every setter is `const`, so that `#[sse_stream]` evaluates its arguments at compile time.
#[derive(Debug, Clone)]
#[must_use]
pub struct StreamOptions {
    pub(crate) keep_alive: KeepAlive,
    pub(crate) retry: InitialRetry,
    pub(crate) event: Option<EventName>,
    pub(crate) finite: bool,
    pub(crate) resume: bool,
    pub(crate) compress: bool,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    plain: Option<bool>,
    pub(crate) on_error: Option<OnError>,
}

/// Makes the event that tells a client of a failure.
pub(crate) type OnError = fn(&Error) -> Event;

/// Which reconnection time a stream begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitialRetry {
    /// None was chosen: [`DEFAULT_RETRY`], where browsers read.
    Default,
    Chosen(Retry),
    /// None is sent.
    Off,
}

/// Browsers' own default, except Firefox's of 5 s. Sent on every stream for browsers, so that a longer time
/// that an overloaded or draining server once gave does not last.
pub(crate) const DEFAULT_RETRY: Retry = Retry::from_millis(3_000);

impl StreamOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            keep_alive: KeepAlive::DEFAULT,
            retry: InitialRetry::Default,
            event: None,
            finite: false,
            resume: false,
            compress: false,
            headers: &[],
            plain: None,
            on_error: None,
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
        self.retry = InitialRetry::Chosen(retry);
        self
    }

    /// As [`Sse::no_retry`](crate::Sse::no_retry).
    pub const fn no_retry(mut self) -> Self {
        self.retry = InitialRetry::Off;
        self
    }

    /// As [`Sse::plain`](crate::Sse::plain).
    pub const fn plain(mut self, plain: bool) -> Self {
        self.plain = Some(plain);
        self
    }

    /// As [`Sse::on_error`](crate::Sse::on_error).
    pub const fn on_error(mut self, on_error: fn(&Error) -> Event) -> Self {
        self.on_error = Some(on_error);
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

    /// Whether the stream that answers a request of this method is for clients other than `EventSource`, which
    /// sends nothing but GET. HEAD is answered as GET would be.
    pub(crate) fn is_plain(&self, method: &Method) -> bool {
        self.plain
            .unwrap_or(!matches!(*method, Method::GET | Method::HEAD))
    }

    /// Whether a stream for browsers can have the names that it was given.
    pub(crate) fn check_for_browsers(&self) -> Result<(), FieldError> {
        let names = [self.event.as_ref(), self.keep_alive.name()];
        names
            .into_iter()
            .flatten()
            .try_for_each(EventName::check_for_browsers)
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self::new()
    }
}
