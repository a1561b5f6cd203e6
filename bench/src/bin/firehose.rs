//! One stream as fast as one connection takes it: events with 100 bytes of data over a loopback socket.
//! `cargo run --release -p sse-bench --bin firehose [rounds]` prints a Markdown table.
//!
//! Each server is a process of its own, with one worker, on the first processor; the client is on the
//! second, and compares every byte. Megabytes are those of the events, without HTTP's chunks.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, get};
use async_stream::stream;
use futures_core::Stream;
use sse_actix::{Sse, sse_stream};
use sse_bench::{
    Connection, Expected, Reading, Samples, Server, announce, leave_the_servers_alone, number, role, rounds,
    text,
};

/// Both a path and a server's name.
const SERVERS: [(&str, &str, &str); 4] = [
    ("macro", "`#[sse_stream]`", "retry: 3000\n"),
    ("stream", "`async_stream` into `Sse`", "retry: 3000\n"),
    ("lab", "`async_stream` into actix-web-lab's `Sse`", ""),
    ("axum", "`async_stream` into axum's `Sse`", ""),
];
const LAB: usize = 2;
const AXUM: usize = 3;

const WARM_UP: Duration = Duration::from_millis(150);
const MEASURED: Duration = Duration::from_millis(700);

/// As much as the client takes from the kernel at once.
const READ: usize = 256 * 1024;

#[get("/macro")]
#[sse_stream]
async fn emitting() -> Result<(), actix_web::Error> {
    for n in 0.. {
        emit!(text(n));
    }
    Ok(())
}

#[get("/stream")]
async fn streaming() -> Sse<impl Stream<Item = &'static str>> {
    Sse::new(stream! {
        for n in 0.. {
            yield text(n);
        }
    })
}

#[get("/lab")]
async fn lab() -> impl actix_web::Responder {
    use actix_web_lab::sse::{Data, Event, Sse};
    Sse::from_stream(stream! {
        for n in 0.. {
            yield Ok::<_, Infallible>(Event::Data(Data::new(text(n))));
        }
    })
}

async fn axum() -> impl axum::response::IntoResponse {
    use axum::response::sse::{Event, Sse};
    Sse::new(stream! {
        for n in 0.. {
            yield Ok::<_, Infallible>(Event::default().data(text(n)));
        }
    })
}

/// What one server did within one measurement.
struct Rate {
    megabytes_a_second: f64,
    nanos_of_server_an_event: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(server) = role() {
        return Ok(serve(&server)?);
    }
    let rounds = rounds(9)?;
    leave_the_servers_alone();
    let expected = Expected::texts();
    let rates = Samples::interleave(SERVERS.len(), rounds, |server| match SERVERS.get(server) {
        Some((path, _, prelude)) => measure(path, Reading::new(prelude, &expected)),
        None => Err(io::ErrorKind::NotFound.into()),
    })?;
    println!(
        "| {rounds} rounds, medians | MB/s | of actix-web-lab's | of axum's | ns of the server's processor an event |"
    );
    println!("|---|--:|--:|--:|--:|");
    for (server, (_, name, _)) in SERVERS.iter().enumerate() {
        let compared = |peer| {
            rates.compared(
                server,
                peer,
                |rate| rate.megabytes_a_second,
                |ours, theirs| ours / theirs,
            )
        };
        println!(
            "| {name} | {:.0} | {:.2}x | {:.2}x | {:.0} |",
            rates.median(server, |rate| rate.megabytes_a_second),
            compared(LAB),
            compared(AXUM),
            rates.median(server, |rate| rate.nanos_of_server_an_event),
        );
    }
    Ok(())
}

fn serve(server: &str) -> io::Result<()> {
    let system = actix_web::rt::System::new();
    let local = (Ipv4Addr::LOCALHOST, 0);
    match server {
        "axum" => system.block_on(async {
            let listener = tokio::net::TcpListener::bind(local).await?;
            announce(listener.local_addr()?);
            axum::serve(
                listener,
                axum::Router::new().route("/axum", axum::routing::get(axum)),
            )
            .await
        }),
        "lab" => {
            let server = HttpServer::new(|| App::new().service(lab))
                .workers(1)
                .bind(local)?;
            server.addrs().into_iter().for_each(announce);
            system.block_on(server.run())
        }
        _ => {
            let app = || App::new().service(emitting).service(streaming);
            let server = sse_actix::Server::new(app).workers(1).bind(local)?;
            server.addrs().into_iter().for_each(announce);
            system.block_on(server.run())
        }
    }
}

fn measure(path: &str, mut reading: Reading<'_>) -> io::Result<Rate> {
    let server = Server::start(path)?;
    let mut connection = Connection::get(server.addr(), &format!("/{path}"), READ)?;
    let mut read_for = |time: Duration| {
        let start = Instant::now();
        // The clock costs more than some of the reads.
        while start.elapsed() < time {
            for _ in 0..32 {
                connection.read(|bytes| reading.read(bytes))?;
            }
        }
        Ok::<_, io::Error>((start.elapsed(), reading.bytes(), reading.events()))
    };
    let (_, bytes_before, events_before) = read_for(WARM_UP)?;
    let cpu_before = server.cpu()?;
    let (time, bytes, events) = read_for(MEASURED)?;
    let cpu = server.cpu()? - cpu_before;
    Ok(Rate {
        megabytes_a_second: number(bytes - bytes_before) / 1e6 / time.as_secs_f64(),
        nanos_of_server_an_event: cpu * 1e9 / number(events - events_before),
    })
}
