//! What the stream can say.

use serde::{Deserialize, Serialize};
use sse_actix::{SseEvents, TopicOf};
use ts_rs::TS;
use utoipa::ToSchema;

pub(crate) const MARKET: TopicOf<Market> = TopicOf::from_static("market");

/// An event of the market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
#[sse(openapi, typescript)]
pub(crate) enum Market {
    /// All shares as they are: what a page gets first.
    Quotes(Vec<Quote>),
    /// A share has another price.
    Price(Quote),
    /// A share is not traded for a while.
    Halted { symbol: String, reason: String },
    /// A share is traded again.
    Resumed { symbol: String },
    /// Why a price has jumped.
    News { symbol: String, headline: String },
}

/// A share's price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct Quote {
    pub(crate) symbol: String,
    /// In cents.
    pub(crate) price: u64,
    /// Since the market has opened, as a part of the first price.
    pub(crate) change: f64,
    pub(crate) is_halted: bool,
}
