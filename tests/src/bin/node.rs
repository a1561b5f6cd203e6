//! One node of several on one Redis, or one with a log in memory: publishes to a topic, and serves it.
//!
//! `node <address of Redis>|memory <port> [<milliseconds that Redis may take>]`; prints its address.

use std::{env, error::Error, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, Responder, get, http::header, post, web};
use serde::Deserialize;
use sse_actix::{AppendError, Event, Hub, KeepAlive, PublishError, Server, Subscription, TopicOptions};
use sse_actix_redis::RedisLog;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(name);
    let (url, port) = (argument("no address of Redis")?, argument("no port")?);
    let patience = argument("").unwrap_or_else(|_| "500".to_owned()).parse()?;
    let builder = Hub::builder();
    let builder = match url.as_str() {
        "memory" => builder,
        url => builder.log(connect(url, patience).await),
    };
    let events = TopicOptions::log().max_events(1_000_000).max_bytes(64 << 20);
    let hub = web::Data::new(builder.topic("events", events).build()?);
    let server = Server::new(move || {
        App::new()
            .app_data(hub.clone())
            .service(subscribe)
            .service(publish)
            .service(revoke)
            .service(present)
            .service(streams)
            .service(slow)
            .service(ready)
    });
    let server = server.workers(1).bind(("127.0.0.1", port.parse()?))?;
    for addr in server.addrs() {
        println!("{addr}");
    }
    server.run().await?;
    Ok(())
}

async fn connect(url: &str, patience: u64) -> RedisLog {
    let log = RedisLog::builder(url).response_timeout(Duration::from_millis(patience));
    // Redis may be away just now.
    loop {
        match log.clone().connect().await {
            Ok(log) => return log,
            Err(error) => eprintln!("{error}"),
        }
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
}

#[derive(Deserialize)]
struct Who {
    user: Option<String>,
}

#[get("/events")]
async fn subscribe(request: HttpRequest, hub: web::Data<Hub>, who: web::Query<Who>) -> Subscription {
    if let Some(user) = &who.user {
        hub.admit(&request, user.as_str());
    }
    if let Some(cookie) = request.headers().get(header::COOKIE) {
        hub.admit(&request, String::from_utf8_lossy(cookie.as_bytes()));
    }
    let events = hub.subscribe("events").history(usize::MAX);
    events.keep_alive(KeepAlive::comment(Duration::from_millis(500)))
}

#[post("/publish")]
async fn publish(hub: web::Data<Hub>, data: String) -> HttpResponse {
    match hub.raw("events").publish(Event::data(data)).await {
        Ok(id) => HttpResponse::Ok().body(id.to_string()),
        Err(PublishError::Append(AppendError::Refused(_))) => HttpResponse::ServiceUnavailable().finish(),
        Err(_) => HttpResponse::GatewayTimeout().finish(),
    }
}

#[post("/revoke")]
async fn revoke(hub: web::Data<Hub>, tag: String) -> impl Responder {
    hub.revoke(&tag).to_string()
}

#[get("/present")]
async fn present(hub: web::Data<Hub>) -> impl Responder {
    hub.presence("events").tags().join(" ")
}

/// How many there are of this node alone.
#[get("/streams")]
async fn streams(hub: web::Data<Hub>) -> impl Responder {
    hub.stats().streams.to_string()
}

/// By how many events the slowest reader is behind, and how many were given up for it.
#[get("/slow")]
async fn slow(hub: web::Data<Hub>) -> impl Responder {
    let stats = hub.stats();
    let lag = stats.topic("events").map_or(0, |topic| topic.lag);
    format!("{lag} {}", stats.evictions.stalled)
}

#[get("/ready")]
async fn ready(hub: web::Data<Hub>) -> HttpResponse {
    if hub.is_ready() {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::ServiceUnavailable().finish()
    }
}
