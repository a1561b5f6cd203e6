use sse_actix::{Emitter, sse_stream};
use std::time::Duration;

#[sse_stream]
async fn ticks(busy: bool) {
    open!(Duration::from_secs(5), busy);
    open!("5s");
    open!(5);
    helper(emitter!(busy)).await;
}

#[sse_stream]
async fn wrong_type(busy: bool) {
    open!(busy);
    emit!("tick");
}

async fn helper(emitter: Emitter<'_>) {
    emitter.emit("tick").await;
}

fn main() {
    drop(ticks(true));
    drop(wrong_type(true));
}
