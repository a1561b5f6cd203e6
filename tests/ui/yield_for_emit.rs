use actix_web::{App, get};
use sse_actix::{Event, sse_stream};

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    yield Event::data("tick");
}

fn main() {
    let _ = App::new().service(ticks);
}
