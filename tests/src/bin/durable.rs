//! A server whose log is in a file, or a publisher of many events, to be killed and restarted.
//!
//! `durable serve <file> <port>|inherit`: publishes to a topic and serves it; prints its address.
//!
//! `durable publish <file> <publishers> <full|normal|off> <topics>`: each publisher publishes one event after the other, for as
//! long as it lives. Prints the topic, the sequence and the data of each event that was acknowledged.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    time::{Duration, SystemTime},
};

use actix_web::{App, HttpResponse, Responder, get, post, web};
use sse_actix::{
    AppendError, Event, Hub, Log as _, PublishError, Record, Retention, Server, Subscription, TopicName,
    TopicOptions,
};
use sse_actix_sqlite::{SqliteLog, Synchronous};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing::subscriber::set_global_default(tracing_subscriber::registry())?;
    let mut arguments = env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(name);
    match argument("serve or publish")?.as_str() {
        "serve" => serve(&argument("no file")?, &argument("no port")?).await,
        "publish" => {
            let path = argument("no file")?;
            let publishers = argument("no publishers")?.parse()?;
            let synchronous = match argument("full, normal or off")?.as_str() {
                "full" => Synchronous::Full,
                "normal" => Synchronous::Normal,
                "off" => Synchronous::Off,
                other => return Err(format!("{other}: full, normal or off").into()),
            };
            let topics = argument("no topics")?.parse()?;
            publish_forever(&path, publishers, synchronous, topics).await
        }
        other => Err(format!("{other}: serve or publish").into()),
    }
}

/// Closes the file and opens it again now and then.
async fn publish_forever(
    path: &str,
    publishers: u32,
    synchronous: Synchronous,
    topics: u32,
) -> Result<(), Box<dyn Error>> {
    const EVENTS: u32 = 200;
    let run = std::process::id();
    let retention = Retention::new().max_events(10_000_000).max_bytes(1 << 32);
    for round in 0.. {
        let log = SqliteLog::builder(path)
            .synchronous(synchronous)
            .reserve_bytes(0)
            .open()?;
        let publishers = (0..publishers).map(|publisher| {
            let (log, retention) = (log.clone(), retention.clone());
            async move {
                for number in round * EVENTS..(round + 1) * EVENTS {
                    let topic = format!("t{}", (publisher + number) % topics);
                    let name = TopicName::try_from(topic.as_str())?;
                    let data = format!("{run}-{publisher}-{number}");
                    let record = Record::event(&Event::data(&data), None)?;
                    let appended = log.append(&name, record, &retention, SystemTime::now()).await?;
                    // One write, so that no line is cut in half.
                    let line = format!("{topic} {} {data}\n", appended.position.sequence);
                    io::stdout().write_all(line.as_bytes())?;
                }
                Ok::<_, Box<dyn Error>>(())
            }
        });
        futures_util::future::try_join_all(publishers).await?;
        log.close();
    }
    Ok(())
}

async fn serve(path: &str, port: &str) -> Result<(), Box<dyn Error>> {
    let log = SqliteLog::builder(path).reserve_bytes(1 << 20).open()?;
    let events = TopicOptions::log().max_events(1_000_000).max_bytes(64 << 20);
    let hub = web::Data::new(Hub::builder().log(log).topic("events", events).build()?);
    let server = Server::new(move || {
        App::new()
            .app_data(hub.clone())
            .service(subscribe)
            .service(publish)
            .service(slow)
            .service(delete)
            .service(ready)
    });
    let server = server.workers(1);
    let server = match port {
        "inherit" => server.inherit_or_bind(("127.0.0.1", 0))?,
        port => server.bind(("127.0.0.1", port.parse()?))?,
    };
    for addr in server.addrs() {
        println!("{addr}");
    }
    server.run().await?;
    Ok(())
}

#[get("/events")]
async fn subscribe(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("events").history(usize::MAX)
}

#[post("/publish")]
async fn publish(hub: web::Data<Hub>, data: String) -> HttpResponse {
    answer(hub.raw("events").publish(Event::data(data)).await)
}

/// A request that takes so many milliseconds before it publishes.
#[post("/slow/{millis}")]
async fn slow(hub: web::Data<Hub>, millis: web::Path<u64>, data: String) -> HttpResponse {
    actix_web::rt::time::sleep(Duration::from_millis(*millis)).await;
    answer(hub.raw("events").publish(Event::data(data)).await)
}

/// Deletes the topic.
#[post("/delete")]
async fn delete(hub: web::Data<Hub>) -> HttpResponse {
    match hub.delete_topic("events").await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

fn answer(published: Result<sse_actix::EventId, PublishError>) -> HttpResponse {
    match published {
        Ok(id) => HttpResponse::Ok().body(id.to_string()),
        Err(PublishError::Append(AppendError::Refused(cause))) => {
            HttpResponse::ServiceUnavailable().body(cause.to_string())
        }
        Err(error) => HttpResponse::GatewayTimeout().body(error.to_string()),
    }
}

/// Whether what is published now is taken.
#[get("/ready")]
async fn ready(hub: web::Data<Hub>) -> impl Responder {
    if hub.is_ready() && hub.stats().log.accepting {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::ServiceUnavailable().finish()
    }
}
