//! OpenAPI 3.2 documents of streams with an enum of events, through [`utoipa`] (feature `openapi`).
//!
//! Enable it for an enum with `#[sse(openapi)]`. Its data types derive `utoipa::ToSchema`. One of three types then
//! describes a stream. They differ in the library's own events, which the stream may send beside the enum's events:
//!
//! | stream | type | also |
//! |---|---|---|
//! | a function under `#[sse_stream(events = Market)]` for browsers | [`BrowserStream<Market>`](BrowserStream) | `sse-end` |
//! | [`Subscription<Market>`](crate::Subscription) for browsers | [`TopicStream<Market>`](TopicStream) | `sse-end`, `sse-gap`, `sse-position` |
//! | a stream for other clients, such as the answer to a POST | [`PlainStream<Market>`](PlainStream) | nothing; 429 and 503 |
//!
//! Each implements utoipa's `IntoResponses`, for `responses(..)`, and utoipa's `Modify`, which adds the referenced
//! schemas and sets the version OpenAPI 3.2, because utoipa's default is 3.1. [`LastEventId`](crate::LastEventId)
//! implements utoipa's `IntoParams`.
//!
//! ```
//! use actix_web::get;
//! use serde::{Deserialize, Serialize};
//! use sse_actix::{LastEventId, SseEvents, openapi::BrowserStream, sse_stream};
//! use utoipa::OpenApi;
//!
//! #[derive(Serialize, Deserialize, SseEvents)]
//! #[serde(rename_all = "lowercase")]
//! #[sse(openapi)]
//! enum Market {
//!     Price(Price),
//!     Closed,
//! }
//!
//! #[derive(Serialize, Deserialize, utoipa::ToSchema)]
//! struct Price {
//!     symbol: String,
//!     price: f64,
//! }
//!
//! #[utoipa::path(get, path = "/market", params(LastEventId), responses(BrowserStream<Market>))]
//! #[get("/market")]
//! #[sse_stream(events = Market)]
//! async fn market() -> () {
//!     emit!(Market::Closed);
//! }
//!
//! const MARKET: BrowserStream<Market> = BrowserStream::new();
//!
//! #[derive(OpenApi)]
//! #[openapi(paths(market), modifiers(&MARKET))]
//! struct Api;
//!
//! let document = serde_json::to_value(Api::openapi())?;
//! assert_eq!(document["openapi"], "3.2.0");
//! let stream = &document["paths"]["/market"]["get"]["responses"]["200"]["content"]["text/event-stream"];
//! assert_eq!(stream["itemSchema"]["$ref"], "#/components/schemas/MarketBrowserEvent");
//! let event = &document["components"]["schemas"]["MarketBrowserEvent"]["oneOf"][0]["properties"];
//! assert_eq!(event["event"]["enum"], serde_json::json!(["price"]));
//! assert_eq!(event["data"]["contentSchema"]["$ref"], "#/components/schemas/Price");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Tools for OpenAPI 3.1 see a response of `text/event-stream` without a schema: they ignore `itemSchema`.

mod item;
mod parameter;
mod stream;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Type},
    },
};

pub use self::stream::{BrowserStream, PlainStream, TopicStream};
use crate::SseEvents;

/// An enum of events with an OpenAPI description. `#[derive(SseEvents)]` implements it with `#[sse(openapi)]`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{SseEvents, openapi::DescribeEvents};
///
/// #[derive(Serialize, Deserialize, SseEvents)]
/// #[sse(openapi)]
/// enum Market {
///     Price(f64),
///     Closed,
/// }
///
/// assert_eq!((Market::NAME, Market::events().len()), ("Market", 2));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no OpenAPI description",
    note = "write `#[sse(openapi)]` on the enum"
)]
pub trait DescribeEvents: SseEvents {
    /// The enum's name.
    const NAME: &'static str;

    /// True if a catch-all allows events with other names.
    const IS_OPEN: bool;

    /// The events, in the order of the variants.
    fn events() -> Vec<EventDescription>;
}

/// One event of an enum.
///
/// ```
/// use sse_actix::openapi::{EventDescription, Null};
///
/// let closed = EventDescription::of::<Null>("closed", false);
/// assert_eq!(format!("{closed:?}"), "EventDescription { name: \"closed\", has_id: false, .. }");
/// ```
pub struct EventDescription {
    name: &'static str,
    /// True if it always has an id.
    has_id: bool,
    data: RefOr<Schema>,
    /// The schemas that `data` refers to.
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl EventDescription {
    /// The event of this name, whose data is a `T`. If `has_id` is true, the event always has an id.
    pub fn of<T: ToSchema>(name: &'static str, has_id: bool) -> Self {
        let mut schemas = Vec::new();
        T::schemas(&mut schemas);
        Self {
            name,
            has_id,
            data: T::schema(),
            schemas,
        }
    }
}

impl std::fmt::Debug for EventDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventDescription")
            .field("name", &self.name)
            .field("has_id", &self.has_id)
            .finish_non_exhaustive()
    }
}

/// The data of a variant without data: `null`. See [`EventDescription`]'s example.
#[derive(Debug)]
pub struct Null;

impl PartialSchema for Null {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).into()
    }
}

impl ToSchema for Null {}
