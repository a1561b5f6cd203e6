//! A server of one topic, for tests that measure a process or stop it.
//!
//! It serves HTTP/1.1 and HTTP/2 on a free port of 127.0.0.1 and prints the address. Clients that do not read
//! are given up after two seconds.

use std::{alloc::System, io, time::Duration};

use actix_web::{App, Error, HttpResponse, Responder, get, post, web};
use cap::Cap;
use serde::Deserialize;
use serde_json::json;
use sse_actix::{Event, Hub, KeepAlive, Server, Subscription, TopicOptions};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const PATIENCE: Duration = Duration::from_secs(2);

#[actix_web::main]
async fn main() -> io::Result<()> {
    let hub = Hub::builder()
        .topic("events", TopicOptions::log().max_bytes(1024 * 1024))
        .stall_timeout(PATIENCE)
        .build()?;
    let hub = web::Data::new(hub);
    let server = Server::new(move || {
        App::new()
            .app_data(hub.clone())
            .service(events)
            .service(publish)
            .service(figures)
    });
    let server = server
        .workers(1)
        .send_buffer(16 * 1024)
        .user_timeout(PATIENCE)
        .bind_auto_h2c(("127.0.0.1", 0))?;
    for addr in server.addrs() {
        println!("{addr}");
    }
    server.run().await
}

#[get("/events")]
async fn events(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("events")
        .keep_alive(KeepAlive::comment(Duration::from_secs(60)))
}

#[derive(Deserialize)]
struct Batch {
    events: usize,
    size: usize,
}

/// Publishes so many events of this size, and says the id of the last.
#[post("/publish")]
async fn publish(hub: web::Data<Hub>, batch: web::Query<Batch>) -> Result<impl Responder, Error> {
    let topic = hub.raw("events");
    let mut last = String::new();
    for _ in 0..batch.events {
        let id = topic.publish(Event::data("x".repeat(batch.size))).await?;
        id.as_str().clone_into(&mut last);
    }
    Ok(HttpResponse::Ok().body(last))
}

#[get("/figures")]
async fn figures(hub: web::Data<Hub>) -> impl Responder {
    let stats = hub.stats();
    let subscribers = stats.topic("events").map_or(0, |topic| topic.subscribers);
    web::Json(json!({
        "streams": stats.streams,
        "subscribers": subscribers,
        "stalled": stats.evictions.stalled,
        "heap": HEAP.allocated(),
    }))
}
