//! One response that is a stream, in the order of its life.
//!
//! A [handler](handler) under `#[sse_stream]`, an [`Sse`](sse) or a hub's subscription is a [source](source). The
//! source writes events into a [buffer](buffer). The [response](response) sets status and headers. Its [body](body)
//! polls the source, hands the buffer's bytes to the connection, and sends keep-alives. A [span](span) logs how the
//! stream began and ended.
//!
//! A `retry` line tells a browser how long to wait before it reconnects. These write one:
//!
//! | when | where | which time |
//! |---|---|---|
//! | the stream begins | `opening` in [body](body) | that of `open!(time)`, else of [options](options), else 3 s |
//! | `open!(time)` in a stream that has begun | `EventBuffer::open_with` in [buffer](buffer) | that time |
//! | the stream ends so that its client comes back | `end` in `body/end.rs` | the hub's, if that ends it, else with jitter |
//! | the client is turned away | `RetryOnlyBody` in [response](response) | the hub's, or with jitter |

pub(crate) mod body;
pub(crate) mod buffer;
pub(crate) mod handler;
mod misplaced_macros;
pub(crate) mod options;
pub(crate) mod response;
pub(crate) mod source;
pub(crate) mod span;
pub(crate) mod sse;
