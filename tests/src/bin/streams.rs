//! A server for tests that signal, restart or measure a process.
//!
//! It serves HTTP/1.1 and HTTP/2 on a free port of 127.0.0.1, and prints the address. Its first argument names the runtime. A
//! second argument `inherit` makes it serve HTTP/1.1 on the socket it was started with, `http-server` makes it use actix's
//! own server, `unix` and a path bind that path.
#![allow(clippy::unused_async, reason = "handlers are async")]

use std::{alloc::System, env, io, net::SocketAddr};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer, Responder, error::PayloadError, get, post, web,
};
use cap::Cap;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use sse_actix::{Event, KeepAlive, Server, Shutdown, Sse, for_streams, sse_stream};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        Some("actix") => under_actix(),
        Some("tokio") => under_tokio(),
        runtime => Err(io::Error::other(format!("no runtime: {runtime:?}"))),
    }
}

#[actix_web::main]
async fn under_actix() -> io::Result<()> {
    serve().await
}

#[tokio::main]
async fn under_tokio() -> io::Result<()> {
    serve().await
}

const FREE: (&str, u16) = ("127.0.0.1", 0);

async fn serve() -> io::Result<()> {
    let shutdown = Shutdown::new();
    let counted = Figures(shutdown.clone());
    let app = move || App::new().app_data(counted.clone()).configure(routes);
    let server = || Server::new(app.clone()).shut_down_by(&shutdown).workers(2);
    let server = match env::args().nth(2).as_deref() {
        None => server().bind_auto_h2c(FREE)?,
        Some("inherit") => server().inherit_or_bind(FREE)?,
        Some("unix") => server().bind_uds(env::args().nth(3).unwrap_or_default())?,
        Some("http-server") => {
            let server = for_streams(HttpServer::new(app).workers(2), &shutdown).bind_auto_h2c(FREE)?;
            print(server.addrs());
            return server.run().await;
        }
        Some(other) => return Err(io::Error::other(format!("no server: {other}"))),
    };
    print(server.addrs());
    server.run().await
}

/// For `/figures` alone: streams find their handle by themselves.
#[derive(Clone)]
struct Figures(Shutdown);

fn routes(app: &mut web::ServiceConfig) {
    app.service(idle)
        .service(unopened)
        .service(flood)
        .service(lump)
        .service(echo)
        .service(figures);
}

fn print(addrs: Vec<SocketAddr>) {
    // A unix socket has no address.
    let addrs = if addrs.is_empty() {
        vec![SocketAddr::from(([127, 0, 0, 1], 0))]
    } else {
        addrs
    };
    for addr in addrs {
        println!("{addr}");
    }
}

/// One event, then silence.
#[get("/idle")]
async fn idle() -> impl Responder {
    silent(stream::iter([Event::data("one").id(1)]).chain(stream::pending()))
}

/// Waits for its first event before it opens.
#[get("/unopened")]
#[sse_stream]
async fn unopened() -> Result<(), Error> {
    println!("waiting");
    std::future::pending::<()>().await;
    emit!("never");
    Ok(())
}

/// More than any buffer takes.
#[get("/flood")]
async fn flood() -> impl Responder {
    silent(stream::repeat_with(|| Event::data("x".repeat(1_000))))
}

/// Two events, of which HTTP/2's first window takes the first and a part of the second, and the end.
#[get("/lump")]
async fn lump() -> impl Responder {
    silent(stream::iter(
        [60_000, 15_000].map(|size| Event::data("x".repeat(size))),
    ))
    .finite()
}

/// Answers when its request is complete, with what that said.
#[post("/echo")]
async fn echo(mut body: web::Payload) -> Result<HttpResponse, PayloadError> {
    println!("echoing");
    let mut pieces = Vec::new();
    while let Some(piece) = body.next().await {
        pieces.push(Ok::<_, PayloadError>(piece?));
    }
    Ok(HttpResponse::Ok().streaming(stream::iter(pieces)))
}

#[get("/figures")]
async fn figures(request: HttpRequest) -> impl Responder {
    let streams = request
        .app_data()
        .map(|Figures(shutdown)| shutdown.open_streams());
    web::Json(json!({ "streams": streams, "heap": HEAP.allocated() }))
}

fn silent<S>(events: S) -> Sse<S>
where
    S: Stream<Item = Event> + 'static,
{
    Sse::new(events).keep_alive(KeepAlive::OFF)
}
