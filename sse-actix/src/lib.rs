//! Server-sent events for actix-web: annotate an async function, `emit!` what it yields, and every
//! browser with an unmodified [`EventSource`](https://html.spec.whatwg.org/multipage/server-sent-events.html)
//! receives it.
//!
//! ```
//! use std::time::Duration;
//! use actix_web::{App, Error, get};
//! use sse_actix::{Event, LastEventId, Server, sse_stream};
//!
//! #[get("/count")]
//! #[sse_stream(retry = "2s")]
//! async fn count(last: LastEventId) -> Result<(), Error> {
//!     let mut n: u64 = last.parse().ok().flatten().unwrap_or(0);
//!     loop {
//!         n += 1;
//!         emit!(Event::json(&n)?.event("count").id(n));
//!         tokio::time::sleep(Duration::from_secs(1)).await;
//!     }
//! }
//!
//! # async fn main_() -> std::io::Result<()> {
//! Server::new(|| App::new().service(count)).bind(("127.0.0.1", 8080))?.run().await
//! # }
//! ```
//!
//! The path of an event: a handler makes an [`Event`], whose name and id are checked when they are made. `emit!`
//! encodes it once, into the stream's buffer. The body hands actix everything that is ready as one chunk, and a
//! keep-alive after some silence. A browser that reconnects sends the id of its last event, which a handler gets as
//! [`LastEventId`].
//!
//! | to | use |
//! |---|---|
//! | write a stream | [`sse_stream`](macro@sse_stream), [`Emitter`] |
//! | send an existing `Stream` | [`Sse`], [`StreamItem`] |
//! | list a stream's events in an enum | [`SseEvents`](macro@SseEvents), [`DecodeEventError`], [`UnknownEvent`] |
//! | make events | [`Event`], [`Json`], [`EventName`], [`EventId`], [`Retry`], [`Frame`] |
//! | resume | [`LastEventId`] |
//! | serve | [`for_streams`], [`connection_hook`], [`Server`], [`RunningServer`], [`ServerHandle`], [`inherited_sockets`] |
//! | let pages of other origins read | [`CrossOrigin`], [`AllowedOrigins`], [`Origin`], [`SessionCookie`] |
//! | publish to many | [`Hub`], [`Topic`], [`RawTopic`], [`Subscription`], [`TopicOptions`], [`TopicOf`], [`TopicFamily`] |
//! | read a topic elsewhere in the program | [`Hub::follow`], [`TopicEvents`] |
//! | end streams | [`Shutdown`], [`StreamControl`], [`Ending`], [`StreamError`] |
//! | share a path with JSON | [`PrefersEventStream`] |
//! | count streams for metrics | [`stream_counts`] |
//! | test | [`test`](mod@test) |
//! | read a stream | [`Decoder`] |
//! | send another server's stream on | [`Relay`], [`RelayError`], [`Unusable`], [`Relayed`], [`RelayedEvents`] |
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http2` | yes | HTTP/2, and with it about a hundred streams to an origin instead of six |
//! | `rustls` | no | `Server::bind_rustls_0_23`: HTTPS, without which browsers do not speak HTTP/2 |
//! | `openssl` | no | `Server::bind_openssl`: the same with OpenSSL, whose library and headers must be installed |
//! | `shared-event-source` | no | a JavaScript module by which all tabs share one stream: `shared_event_source` |
//! | `metrics` | no | metrics for monitoring, on the `metrics` facade: `metrics` |
//! | `rate-limit` | no | a limit on how often an address may connect: `HubBuilder::max_connects_per_minute` |
//! | `openapi` | no | OpenAPI 3.2 documents of streams with an enum of events: `openapi` |
//! | `typescript` | no | TypeScript for pages from such an enum: `typescript` |
//! | `awc` | no | `upstream_connector`, with which awc reports an upstream that was cut |
//! | `test` | no | the test kit |
//!
//! Streams log to [`tracing`] under the target `sse_actix`: `stream opened` (debug), `stream ended` with its reason,
//! duration, events and bytes (info; error if it failed), and a warning when a handler keeps a browser waiting for
//! longer than a second.

mod clock;
mod cross_origin;
mod extract;
mod hub;
mod lifecycle;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "openapi")]
pub mod openapi;
mod relay;
mod server;
#[cfg(feature = "shared-event-source")]
mod shared_event_source;
#[cfg(sse_sim)]
#[doc(hidden)]
pub mod simulation;
mod stream;
#[cfg(feature = "test")]
pub mod test;
mod tracing_limit;
#[cfg(feature = "typescript")]
pub mod typescript;

#[cfg(feature = "awc")]
pub use self::relay::upstream_connector;
#[cfg(feature = "rustls")]
pub use self::server::ServerConfig;
#[cfg(feature = "openssl")]
pub use self::server::SslAcceptorBuilder;
#[cfg(feature = "shared-event-source")]
pub use self::shared_event_source::shared_event_source;
pub use self::{
    cross_origin::{AllowedOrigins, CookieError, CrossOrigin, Origin, OriginError, SessionCookie},
    extract::{LastEventId, PrefersEventStream, UnknownId},
    hub::{
        CombineError, Evictions, ForeignId, Hub, HubBuilder, HubError, HubStats, IntoSubscription, IntoTopic,
        LimitExceeded, OnGap, Once, Presence, PresenceChange, PresenceChanges, PublishError, Published,
        PublishedEvent, RawTopic, Snapshot, Subscription, Topic, TopicEvent, TopicEvents, TopicFamily,
        TopicFault, TopicOf, TopicOptions, TopicStats, TopicTypeError, TurnedAway,
    },
    lifecycle::{
        control::StreamControl,
        ending::{Ending, StreamError},
        shutdown::Shutdown,
    },
    relay::{Relay, RelayError, Replacement, Unusable},
    server::{
        InheritedSocket, RunningServer, Server, ServerHandle, ShutdownTimeout, connection_hook, for_streams,
        inherited_sockets,
    },
    stream::{
        handler::{EmitFuture, Emitter, EventStream},
        source::{AnyEvent, StreamItem},
        span::{StreamCounts, stream_counts},
        sse::Sse,
    },
};
pub use sse_actix_core::*;
pub use sse_actix_macros::{SseEvents, sse_stream};

/// The items that the expanded code of `#[sse_stream]` uses. Do not use it by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use actix_web::{Error, HttpRequest};
    pub use serde::{self, Serialize, de::DeserializeOwned};
    pub use sse_actix_core::{EventName, KeepAlive, Retry};

    #[cfg(feature = "typescript")]
    pub use ts_rs;
    #[cfg(feature = "openapi")]
    pub use utoipa;

    pub use crate::{
        extract::IsPlain,
        stream::{
            handler::{EventStream, Outcome, reconnects_after_end, run_until_open, typed},
            options::StreamOptions,
        },
    };
}
