use serde::{Deserialize, Serialize};
use sse_actix::{SseEvents, sse_stream};

#[derive(Serialize, Deserialize, SseEvents)]
enum Market {
    Price(f64),
}

struct NoEvents;

#[sse_stream(events = Market, event = "price")]
async fn named() {
    emit!(Market::Price(1.0));
}

#[sse_stream(events = NoEvents)]
async fn no_events() {
    emit!(NoEvents);
}

#[sse_stream(events)]
async fn without() {
    emit!("text");
}

fn main() {
    drop((named(), no_events(), without()));
}
