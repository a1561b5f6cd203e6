use std::time::{Duration, Instant};

use crate::{Event, EventName, Frame};

/// What is sent on a stream that has been silent, and after how long.
///
/// Two readers need it. Proxies and mobile networks drop connections that carry nothing, as the
/// standard's [authoring notes](https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes)
/// say; and a server notices that a client has gone only when it writes. So it is on by default, a
/// comment after 15 s ([`KeepAlive::DEFAULT`]), and counts *silence*: a stream that sends events
/// sends no keep-alive.
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

    /// No keep-alive. The server then notices a client that has gone only when it next writes. And a reader of
    /// topics that is shown nothing, because of a filter or its rights, is not told how its position moves on:
    /// when it comes back after retention has deleted what was hidden from it, it is told of a gap.
    pub const OFF: Self = Self {
        after: None,
        name: None,
    };

    /// The shortest silence that is taken: 100 ms. Anything shorter is taken as this, since a stream
    /// of nothing but keep-alives would keep a core busy.
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

    /// After how much silence; `None` when off.
    pub const fn after(&self) -> Option<Duration> {
        self.after
    }

    /// The name of the event that is sent; `None` for a comment, or when off.
    pub const fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// What is sent; `None` when off.
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
/// The code that drives it keeps one timer for [`SilenceClock::deadline`] and asks [`SilenceClock::check`] only when
/// that fires: a write merely notes the time, and no timer is re-armed per event.
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
    /// Silence of at most `after`, counted from `now`; in milliseconds, and 49 days at most.
    pub fn new(after: Duration, now: Instant) -> Self {
        Self {
            since: now,
            after_millis: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// Of how much silence.
    pub fn after(&self) -> Duration {
        Duration::from_millis(self.after_millis.into())
    }

    /// Something was written.
    pub fn note_write(&mut self, now: Instant) {
        self.since = now;
    }

    /// When a keep-alive falls due if nothing is written until then.
    pub fn deadline(&self) -> Instant {
        self.since + self.after()
    }

    /// Whether a keep-alive is due.
    ///
    /// # Errors
    ///
    /// If it is not, the time to ask again.
    pub fn check(&self, now: Instant) -> Result<(), Instant> {
        let deadline = self.deadline();
        if now >= deadline { Ok(()) } else { Err(deadline) }
    }
}
