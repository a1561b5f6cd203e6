use serde::{Deserialize, Serialize};
use sse_actix::SseEvents;

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(names = "lowercase")]
enum Market {
    #[sse(rename = "price")]
    Price(u8),
    #[sse(name = 7)]
    Closed,
}

#[derive(Serialize, SseEvents)]
enum NotReceived {
    Price(u8),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Borrowed<'a> {
    Text(&'a str),
}

fn main() {}
