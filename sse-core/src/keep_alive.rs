use std::time::{Duration, Instant};

use crate::{Event, EventName, Frame};

/// Keep-alives: what a stream sends after some silence, and after how much silence.
///
/// There are two reasons for keep-alives. Proxies and mobile networks drop connections without traffic, as the
/// standard's [authoring notes](https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes) say.
/// And a server notices that a client has left only when it writes. So keep-alives are on by default, with a comment
/// after 15 s ([`KeepAlive::DEFAULT`]). They count *silence*: a stream that sends events sends no keep-alive.
///
/// ```
/// use std::time::Duration;
/// use sse_actix_core::{EventName, KeepAlive};
///
/// const SEEN_BY_THE_PAGE: KeepAlive =
///     KeepAlive::event(Duration::from_secs(10), EventName::from_static("ping"));
/// assert_eq!(SEEN_BY_THE_PAGE.frame().unwrap().as_ref(), b"event: ping\ndata:\n\n");
/// assert_eq!(SEEN_BY_THE_PAGE.name().unwrap().as_str(), "ping");
///
/// let comment = KeepAlive::comment(Duration::from_secs(30));
/// assert_eq!((comment.after(), comment.name()), (Some(Duration::from_secs(30)), None));
/// assert_eq!(comment.frame().unwrap().as_ref(), b":\n");
/// assert_eq!(KeepAlive::OFF.frame(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAlive {
    after: Option<Duration>,
    name: Option<EventName>,
}

impl KeepAlive {
    /// A comment after 15 s of silence.
    pub const DEFAULT: Self = Self::comment(Duration::from_secs(15));

    /// No keep-alive. The server then notices that a client has left only at its next write. And if a filter or `since`
    /// hides all events from a client, the client does not learn how its position advances: if it comes back after
    /// retention has deleted the hidden events, it gets a gap event.
    pub const OFF: Self = Self {
        after: None,
        name: None,
    };

    /// The shortest silence: 100 ms. A shorter time counts as 100 ms, because a stream that sends keep-alives all the
    /// time would keep a core busy.
    pub const MIN: Duration = Duration::from_millis(100);

    /// A comment (`:`), which browsers skip, after this much silence, at least [`KeepAlive::MIN`].
    pub const fn comment(after: Duration) -> Self {
        Self {
            after: Some(at_least_min(after)),
            name: None,
        }
    }

    /// A named event with empty data, which page code can listen to, after this much silence, at least
    /// [`KeepAlive::MIN`].
    pub const fn event(after: Duration, name: EventName) -> Self {
        Self {
            after: Some(at_least_min(after)),
            name: Some(name),
        }
    }

    /// The silence after which a keep-alive is sent; `None` when off.
    pub const fn after(&self) -> Option<Duration> {
        self.after
    }

    /// The name of the event that is sent; `None` for a comment, or when off.
    pub const fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// The frame that is sent; `None` when off.
    pub fn frame(&self) -> Option<Frame> {
        self.after?;
        Some(match &self.name {
            Some(name) => Event::data("").event(name).into(),
            None => Event::comment("").into(),
        })
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const fn at_least_min(after: Duration) -> Duration {
    if after.as_nanos() < KeepAlive::MIN.as_nanos() {
        KeepAlive::MIN
    } else {
        after
    }
}

/// The silence of one stream, measured with a clock that is passed in.
///
/// The caller keeps one timer for [`SilenceClock::deadline`] and calls [`SilenceClock::check`] only when the timer
/// fires. A write only stores the time; no timer is re-armed for each event.
///
/// ```
/// use std::time::{Duration, Instant};
/// use sse_actix_core::SilenceClock;
///
/// let start = Instant::now();
/// let mut silence = SilenceClock::new(Duration::from_secs(15), start);
/// assert_eq!(silence.deadline(), start + silence.after());
/// silence.note_write(start + Duration::from_secs(10));
///
/// // The timer of the first deadline fires, but there was a write in between.
/// let fired = silence.check(start + Duration::from_secs(15));
/// assert_eq!(fired, Err(start + Duration::from_secs(25)));
/// assert_eq!(silence.check(start + Duration::from_secs(25)), Ok(()));
/// ```
#[derive(Debug, Clone)]
pub struct SilenceClock {
    since: Instant,
    // Half the size of a `Duration`: every idle stream has one.
    after_millis: u32,
}

impl SilenceClock {
    /// Measures silence from `now`. A keep-alive is due after `after`, in milliseconds, and 49 days at most.
    pub fn new(after: Duration, now: Instant) -> Self {
        Self {
            since: now,
            after_millis: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// The silence after which a keep-alive is due.
    pub fn after(&self) -> Duration {
        Duration::from_millis(self.after_millis.into())
    }

    /// Notes that something was written.
    pub fn note_write(&mut self, now: Instant) {
        self.since = now;
    }

    /// The time at which a keep-alive is due if nothing is written until then.
    pub fn deadline(&self) -> Instant {
        self.since + self.after()
    }

    /// Whether a keep-alive is due.
    ///
    /// # Errors
    ///
    /// The time of the next check, if it is not due.
    pub fn check(&self, now: Instant) -> Result<(), Instant> {
        let deadline = self.deadline();
        if now >= deadline { Ok(()) } else { Err(deadline) }
    }
}
