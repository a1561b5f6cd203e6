use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    ["a", "b"].into_iter().for_each(|text| emit!(text));
}

fn main() {
    let _ = App::new().service(ticks);
}
