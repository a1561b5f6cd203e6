//! The events of the stream.

use serde::{Deserialize, Serialize};
use sse_actix::{SseEvents, TopicOf};
use ts_rs::TS;
use utoipa::ToSchema;

pub(crate) const MARKET: TopicOf<Market> = TopicOf::from_static("market");

/// An event of the market. Times are Unix times in milliseconds, prices are in cents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
#[sse(openapi, typescript)]
pub(crate) enum Market {
    /// The complete state of the market. A client gets it first.
    State(State),
    /// A share is traded at this price.
    Price { symbol: String, at: u64, price: u64 },
    /// A share is not traded for a while.
    Halted { symbol: String, at: u64, reason: String },
    /// A share is traded again.
    Resumed { symbol: String, at: u64 },
    /// Why a price has jumped.
    News(Story),
}

/// All shares and the latest news.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct State {
    /// When this market was opened. It begins again with the server, so this number identifies it.
    pub(crate) opened_at: u64,
    pub(crate) shares: Vec<Share>,
    /// The oldest first.
    pub(crate) news: Vec<Story>,
}

/// A share and its last minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct Share {
    pub(crate) symbol: String,
    pub(crate) company: String,
    /// The day's first price.
    pub(crate) first: u64,
    /// At least one, the oldest first.
    pub(crate) trades: Vec<Trade>,
    /// The oldest first.
    pub(crate) halts: Vec<Halt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct Trade {
    pub(crate) at: u64,
    pub(crate) price: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct Halt {
    pub(crate) from: u64,
    /// Null while the share is not traded.
    pub(crate) until: Option<u64>,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct Story {
    pub(crate) at: u64,
    pub(crate) symbol: String,
    pub(crate) headline: String,
}
