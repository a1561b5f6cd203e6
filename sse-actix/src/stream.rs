//! One response that is a stream, in the order of its life.
//!
//! A [handler](handler) under `#[sse_stream]`, an [`Sse`](sse) or a hub's subscription is a [source](source). The source
//! writes events into a [buffer](buffer). The [response](response) sets status and headers. Its [body](body) polls the source,
//! hands the buffer's bytes to the connection, and sends keep-alives. A [span](span) logs how the stream began and ended.

pub(crate) mod body;
pub(crate) mod buffer;
pub(crate) mod handler;
pub(crate) mod options;
mod outside;
pub(crate) mod response;
pub(crate) mod source;
pub(crate) mod span;
pub(crate) mod sse;
