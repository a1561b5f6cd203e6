use std::{error::Error, fmt, io, ops::RangeInclusive, time::Duration};

use sse_actix_core::FieldError;

use crate::lifecycle::shutdown::reversed;

/// The reason why a hub was not built.
///
/// ```
/// let error = sse_actix::Hub::builder().trusted_proxy("10.0.0").build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`10.0.0` is neither an IP address nor a network; write `10.0.0.1`, `10.0.0.0/8`, or `unix:` for unix sockets",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubError {
    /// This is a worker's thread: the application factory runs there once for each worker, so each worker would have
    /// its own hub.
    OnWorker,
    /// A trusted proxy is neither an address nor a network.
    NoNetwork(String),
    /// The stall time-out is shorter than a second.
    StallTimeout(Duration),
    /// The age that streams may reach is less than a second.
    MaxAge,
    /// The range of reconnection times ends before it begins.
    OverloadRetry(RangeInclusive<Duration>),
    /// A topic could keep no event: the text says why.
    NothingKept(&'static str),
    /// An `EventSource` cannot listen to the name of a topic's events.
    EventName(FieldError),
    /// The text is not a pattern of topics for metrics.
    MetricsTopics(String),
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnWorker => f.write_str(
                "a hub was made inside the application factory or a handler. There each worker gets its own hub, and events of one worker do not reach the others. Make the hub before `Server::new` and clone it in: `let hub = web::Data::new(Hub::new()?); Server::new(move || App::new().app_data(hub.clone()))`",
            ),
            Self::NoNetwork(text) => write!(
                f,
                "`{text}` is neither an IP address nor a network; write `10.0.0.1`, `10.0.0.0/8`, or `unix:` for unix sockets"
            ),
            Self::StallTimeout(timeout) => write!(
                f,
                "a stall time-out of {timeout:?} would end streams that are merely slow; give it a second or more"
            ),
            Self::OverloadRetry(range) => f.write_str(&reversed("overload_retry", range)),
            Self::NothingKept(why) => f.write_str(why),
            Self::EventName(error) => write!(f, "any topic may be read by browsers, but {error}"),
            Self::MetricsTopics(pattern) => write!(
                f,
                "`{pattern}` is not a pattern of topics; write a topic's name, or the beginning of names followed by `*`, such as `room:*`"
            ),
            Self::MaxAge => f.write_str(
                "with an age below a second, clients would reconnect all the time; give streams a minute or more",
            ),
        }
    }
}

impl Error for HubError {}

impl From<HubError> for io::Error {
    fn from(error: HubError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
