use actix_web::{App, get, post};
use sse_actix::{Event, EventId, sse_stream};

struct EventName;

impl EventName {
    fn not_for_browsers(_: &str) -> sse_actix::EventName {
        sse_actix::EventName::from_static("a stand-in")
    }
}

struct Ids;
use Ids as EventIds;

impl Ids {
    fn not_for_browsers(_: &str) -> EventId {
        EventId::from_static("a stand-in")
    }
}

#[sse_stream]
#[get("/get")]
async fn of_get() {
    emit!(Event::data("a").event(EventName::not_for_browsers("error")));
}

#[sse_stream(plain = false)]
async fn told_to_be() {
    emit!(Event::data("a").event(EventName::not_for_browsers("error")));
}

#[sse_stream]
#[post("/post")]
async fn of_post() {
    emit!(Event::data("a").event(EventName::not_for_browsers("error")));
    emit!(Event::data("a").id(EventIds::not_for_browsers("a ")));
}

#[sse_stream(plain)]
#[get("/plain")]
async fn plain() {
    emit!(Event::data("a").event(EventName::not_for_browsers("error")));
}

fn main() {
    let _ = App::new().service(of_get).service(of_post).service(plain);
    drop(told_to_be());
}
