use actix_web::{App, get, web};
use sse_actix::sse_stream;
use std::borrow::Cow;

#[get("/reference")]
#[sse_stream]
async fn reference(text: &str) -> () {
    emit!(text);
}

#[sse_stream]
async fn inside(query: web::Query<&str>) {
    emit!(*query);
}

#[sse_stream]
async fn lifetime<'a>(elided: Cow<'_, str>, named: Cow<'a, str>) {
    emit!(elided);
    emit!(named);
}

fn main() {
    let _ = App::new().service(reference).route("/inside", web::get().to(inside));
}
