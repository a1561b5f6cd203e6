use actix_web::{App, get};
use sse_actix::{Json, sse_stream};
use std::time::Duration;
use tokio::sync::mpsc;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> Result<(), actix_web::Error> {
    for n in 0..3 {
        emit!(Json(n));
    }
}

#[sse_stream]
async fn received() -> Result<(), actix_web::Error> {
    let (_tx, mut rx) = mpsc::channel::<String>(1);
    loop {
        match rx.recv().await {
            Some(text) => emit!(text),
            None => break,
        }
    }
}

#[sse_stream]
async fn waiting() -> Result<(), actix_web::Error> {
    emit!("tick");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[sse_stream]
async fn semicolon() -> Result<(), actix_web::Error> {
    emit!("tick");
    Ok(());
}

fn main() {
    let _ = App::new().service(ticks);
}
