use sse_actix::{Emitter, sse_stream};

async fn helper(emitter: Emitter<'_>) {
    emitter.emit("tick").await;
}

#[sse_stream]
async fn ticks() {
    let emitter = emitter!();
    tokio::task::spawn_local(helper(emitter));
}

fn main() {
    drop(ticks());
}
