use actix_web::{App, HttpResponse, Responder, get};
use sse_actix::{Event, sse_stream};

#[get("/responder")]
#[sse_stream]
async fn responder() -> impl Responder {
    emit!("tick");
}

#[sse_stream]
async fn never() -> ! {
    loop {
        emit!("tick");
    }
}

#[sse_stream]
async fn response() -> HttpResponse {
    emit!("tick");
    HttpResponse::Ok().finish()
}

#[sse_stream]
async fn returned() -> Result<Event, actix_web::Error> {
    emit!("tick");
    Ok(Event::data("tick"))
}

fn main() {
    let _ = App::new().service(responder);
}
