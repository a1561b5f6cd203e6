use sse_actix::{EventName, Retry, sse_stream};
use std::time::Duration;

#[sse_stream(keep_alive = Duration::from_secs(15))]
async fn wrong_type() {
    emit!("tick");
}

#[sse_stream(retry = Retry::from_millis(1), event = EventName::from_static("open"))]
async fn evaluated_by_cargo_check() {
    emit!("tick");
}

fn main() {}
