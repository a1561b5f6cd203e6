use sse_actix::sse_stream;

// Whether a call returns is known to the compiler alone.
#[sse_stream]
async fn ticks() -> Result<(), actix_web::Error> {
    emit!("tick");
    drop("tick");
}

#[sse_stream]
async fn early() -> Result<(), actix_web::Error> {
    emit!("tick");
    return;
}

fn main() {
    drop(ticks());
}
