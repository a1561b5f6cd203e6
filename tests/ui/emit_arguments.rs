use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    emit!();
    emit!("tick", 1);
    open!(1, 2);
}

fn main() {
    let _ = App::new().service(ticks);
}
