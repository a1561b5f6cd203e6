use actix_web::{App, Error, get};
use sse_actix::{Event, sse_stream};

fn told(error: &Error) -> Event {
    Event::data(error.to_string()).event("failed")
}

fn consumed(error: Error) -> Event {
    told(&error)
}

#[sse_stream(plain, finite)]
async fn with_an_end() {
    emit!("tick");
}

#[sse_stream(resume, plain = true)]
async fn resumed() {
    emit!("tick");
}

#[sse_stream(plain = false, on_error = told)]
async fn for_browsers() {
    emit!("tick");
}

#[sse_stream(on_error = told)]
#[get("/ticks")]
async fn routed_for_browsers() {
    emit!("tick");
}

#[sse_stream(plain = "yes", on_error = "failed")]
async fn no_choice() {
    emit!("tick");
}

#[sse_stream(plain, on_error = consumed)]
async fn wrong_type() {
    emit!("tick");
}

fn main() {
    let _ = App::new().service(routed_for_browsers);
}
