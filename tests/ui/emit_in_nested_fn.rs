use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    async fn inner() {
        emit!("tick");
    }
    inner().await;
}

fn main() {
    let _ = App::new().service(ticks);
}
