use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream(keepalive = "15s", path = "/ticks", finite, finite)]
async fn unknown_and_duplicate() -> () {
    emit!("tick");
}

#[sse_stream("/ticks")]
async fn a_path() {
    emit!("tick");
}

#[sse_stream(finite = true, keep_alive)]
async fn values() {
    emit!("tick");
}

#[sse_stream(finite resume)]
async fn commas() {
    emit!("tick");
}

fn main() {
    let _ = App::new().service(unknown_and_duplicate);
}
