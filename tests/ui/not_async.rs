use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
fn ticks() -> Result<(), actix_web::Error> {
    emit!("tick");
    Ok(())
}

fn main() {
    let _ = App::new().service(ticks);
}
