//! Ends a stream from outside, and decides what its client does then.
//!
//! Several types concern an end, in this order:
//!
//! | type | means |
//! |---|---|
//! | `Ending` ([ending](ending)) | what a program asks for: the client reconnects, or stays away |
//! | `Eviction` (`hub/stats.rs`) | why a hub ends a subscriber; `HubStats` counts them |
//! | `ReadFailure` (`hub/reader/advance.rs`) | why a hub's reader cannot continue |
//! | `EndCause` ([control](control)) | why something other than the source ended the stream, for the log: an eviction, a limit, a panic |
//! | `EndRequest` ([control](control)) | what a stream's control asks of its body |
//! | `SourceOutcome` (`stream/body/end.rs`) | how the source has ended by itself |
//! | `EndPolicy` (`stream/body/end.rs`) | what the stream's author has chosen for its end |
//! | `LoggedEnd` (`stream/span.rs`) | what the log says and `stream_counts` counts, once the stream has ended |

pub(crate) mod control;
pub(crate) mod ending;
pub(crate) mod shutdown;
