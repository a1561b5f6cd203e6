use serde::{Deserialize, Serialize};
use sse_actix::{SseEvents, UnknownEvent};

#[derive(Serialize, Deserialize, SseEvents)]
struct NoEnum {
    price: f64,
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Shapes {
    Pair(u8, u8),
    Nothing(),
    Ids {
        #[sse(id)]
        a: u8,
        #[sse(id)]
        b: u8,
    },
    NoId {
        #[sse(key)]
        a: u8,
    },
}

#[derive(Serialize, Deserialize, SseEvents)]
enum CatchAll {
    #[sse(other)]
    #[serde(skip)]
    Other(UnknownEvent),
    Price(u8),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Half {
    Price(u8),
    #[sse(other)]
    Other,
}

#[derive(Serialize, Deserialize, SseEvents)]
enum TwoCatchAlls {
    Price(u8),
    #[sse(other)]
    #[serde(skip)]
    Other(UnknownEvent),
    #[sse(other)]
    #[serde(skip)]
    Another(UnknownEvent),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum WrongCatchAll {
    Price(u8),
    #[sse(other)]
    #[serde(skip)]
    Other(String),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum NoEvents {}

#[derive(Serialize, Deserialize, SseEvents)]
enum NoId {
    Price(#[sse(id)] f64),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum HiddenId {
    Skipped {
        #[sse(id)]
        #[serde(skip)]
        n: u64,
    },
    Flattened {
        #[serde(flatten)]
        #[sse(id)]
        n: u64,
    },
}

fn main() {}
