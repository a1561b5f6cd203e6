use sse_actix::*;

async fn helper() {
    emit!(Event::data("tick"));
}

fn opening() {
    open!();
    drop(emitter!());
}

#[sse_stream]
async fn ticks() {
    open!();
    helper().await;
    opening();
}

fn main() {
    drop(ticks());
}
