//! The memory of an idle connection: resident memory and live heap, for our streams and for a bare streaming body of
//! actix. `cargo run --release -p sse-bench --bin idle [rounds]`
//!
//! Each server is a separate process, and a new one in each round. It runs on Linux only, and needs a file descriptor
//! for each connection (`ulimit -n`).

use std::{
    alloc::System, convert::Infallible, error::Error, future::pending, io, net::Ipv4Addr, thread,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer, get, routes,
    web::{Bytes, Data},
};
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use sse_actix::{Hub, Sse, Subscription, sse_stream};
use sse_bench::{Connection, Samples, Server, announce, number, role, rounds};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: u32 = 10_000;

/// These connections are opened before the first measurement, so that the server has made its own allocations.
const EARLIER_CONNECTIONS: u32 = 200;

/// The pause before a measurement: long enough for the server to finish its work for new connections, and much shorter
/// than the time until the first keep-alive.
const SETTLE: Duration = Duration::from_millis(500);

/// The name of each server, which is also its path, and its name in the table. All servers have the same settings, as
/// far as actix has them.
const SERVERS: [(&str, &str); 5] = [
    ("bare", "`HttpResponse::streaming`, actix's `HttpServer`"),
    ("bare-preset", "`HttpResponse::streaming`, our `Server`"),
    ("macro", "`#[sse_stream]`, our `Server`"),
    ("stream", "`Sse`, our `Server`"),
    ("hub", "`Subscription`, our `Server`"),
];

/// Each stream sends one event, and then nothing.
const FIRST: &str = "retry: 3000\ndata: hello\n\n";
/// A subscription has no event: its topic is empty. It sends its position.
const FIRST_OF_HUB: &[u8] = b"retry: 3000\nevent: sse-position\nid: ";

#[routes]
#[get("/bare")]
#[get("/bare-preset")]
async fn bare() -> HttpResponse {
    let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(FIRST.as_bytes())) });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(first.chain(stream::pending()))
}

#[get("/macro")]
#[sse_stream]
async fn emitting() -> Result<(), actix_web::Error> {
    emit!("hello");
    pending().await
}

#[get("/stream")]
async fn streaming() -> Sse<impl Stream<Item = &'static str>> {
    Sse::new(stream::once(async { "hello" }).chain(stream::pending()))
}

#[get("/hub")]
async fn subscribing(hub: Data<Hub>) -> Subscription {
    hub.subscribe("idle")
}

/// The bytes that this process has allocated and not freed.
#[get("/heap")]
async fn heap() -> HttpResponse {
    let stats = ALLOCATOR.stats();
    let live = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    let live = stream::once(async move { Ok::<_, Infallible>(Bytes::from(live.to_string())) });
    HttpResponse::Ok().streaming(live.chain(stream::pending()))
}

/// The memory of one server per connection, in bytes.
struct Cost {
    resident: f64,
    heap: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(server) = role() {
        return Ok(serve(&server)?);
    }
    let rounds = rounds(5)?;
    let costs = Samples::interleave(SERVERS.len(), rounds, |server| match SERVERS.get(server) {
        Some((path, _)) => measure(path),
        None => Err(io::ErrorKind::NotFound.into()),
    })?;
    println!(
        "| {CONNECTIONS} connections, {rounds} rounds, medians | resident, bytes each | of the bare body | live heap, bytes each |"
    );
    println!("|---|--:|--:|--:|");
    for (server, (_, name)) in SERVERS.iter().enumerate() {
        println!(
            "| {name} | {:.0} | {:.3}x | {:.0} |",
            costs.median(server, |cost| cost.resident),
            costs.compared(server, 0, |cost| cost.resident, |ours, theirs| ours / theirs),
            costs.median(server, |cost| cost.heap),
        );
    }
    Ok(())
}

fn serve(server: &str) -> io::Result<()> {
    let hub = Data::new(Hub::new()?);
    let app = move || {
        App::new()
            .app_data(hub.clone())
            .service(subscribing)
            .service(bare)
            .service(emitting)
            .service(streaming)
            .service(heap)
    };
    let local = (Ipv4Addr::LOCALHOST, 0);
    let system = actix_web::rt::System::new();
    if server == "bare" {
        let server = HttpServer::new(app)
            .workers(1)
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .bind(local)?;
        server.addrs().into_iter().for_each(announce);
        return system.block_on(server.run());
    }
    let server = sse_actix::Server::new(app).workers(1).bind(local)?;
    server.addrs().into_iter().for_each(announce);
    system.block_on(server.run())
}

fn measure(path: &str) -> io::Result<Cost> {
    let server = Server::start(path)?;
    let mut held = Vec::new();
    let mut open = |connections| {
        for _ in 0..connections {
            let mut connection = Connection::get(server.addr(), &format!("/{path}"), 512)?;
            connection.read(|bytes| match path {
                "hub" => assert!(bytes.starts_with(FIRST_OF_HUB) && bytes.ends_with(b"data: {}\n\n")),
                _ => assert_eq!(bytes, FIRST.as_bytes(), "what `{path}` sends first"),
            })?;
            held.push(connection);
        }
        thread::sleep(SETTLE);
        Ok::<_, io::Error>((server.resident()?, live_heap(&server)?))
    };
    let before = open(EARLIER_CONNECTIONS)?;
    let after = open(CONNECTIONS)?;
    let each = |before: f64, after: f64| (after - before) / f64::from(CONNECTIONS);
    Ok(Cost {
        resident: each(before.0, after.0),
        heap: each(before.1, after.1),
    })
}

fn live_heap(server: &Server) -> io::Result<f64> {
    let mut text = String::new();
    Connection::get(server.addr(), "/heap", 512)?
        .read(|bytes| text = String::from_utf8_lossy(bytes).into_owned())?;
    text.parse().map(number).map_err(io::Error::other)
}
