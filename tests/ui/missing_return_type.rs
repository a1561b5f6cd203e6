use actix_web::{App, Error, get};
use sse_actix::{Event, sse_stream};

fn find() -> Result<u8, Error> {
    Ok(1)
}

#[sse_stream]
async fn question() {
    emit!(Event::json(&find()?)?);
    std::mem::drop(1);
}

#[sse_stream]
#[get("/below")]
async fn below() {
    emit!("tick");
    Ok(())
}

#[get("/above")]
#[sse_stream]
async fn above() -> () {
    if find()? == 1 {
        emit!("tick");
    }
}

#[sse_stream]
async fn returned(fail: bool) {
    if fail {
        return Err(actix_web::error::ErrorNotFound("gone"));
    }
    emit!("tick");
}

fn main() {
    let _ = App::new().service(below).service(above);
    drop((question(), returned(true)));
}
