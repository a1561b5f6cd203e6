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
#[sse(plain)]
enum Plain {
    #[sse(name = "sse-end")]
    End,
}

fn main() {
    let _ = Illegal::Price.event_name();
}
