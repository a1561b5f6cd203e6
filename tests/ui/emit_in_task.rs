use actix_web::{App, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> () {
    tokio::spawn(async move { emit!("tokio") });
    actix_web::rt::spawn(async move {
        loop {
            emit!("actix");
        }
    });
    tokio::select! {
        _ = tokio::task::spawn_local(async { emit!("local") }) => {}
    }
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn_local(async move { emit!("set") });
}

fn main() {
    let _ = App::new().service(ticks);
}
