//! The servers: `memory/<topics>`, with 3,001 events in each topic, and `file/<path>`.

use std::{net::Ipv4Addr, time::Duration};

use actix_web::{App, error::ErrorNotFound, get, web};
use sse_actix::{Event, Hub, Server, Subscription, TopicName, TopicOptions};
use sse_actix_sqlite::SqliteLog;
use sse_bench::announce;

use crate::{Result, large};

/// How many events a client has missed.
pub(crate) const MISSED: usize = 3_000;

#[get("/events/{topic}")]
async fn events(hub: web::Data<Hub>, topic: web::Path<u32>) -> actix_web::Result<Subscription> {
    let name = name(*topic).map_err(ErrorNotFound)?;
    Ok(hub.subscribe(name).history(10))
}

/// The id of a topic's first event.
#[get("/first/{topic}")]
async fn first(ids: web::Data<Vec<String>>, topic: web::Path<u32>) -> Option<String> {
    ids.get(*topic as usize).cloned()
}

pub(crate) fn name(topic: u32) -> Result<TopicName> {
    Ok(TopicName::try_from(format!("topic {topic}"))?)
}

pub(crate) fn options() -> TopicOptions {
    large::options()
}

/// Publishes to so many topics. Returns the ids of their first events.
pub(crate) async fn fill(hub: &Hub, topics: u32) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for topic in 0..topics {
        let raw = hub.raw(name(topic)?);
        let publish = |number: usize| raw.publish(Event::data(format!("@{number:08}{}", ".".repeat(91))));
        ids.push(publish(0).await?.to_string());
        for begin in (1..=MISSED).step_by(100) {
            futures_util::future::try_join_all((begin..begin + 100).map(publish)).await?;
        }
    }
    Ok(ids)
}

pub(crate) fn serve(role: &str) -> Result<()> {
    let (kind, argument) = role.split_once('/').ok_or("no argument")?;
    let hub = Hub::builder().topics(options());
    let hub = match kind {
        "file" => hub.log(
            SqliteLog::builder(argument)
                .open_wait(Duration::from_secs(10))
                .open()?,
        ),
        _ => hub,
    };
    let hub = web::Data::new(hub.build()?);
    let system = actix_web::rt::System::new();
    let ids = match kind {
        "file" => Vec::new(),
        _ => system.block_on(fill(&hub, argument.parse()?))?,
    };
    let ids = web::Data::new(ids);
    let app = move || {
        let app = App::new().app_data(hub.clone()).app_data(ids.clone());
        app.service(events).service(first)
    };
    let server = Server::new(app).workers(1).bind((Ipv4Addr::LOCALHOST, 0))?;
    server.addrs().into_iter().for_each(announce);
    Ok(system.block_on(server.run())?)
}
