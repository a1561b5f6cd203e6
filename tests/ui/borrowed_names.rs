use actix_web::{App, Error, get, web};
use sse_actix::{Event, sse_stream};

#[get("/ticks/{name}")]
#[sse_stream]
async fn ticks(p: web::Path<String>) -> Result<(), Error> {
    emit!(Event::data("a").event(p.as_str()));
    emit!(Event::data("a").id(p.as_str()));
    let name = format!("tick-{p}");
    emit!(Event::data("a").event(&*name));
    Ok(())
}

fn main() {
    let _ = App::new().service(ticks);
}
