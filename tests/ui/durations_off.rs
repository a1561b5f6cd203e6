use sse_actix::sse_stream;

#[sse_stream(retry = "none", keep_alive = "never")]
async fn another_word() {
    emit!("tick");
}

#[sse_stream(retry = "0s", keep_alive = "0s")]
async fn zero() {
    emit!("tick");
}

#[sse_stream(retry = off)]
async fn without_quotes() {
    emit!("tick");
}

fn main() {}
