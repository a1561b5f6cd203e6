use actix_web::{App, get};
use serde::Serialize;
use sse_actix::sse_stream;

#[derive(Serialize)]
struct Tick {
    n: u8,
}

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    emit!(Tick { n: 1 });
}

#[sse_stream]
async fn numbers() {
    for n in 0..3 {
        emit!(n);
    }
}

fn main() {
    let _ = App::new().service(ticks);
    drop(numbers());
}
