use sse_actix::sse_stream;

fn start(work: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(work);
}

#[sse_stream]
async fn ticks() {
    start(async move { emit!("tick") });
}

fn main() {
    drop(ticks());
}
