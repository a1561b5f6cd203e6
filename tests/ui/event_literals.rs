use actix_web::{App, Error, get};
use sse_actix::{Event, EventId, EventName, sse_stream};

#[get("/ticks")]
#[sse_stream]
async fn ticks() -> Result<(), Error> {
    emit!(Event::data("a").event("two\nlines"));
    emit!(Event::json(&1)?.event("error").id("a\nb"));
    emit!(Event::data("a").event(""));
    emit!(Event::data("a").id("sse-end").event("sse-end"));
    tokio::select! {
        () = std::future::ready(()) => emit!(Event::data("a").id(" a")),
    }
    let event = Event::data("a").event("open");
    emit!(event);
    let (name, id) = (EventName::from_static("nul\0"), EventId::from_static("a\u{1}"));
    emit!(Event::data("a").event(name).id(id));
    Ok(())
}

fn main() {
    let _ = App::new().service(ticks);
}
