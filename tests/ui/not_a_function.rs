use sse_actix::sse_stream;

#[sse_stream]
struct Ticks;

trait Feed {
    #[sse_stream]
    async fn ticks();
}

#[sse_stream]
#[sse_stream]
async fn twice() {
    emit!("tick");
}

fn main() {
    let _ = Ticks;
}
