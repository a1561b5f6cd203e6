use actix_web::{App, Error, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> Result<(), Error> {
    println!("asked");
    Ok(())
}

#[sse_stream]
async fn empty() {}

// Not finished, and not known.
#[sse_stream]
async fn unfinished() {
    todo!();
}

macro_rules! beat {
    () => {
        emit!("beat")
    };
}

#[sse_stream]
async fn by_a_helper() {
    beat!();
}

fn main() {
    let _ = App::new().service(ticks);
    drop((empty(), unfinished(), by_a_helper()));
}
