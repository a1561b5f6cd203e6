use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    let n = 1;
    emit!("n = {}", n);
    emit!("n = {n} of {last}", last = n + 1);
}

fn main() {
    let _ = App::new().service(ticks);
}
