//! One node. It sends the body of a `POST /publish` to every reader of `/events`.

use std::{io, net::Ipv4Addr};

use actix_web::{App, get, post, web};
use sse_actix::{Event, Hub, PublishError, Subscription, TopicOptions};
use sse_actix_redis::RedisLog;
use sse_bench::{Server, announce};

use crate::redis::Redis;

const MEMORY: &str = "memory";

/// A node whose log is in its memory.
pub(crate) fn in_memory() -> io::Result<Server> {
    Server::start(MEMORY)
}

/// A node whose log is on this Redis.
pub(crate) fn on(redis: &Redis) -> io::Result<Server> {
    Server::start(&redis.url())
}

#[get("/events")]
async fn events(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("bench")
}

#[post("/publish")]
async fn publish(hub: web::Data<Hub>, body: String) -> Result<String, PublishError> {
    let id = hub.raw("bench").publish(Event::data(body)).await?;
    Ok(id.to_string())
}

/// Runs a node. `log` says where its log is.
pub(crate) fn serve(log: &str) -> io::Result<()> {
    let topic = TopicOptions::log().max_events(100_000).max_bytes(256 << 20);
    actix_web::rt::System::new().block_on(async {
        let mut hub = Hub::builder().topic("bench", topic);
        if log != MEMORY {
            hub = hub.log(RedisLog::connect(log).await.map_err(io::Error::other)?);
        }
        let hub = web::Data::new(hub.build()?);
        let app = move || App::new().app_data(hub.clone()).service(events).service(publish);
        let server = sse_actix::Server::new(app)
            .workers(1)
            .bind((Ipv4Addr::LOCALHOST, 0))?;
        server.addrs().into_iter().for_each(announce);
        server.run().await
    })
}
