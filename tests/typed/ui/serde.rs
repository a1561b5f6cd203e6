use serde::{Deserialize, Serialize};
use sse_actix::SseEvents;

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(tag = "event", content = "data")]
enum Tagged {
    Price(u8),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(untagged)]
enum Untagged {
    Price(u8),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(tag = "event")]
enum Internally {
    Price { price: u8 },
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(try_from = "u8")]
enum Fallible {
    Price(u8),
}

impl TryFrom<u8> for Fallible {
    type Error = std::fmt::Error;

    fn try_from(price: u8) -> Result<Self, Self::Error> {
        Ok(Self::Price(price))
    }
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all(serialize = "lowercase", deserialize = "UPPERCASE"))]
enum TwoRules {
    Price(u8),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all_fields(serialize = "lowercase", deserialize = "UPPERCASE"))]
enum TwoFieldRules {
    Price { price: u8 },
}

#[derive(Clone, Serialize, Deserialize, SseEvents)]
#[serde(from = "u8", into = "u8")]
enum Converted {
    Price(u8),
}

impl From<u8> for Converted {
    fn from(price: u8) -> Self {
        Self::Price(price)
    }
}

impl From<Converted> for u8 {
    fn from(Converted::Price(price): Converted) -> Self {
        price
    }
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Variants {
    #[serde(alias = "prise")]
    Price(u8),
    #[serde(skip)]
    Secret,
    #[serde(skip_deserializing)]
    OneWay,
    #[serde(rename(serialize = "a", deserialize = "b"))]
    TwoNames,
    Field {
        #[serde(skip_serializing)]
        #[serde(default)]
        hidden: u8,
        #[serde(rename(serialize = "a", deserialize = "b"))]
        two_names: u8,
    },
    Whole(#[serde(skip)] u8),
    MayBeAbsent(#[serde(skip_serializing_if = "Option::is_none")] Option<u8>),
    #[serde(skip_serializing)]
    NotSent,
    #[serde(rename_all(serialize = "lowercase", deserialize = "UPPERCASE"))]
    Fields { price: u8 },
    #[serde(other)]
    Other,
}

#[derive(Serialize, Deserialize, SseEvents)]
enum UntaggedVariant {
    Price(u8),
    #[serde(untagged)]
    Rest(String),
}

fn main() {}
