use sse_actix::sse_stream;

#[sse_stream(event = "tick\ndata: injected")]
async fn line_break() {
    emit!("tick");
}

#[sse_stream(event = "error")]
async fn reserved() {
    emit!("tick");
}

#[sse_stream(event = "")]
async fn empty() {
    emit!("tick");
}

#[sse_stream(event = 1)]
async fn no_text() {
    emit!("tick");
}

fn main() {}
