//! An enum with every kind of variant, and the bytes of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sse_actix::{EventName, SseEvents, UnknownEvent};
use ts_rs::TS;
use utoipa::ToSchema;

/// Every kind of variant and of attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[sse(openapi, typescript)]
pub(crate) enum Market {
    Opened,
    Price(Price),
    Note(Option<String>),
    #[serde(rename = "halt")]
    TradingHalted {
        symbol: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why_halted: Option<String>,
        #[serde(rename = "until", with = "seconds")]
        #[schema(value_type = String)]
        #[ts(type = "string")]
        ends: u64,
    },
    #[sse(name = "böse/Kurse")]
    Depth {
        best_price: f64,
        #[serde(flatten)]
        levels: BTreeMap<String, String>,
    },
    Nothing {},
    #[sse(other)]
    #[serde(skip)]
    Other(UnknownEvent),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, TS)]
pub(crate) struct Price {
    pub(crate) symbol: String,
    pub(crate) price: f64,
}

mod seconds {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{seconds} s"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_suffix(" s").and_then(|number| number.parse().ok());
        number.ok_or_else(|| serde::de::Error::custom("a number of seconds is written as `5 s`"))
    }
}

pub(crate) fn price(symbol: &str, price: f64) -> Market {
    Market::Price(Price {
        symbol: symbol.to_owned(),
        price,
    })
}

/// Values, their names, and their data as it is on the wire.
pub(crate) fn every_kind() -> Vec<(Market, &'static str, &'static str)> {
    vec![
        (Market::Opened, "opened", "null"),
        (price("ACME", 12.5), "price", r#"{"symbol":"ACME","price":12.5}"#),
        (
            price("a\nb", -0.25),
            "price",
            r#"{"symbol":"a\nb","price":-0.25}"#,
        ),
        (Market::Note(None), "note", "null"),
        (Market::Note(Some("x".to_owned())), "note", r#""x""#),
        (
            Market::TradingHalted {
                symbol: "ACME".to_owned(),
                why_halted: None,
                ends: 5,
            },
            "halt",
            r#"{"symbol":"ACME","until":"5 s"}"#,
        ),
        (
            Market::TradingHalted {
                symbol: "ACME".to_owned(),
                why_halted: Some("news".to_owned()),
                ends: 0,
            },
            "halt",
            r#"{"symbol":"ACME","whyHalted":"news","until":"0 s"}"#,
        ),
        (
            Market::Depth {
                best_price: 1.5,
                levels: BTreeMap::from(
                    [("a", "1"), ("b", "2")].map(|(price, size)| (price.to_owned(), size.to_owned())),
                ),
            },
            "böse/Kurse",
            r#"{"bestPrice":1.5,"a":"1","b":"2"}"#,
        ),
        (Market::Nothing {}, "nothing", "{}"),
        (
            Market::Other(UnknownEvent {
                name: EventName::from_static("split"),
                data: "2:1".to_owned(),
            }),
            "split",
            "2:1",
        ),
    ]
}
