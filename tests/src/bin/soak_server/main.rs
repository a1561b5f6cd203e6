//! The server of the soak test: one hub behind three servers, and every option there is, as the request asks for it.
//!
//! It prints the address of the first server. `/site` tells the others, and the certificate of the one over TLS.
#![allow(clippy::unused_async, reason = "handlers are async")]

mod emitted;
mod figures;
mod subscribed;

use std::{
    alloc::System,
    io,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix_web::{
    App, Error, HttpResponse, HttpServer, Responder, get,
    middleware::Compress,
    post, rt,
    web::{self, Data, Query},
};
use cap::Cap;
use serde::Deserialize;
use serde_json::json;
use sse_actix::{
    CrossOrigin, Event, EventName, Hub, MemoryLog, OnGap, Server, Shutdown, TopicName, TopicOptions,
    for_streams,
};
use sse_tests::certified::certified;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const FREE: (&str, u16) = ("127.0.0.1", 0);

/// How long a client may be silent or not read.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the handlers share.
struct Site {
    hub: Hub,
    shutdown: Shutdown,
    certificate: Vec<u8>,
    /// Of the servers over TLS, and of actix.
    others: OnceLock<[SocketAddr; 2]>,
    /// Events that the rest of the program has got of the numbered topic.
    followed: Arc<AtomicU64>,
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let (tls, certificate) = certified(["localhost"]);
    let site = Data::new(Site {
        hub: hub()?,
        shutdown: Shutdown::new(),
        certificate: certificate.to_vec(),
        others: OnceLock::new(),
        followed: Arc::default(),
    });
    rt::spawn(follow(site.hub.clone(), Arc::clone(&site.followed)));
    let shared = site.clone();
    let app = move || {
        // A literal.
        let cross_origin =
            CrossOrigin::allow(["https://page.test"]).unwrap_or_else(|_| CrossOrigin::nobody());
        App::new()
            .app_data(shared.clone())
            .wrap(Compress::default())
            .wrap(cross_origin)
            .service(subscribed::stream)
            .service(emitted::forwarded)
            .service(emitted::sent)
            .service(emitted::failing)
            .service(emitted::finite)
            .service(publish)
            .service(number)
            .service(revoke)
            .service(describe)
            .service(figures::figures)
    };
    let direct = Server::new(app.clone())
        .shut_down_by(&site.shutdown)
        .workers(2)
        .send_buffer(16 * 1024)
        .user_timeout(PATIENCE)
        .client_request_timeout(PATIENCE)
        .bind_auto_h2c(FREE)?;
    let over_tls = Server::new(app.clone())
        .shut_down_by(&site.shutdown)
        .workers(1)
        .h1_allow_half_closed(false)
        .user_timeout(PATIENCE)
        .client_request_timeout(PATIENCE)
        .tls_handshake_timeout(PATIENCE)
        .bind_rustls_0_23(FREE, tls)?;
    let actix = HttpServer::new(app).workers(1).client_request_timeout(PATIENCE);
    let actix = for_streams(actix, &site.shutdown).bind_auto_h2c(FREE)?;

    let first = |addrs: Vec<SocketAddr>| addrs.first().copied().ok_or(io::ErrorKind::AddrNotAvailable);
    let others = [first(over_tls.addrs())?, first(actix.addrs())?];
    // Nobody else sets it.
    let _ = site.others.set(others);
    println!("{}", first(direct.addrs())?);
    let (direct, over_tls, actix) = tokio::join!(direct.run(), over_tls.run(), actix.run());
    direct.and(over_tls).and(actix)
}

fn hub() -> io::Result<Hub> {
    let few = || TopicOptions::log().max_events(20);
    let limit = NonZeroU32::new(60).ok_or(io::ErrorKind::InvalidInput)?;
    let hub = Hub::builder()
        .log(
            MemoryLog::builder()
                .max_topics(2_000)
                .max_bytes(32 * 1024 * 1024)
                .build(),
        )
        .topic("numbers", TopicOptions::log().max_events(1_000))
        .topic("large", TopicOptions::log().max_bytes(1024 * 1024))
        .topics_with_prefix("log:", few().event("entry"))
        .topics_with_prefix("latest:", TopicOptions::latest().max_events(20))
        .topics_with_prefix("transient:", TopicOptions::transient().max_events(20))
        .topics_with_prefix("short:", few().max_events(3).on_gap(OnGap::End).gap_event("lost"))
        .topics_with_prefix("quiet:", few().positions(false).max_age(PATIENCE))
        .topics_with_prefix("told:", few().position_event("at"))
        .max_age(Duration::from_secs(3_600))
        .stall_timeout(PATIENCE / 2)
        .max_streams(2_000)
        .max_streams_per_tag(2)
        .max_streams_per_address(3)
        .max_connects_per_minute(limit)
        .trusted_proxy("127.9.0.0/16")
        .overload_retry(Duration::from_millis(200)..=Duration::from_secs(1))
        .metrics_topics("log:*")
        .build()?;
    Ok(hub)
}

async fn follow(hub: Hub, count: Arc<AtomicU64>) {
    use futures_util::StreamExt as _;

    let mut events = hub.follow("numbers");
    while events.next().await.is_some() {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// An event of a topic that need not be there yet.
#[derive(Deserialize)]
struct Published {
    topic: String,
    size: usize,
    key: Option<String>,
    name: Option<String>,
}

#[post("/publish")]
async fn publish(site: Data<Site>, published: Query<Published>) -> Result<impl Responder, Error> {
    let topic = site.hub.raw(TopicName::try_from(published.topic.as_str())?);
    let mut event = Event::data("x".repeat(published.size));
    if let Some(name) = &published.name {
        event = event.event(EventName::try_from(name.as_str())?);
    }
    let id = match &published.key {
        Some(key) => topic.publish_keyed(key, event).await?,
        None => topic.publish(event).await?,
    };
    Ok(HttpResponse::Ok().body(id.as_str().to_owned()))
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

/// Publishes a number, with the time.
#[post("/number")]
async fn number(site: Data<Site>, number: Query<Number>) -> Result<impl Responder, Error> {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = at.unwrap_or_default().as_micros();
    let number = json!({ "number": number.number, "at": u64::try_from(at).unwrap_or_default() });
    site.hub.topic("numbers").publish(&number).await?;
    Ok(HttpResponse::Ok())
}

#[derive(Deserialize)]
struct Tag {
    tag: String,
}

/// Ends all streams of a tag, and says how many.
#[post("/revoke")]
async fn revoke(site: Data<Site>, tag: Query<Tag>) -> impl Responder {
    web::Json(json!({ "ended": site.hub.revoke(&tag.tag) }))
}

/// Where the other servers are.
#[get("/site")]
async fn describe(site: Data<Site>) -> impl Responder {
    web::Json(json!({ "others": site.others.get(), "certificate": site.certificate }))
}
