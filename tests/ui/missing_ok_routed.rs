use actix_web::{App, Error, get};
use sse_actix::sse_stream;

#[get("/above")]
#[sse_stream]
async fn above() -> Result<(), Error> {
    emit!("tick");
}

#[sse_stream]
#[get("/below")]
async fn below() -> Result<(), Error> {
    emit!("tick");
}

fn main() {
    let _ = App::new().service(above).service(below);
}
