//! A server of a few topics, for tests that measure a process or stop it.
//!
//! It serves HTTP/1.1 and HTTP/2 on a free port of 127.0.0.1 and prints the address. Clients that do not read
//! are given up after two seconds, or as many as the first argument says; by the kernel, as many as the second one says.

use std::{alloc::System, env, io, time::Duration};

use actix_web::{App, Error, HttpRequest, HttpResponse, Responder, get, post, route, web};
use cap::Cap;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use sse_actix::{Event, Hub, KeepAlive, Server, Subscription, TopicName, TopicOptions, sse_stream};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// What a topic may keep whose events are large.
const LARGE: usize = 16 * 1024 * 1024;

#[actix_web::main]
async fn main() -> io::Result<()> {
    let seconds = |nth| env::args().nth(nth).and_then(|seconds| seconds.parse().ok());
    let patience = Duration::from_secs(seconds(1).unwrap_or(2));
    let patience_of_kernel = seconds(2).map_or(patience, Duration::from_secs);
    let hub = Hub::builder()
        .topic("events", TopicOptions::log().max_bytes(1024 * 1024))
        .topic("large", TopicOptions::log().max_bytes(LARGE))
        .topic("transient", TopicOptions::transient().max_bytes(LARGE))
        .stall_timeout(patience)
        .build()?;
    let hub = web::Data::new(hub);
    let server = Server::new(move || {
        App::new()
            .app_data(hub.clone())
            .service(events)
            .service(large)
            .service(transient)
            .service(two)
            .service(emitted)
            .service(emitted_two)
            .service(publish)
            .service(figures)
    });
    let server = server
        .workers(1)
        .send_buffer(16 * 1024)
        .user_timeout(patience_of_kernel)
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

/// By GET its connection is handed over, by POST it is not.
#[route("/large", method = "GET", method = "POST")]
async fn large(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("large")
}

#[get("/transient")]
async fn transient(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("transient")
}

#[get("/two")]
async fn two(hub: web::Data<Hub>) -> Result<Subscription, Error> {
    Ok(hub.subscribe("events").and(hub.subscribe("large"))?)
}

#[get("/emitted")]
#[sse_stream]
async fn emitted(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
    let mut subscription = hub.subscribe("large").on(&request);
    open!();
    while let Some(frame) = subscription.next().await {
        emit!(frame?);
    }
    Ok(())
}

#[get("/emitted_two")]
#[sse_stream]
async fn emitted_two(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
    let both = hub.subscribe("events").and(hub.subscribe("large"))?;
    let mut subscription = both.on(&request);
    open!();
    while let Some(frame) = subscription.next().await {
        emit!(frame?);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Batch {
    topic: String,
    events: usize,
    size: usize,
}

/// Publishes so many events of this size, and says the id of the last.
#[post("/publish")]
async fn publish(hub: web::Data<Hub>, batch: web::Query<Batch>) -> Result<impl Responder, Error> {
    let topic = hub.raw(TopicName::try_from(batch.topic.as_str())?);
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
        "handed_over": stats.handed_over,
        "subscribers": subscribers,
        "stalled": stats.evictions.stalled,
        "heap": HEAP.allocated(),
    }))
}
