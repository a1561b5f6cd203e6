//! A server for tests that signal, restart or measure a process.
//!
//! It serves HTTP/1.1 and HTTP/2 on a free port of 127.0.0.1, or, with a second argument `inherit`, HTTP/1.1
//! on the socket it was started with, and prints the address. Its first argument names the runtime.
#![allow(clippy::unused_async, reason = "handlers are async")]

use std::{alloc::System, env, io};

use actix_web::{App, Error, HttpRequest, HttpResponse, Responder, error::PayloadError, get, post, web};
use cap::Cap;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use sse_actix::{Event, KeepAlive, Server, Shutdown, Sse, sse_stream};

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

async fn serve() -> io::Result<()> {
    let shutdown = Shutdown::new();
    let data = shutdown.clone();
    let server = Server::new(move || {
        App::new()
            .app_data(data.clone())
            .service(idle)
            .service(unopened)
            .service(flood)
            .service(lump)
            .service(echo)
            .service(figures)
    });
    let server = server.shut_down_by(&shutdown).workers(2);
    let free = ("127.0.0.1", 0);
    let server = match env::args().nth(2) {
        None => server.bind_auto_h2c(free)?,
        Some(_) => server.inherit_or_bind(free)?,
    };
    for addr in server.addrs() {
        println!("{addr}");
    }
    server.run().await
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
    let streams = request.app_data().map(Shutdown::open_streams);
    web::Json(json!({ "streams": streams, "heap": HEAP.allocated() }))
}

fn silent<S>(events: S) -> Sse<S>
where
    S: Stream<Item = Event> + 'static,
{
    Sse::new(events).keep_alive(KeepAlive::OFF)
}
