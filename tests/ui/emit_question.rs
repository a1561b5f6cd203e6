use actix_web::{App, Error, get};
use sse_actix::sse_stream;

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> Result<(), Error> {
    open!()?;
    loop {
        emit!("tick")?;
        tokio::select! {
            () = std::future::ready(()) => emit!("tock")?,
        }
    }
}

#[sse_stream]
async fn waiting() {
    emit!("tick").await;
    open!().await;
}

fn main() {
    let _ = App::new().service(ticks);
    drop(waiting());
}
