use sse_actix::sse_stream;

#[sse_stream(keep_alive = 15, retry = "3")]
async fn without_unit() {
    emit!("tick");
}

#[sse_stream(keep_alive = 15s, retry = "3 seconds")]
async fn without_quotes() {
    emit!("tick");
}

#[sse_stream(keep_alive = "1.5s", retry = "soon")]
async fn no_whole_number() {
    emit!("tick");
}

#[sse_stream(keep_alive = "50ms", retry = "1h")]
async fn out_of_bounds() {
    emit!("tick");
}

#[sse_stream(retry = "600h")]
async fn too_long() {
    emit!("tick");
}

fn main() {}
