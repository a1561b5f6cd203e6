use serde::{Deserialize, Serialize};
use sse_actix::SseEvents;

mod seconds {
    pub fn serialize<S: serde::Serializer>(_: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("5 s")
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(_: D) -> Result<u64, D::Error> {
        Ok(5)
    }
}

mod variant {
    pub fn serialize<S: serde::Serializer>(_: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("5 s")
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(_: D) -> Result<u64, D::Error> {
        Ok(5)
    }
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi, typescript)]
enum Both {
    Until {
        #[serde(with = "seconds")]
        neither: u64,
        #[serde(with = "seconds")]
        #[schema(value_type = String)]
        openapi: u64,
        #[serde(with = "seconds")]
        #[ts(type = "string")]
        typescript: u64,
        #[serde(with = "seconds")]
        #[schema(value_type = String)]
        #[ts(type = "string")]
        both: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
    },
    #[serde(with = "variant")]
    Variant(u64),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
enum OpenApi {
    Until(#[serde(serialize_with = "seconds::serialize")] u64),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(typescript)]
enum TypeScript {
    Until(#[serde(deserialize_with = "seconds::deserialize")] u64),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
enum Generic<T> {
    Price(T),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi = true, typescript("market.ts"), plain = false)]
enum WithValues {
    #[sse(other = true)]
    Price(#[sse(id = "price")] f64),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(typescript)]
enum Sized<const N: usize> {
    Price { prices: Vec<u8> },
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi, typescript)]
enum Itself {
    Post {
        text: String,
        answers: Vec<Self>,
        #[serde(with = "seconds")]
        #[schema(value_type = Vec<Self>)]
        #[ts(as = "String")]
        seconds: u64,
    },
    Boxed(Box<Self>),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi, typescript)]
enum Renamed {
    Price {
        #[schema(rename = "a", minimum = 1)]
        openapi: u8,
        #[ts(rename = "a")]
        typescript: u8,
        #[serde(rename = "")]
        nameless: u8,
    },
}

#[derive(Serialize, Deserialize)]
struct More {
    note: String,
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi)]
enum Flattened {
    Price {
        #[serde(flatten)]
        more: std::option::Option<More>,
    },
}

/// Without a description each of these is right.
#[derive(Serialize, Deserialize, SseEvents)]
enum Undescribed<const N: usize> {
    Post {
        answers: Vec<Self>,
        #[serde(flatten)]
        more: Option<More>,
        #[serde(rename = "")]
        #[ts(rename = "a")]
        nameless: u8,
    },
}

fn main() {}
