use serde::{Deserialize, Serialize};
use sse_actix::{Emitter, Event, Json, SseEvents, sse_stream};

#[derive(Serialize, Deserialize, SseEvents)]
enum Market {
    Price(f64),
}

#[derive(Serialize, Deserialize, SseEvents)]
enum Chat {
    Said(String),
}

async fn helper(emitter: Emitter<'_, Market>) {
    emitter.emit(Chat::Said("a".to_owned())).await;
}

#[sse_stream(events = Market)]
async fn texts() {
    emit!("text");
    emit!(Json(1.5));
    emit!(Event::data("a"));
    emit!(Chat::Said("a".to_owned()));
    emit!(Market::Price("high"));
    helper(emitter!()).await;
}

#[sse_stream]
async fn untyped() {
    helper(emitter!()).await;
}

fn main() {
    drop((texts(), untyped()));
}
