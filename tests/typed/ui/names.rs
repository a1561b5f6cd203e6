use serde::{Deserialize, Serialize};
use sse_actix::SseEvents;

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
enum Illegal {
    Error,
    #[serde(rename = "open")]
    Started(u8),
    #[sse(name = "sse-gap")]
    Gap { missed: u8 },
    #[sse(name = "two\nlines")]
    Lines,
    #[sse(name = "")]
    Empty,
    Price,
    #[serde(rename = "price")]
    Value,
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Reserved {
    #[serde(rename = "sse-end")]
    End,
    #[serde(rename = "sse-position")]
    Position,
    #[sse(name = "sse-later")]
    Later,
    #[sse(name = "nul\0")]
    Nul,
    #[sse(name = "carriage\rreturn")]
    Return,
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
enum Duplicate {
    OneTwo,
    Onetwo,
    #[sse(name = "price")]
    First,
    #[sse(name = "price")]
    Second,
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(plain)]
enum Plain {
    Open,
    #[sse(name = "open")]
    Started,
    #[sse(name = "error")]
    Error,
    #[sse(name = "sse-end")]
    End,
    #[sse(name = "sse-gap")]
    Gap,
    #[sse(name = "sse-position")]
    Position,
    #[sse(name = "a\nb")]
    Lines,
}

fn main() {
    let _ = Illegal::Price.event_name();
}
