//! A server that publishes what it is sent once, whatever becomes of the answer: `orders memory|redis://..|<file> <port>`; prints
//! its address.

use std::{env, error::Error};

use actix_web::{App, HttpRequest, HttpResponse, get, post, web};
use serde_json::json;
use sse_actix::{
    AppendError, Hub, HubBuilder, IdempotencyKey, IdempotencyKeyError, PublishError, Server, Subscription,
    TopicOptions,
};
use sse_actix_redis::RedisLog;
use sse_actix_sqlite::SqliteLog;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(name);
    let (log, port) = (argument("no log")?, argument("no port")?);
    let orders = TopicOptions::log().max_events(1_000_000).max_bytes(256 << 20);
    let hub = web::Data::new(
        with_log(Hub::builder(), &log)
            .await?
            .topic("orders", orders)
            .build()?,
    );
    let server = Server::new(move || {
        App::new()
            .app_data(hub.clone())
            .service(subscribe)
            .service(publish)
    });
    let server = server.workers(2).bind(("127.0.0.1", port.parse()?))?;
    for addr in server.addrs() {
        println!("{addr}");
    }
    server.run().await?;
    Ok(())
}

async fn with_log(builder: HubBuilder, log: &str) -> Result<HubBuilder, Box<dyn Error>> {
    match log {
        "memory" => Ok(builder),
        redis if redis.starts_with("redis://") => Ok(builder.log(RedisLog::connect(redis).await?)),
        file => Ok(builder.log(SqliteLog::builder(file).reserve_bytes(0).open()?)),
    }
}

#[get("/orders")]
async fn subscribe(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("orders").history(usize::MAX)
}

#[post("/orders")]
async fn publish(
    request: HttpRequest,
    hub: web::Data<Hub>,
    order: String,
) -> Result<HttpResponse, IdempotencyKeyError> {
    let key = request.headers().get("Idempotency-Key");
    let key = IdempotencyKey::try_from(key.and_then(|key| key.to_str().ok()).unwrap_or_default())?;
    let published = hub.topic("orders").once(&key).publish(&order).await;
    Ok(match published {
        Ok(published) => {
            let answer = json!({ "id": published.id.as_str(), "repeated": published.repeated });
            HttpResponse::Ok().json(answer)
        }
        Err(PublishError::Append(AppendError::Refused(_))) => HttpResponse::ServiceUnavailable().finish(),
        Err(_) => HttpResponse::GatewayTimeout().finish(),
    })
}
