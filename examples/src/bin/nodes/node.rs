//! One of the nodes, in its own process. It publishes numbers, and streams the numbers of all nodes.

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
    /// The prefix of the keys in Redis.
    pub(crate) prefix: String,
    pub(crate) redis: String,
}

/// A number that a node publishes. Each node counts by itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) node: usize,
    pub(crate) n: u64,
}

/// The health of a node, as the node reports it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Health {
    /// Whether it reaches Redis.
    pub(crate) ready: bool,
    pub(crate) streams: usize,
}

const TOPIC: &str = "numbers";

/// Serves as long as the leader runs. Prints the address once it serves.
#[actix_web::main]
pub(crate) async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    end_with_the_leader();
    // The topic keeps the numbers of three nodes for an hour, so a page that is opened late can check from the start.
    let numbers = TopicOptions::log().max_events(100_000);
    let log = log(&settings).await?;
    let hub = Data::new(Hub::builder().log(log).topic(TOPIC, numbers).build()?);
    let settings = Data::new(settings);
    let server = Server::new(move || {
        App::new()
            // A page of another site could find this port, so such requests are refused.
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

/// Connects to the log on Redis. Tries again while Redis is away.
async fn log(settings: &Settings) -> Result<RedisLog, ConnectError> {
    let log = RedisLog::builder(&settings.redis)
        .prefix(&settings.prefix)
        // When a run is over, nobody reads its topics any more, so they may expire soon.
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

/// The stream: first an event that says which node this is, then the numbers after the last one that the browser has
/// received, from whichever node.
#[get("/events")]
#[sse_stream(retry = "500ms", keep_alive = "5s")]
async fn events(
    request: HttpRequest,
    hub: Data<Hub>,
    settings: Data<Settings>,
) -> Result<(), actix_web::Error> {
    let me = json!({ "number": settings.number, "pid": std::process::id() });
    // This event has no id, so the browser keeps its last event id.
    emit!(Event::data(me.to_string()).event("node"));
    let mut numbers = hub.subscribe(TOPIC).history(usize::MAX).on(&request);
    while let Some(number) = numbers.next().await {
        emit!(number?);
    }
    Ok(())
}

/// Publishes a number. Answers 200 if the number is in Redis, 503 if it certainly is not, and 504 if the outcome is
/// unknown.
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
