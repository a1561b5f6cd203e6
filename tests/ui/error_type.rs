use actix_web::{App, get};
use sse_actix::sse_stream;

fn find() -> Result<(), String> {
    Err("gone".to_owned())
}

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> Result<(), String> {
    find()?;
    emit!("tick");
    Ok(())
}

fn main() {
    let _ = App::new().service(ticks);
}
