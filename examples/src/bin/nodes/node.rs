//! One of the nodes, in a process of its own: takes numbers, and streams those of all nodes.

use std::{error::Error, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, Responder, get, post,
    web::{Data, Json},
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sse_actix::{AppendError, CrossOrigin, Event, Hub, PublishError, Server, TopicOptions, sse_stream};
use sse_actix_redis::{ConnectError, RedisLog};

use crate::role::end_with_the_leader;

pub(crate) struct Settings {
    pub(crate) number: usize,
    /// With what the keys in Redis begin.
    pub(crate) prefix: String,
    pub(crate) redis: String,
}

/// What is published: each node's numbers count up on their own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) node: usize,
    pub(crate) n: u64,
}

/// What a node says of itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Health {
    /// Whether it reaches Redis.
    pub(crate) ready: bool,
    pub(crate) streams: usize,
}

const TOPIC: &str = "numbers";

/// Serves as long as the leader lives, and prints the address once it does.
#[actix_web::main]
pub(crate) async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    end_with_the_leader();
    // An hour of what three nodes publish, so that a page which is opened late can check from the start.
    let numbers = TopicOptions::log().max_events(100_000);
    let log = log(&settings).await?;
    let hub = Data::new(Hub::builder().log(log).topic(TOPIC, numbers).build()?);
    let settings = Data::new(settings);
    let server = Server::new(move || {
        App::new()
            // A page of another site could find the port.
            .wrap(CrossOrigin::nobody())
            .app_data(hub.clone())
            .app_data(settings.clone())
            .service(events)
            .service(publish)
            .service(health)
    });
    let server = server.workers(1).bind(("127.0.0.1", 0))?;
    for addr in server.addrs() {
        println!("{addr}");
    }
    Ok(server.run().await?)
}

/// The log on Redis, which may be away just now.
async fn log(settings: &Settings) -> Result<RedisLog, ConnectError> {
    let log = RedisLog::builder(&settings.redis)
        .prefix(&settings.prefix)
        // Nobody reads the topics of a run that is over.
        .topic_ttl(Duration::from_secs(3_600))
        .connect_timeout(Duration::from_secs(1))
        .response_timeout(Duration::from_secs(1));
    loop {
        match log.clone().connect().await {
            Err(ConnectError::Unreachable { .. }) => {
                actix_web::rt::time::sleep(Duration::from_millis(100)).await;
            }
            done => return done,
        }
    }
}

/// First which node this is, then the numbers, after the last that the browser has seen, whichever node it had
/// that from.
#[get("/events")]
#[sse_stream(retry = "500ms", keep_alive = "5s")]
async fn events(
    request: HttpRequest,
    hub: Data<Hub>,
    settings: Data<Settings>,
) -> Result<(), actix_web::Error> {
    let me = json!({ "number": settings.number, "pid": std::process::id() });
    // It has no id, so that the browser keeps the one it has.
    emit!(Event::data(me.to_string()).event("node"));
    let mut numbers = hub.subscribe(TOPIC).history(usize::MAX).on(&request);
    while let Some(number) = numbers.next().await {
        emit!(number?);
    }
    Ok(())
}

/// Publishes a number, and says how that went: 200 if it is in Redis, 503 if it certainly is not, 504 if nobody
/// knows.
#[post("/numbers")]
async fn publish(hub: Data<Hub>, number: Json<Number>) -> HttpResponse {
    match hub.topic(TOPIC).publish(&*number).await {
        Ok(_) => HttpResponse::Ok().finish(),
        Err(PublishError::Append(AppendError::Refused(_))) => HttpResponse::ServiceUnavailable().finish(),
        Err(_) => HttpResponse::GatewayTimeout().finish(),
    }
}

#[get("/health")]
async fn health(hub: Data<Hub>) -> impl Responder {
    Json(Health {
        ready: hub.is_ready(),
        streams: hub.stats().streams,
    })
}
