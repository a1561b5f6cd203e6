use actix_web::{App, get};
use sse_actix::{Emitter, sse_stream};

async fn helper(emitter: Emitter<'_>) {
    emitter.emit("tick").await;
}

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    actix_web::rt::spawn(helper(emitter!()));
    actix_web::rt::spawn(async { helper(emitter!()).await });
    async fn inner() {
        helper(emitter!()).await;
    }
    inner().await;
}

fn main() {
    let _ = App::new().service(ticks);
}
