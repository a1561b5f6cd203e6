//! One stream over a loopback socket, as fast as the connection takes it. Each event has 100 bytes of data.
//! `cargo run --release -p sse-bench --bin firehose [rounds]` prints a Markdown table.
//!
//! Each server is a separate process with one worker on the first processor. The client is on the second one, and
//! checks every byte. The megabytes are those of the events, without the framing of HTTP chunks.
//!
//! Two of the servers relay a stream. One relays chunks of 16 KiB from its memory. The other one relays what awc reads
//! from a socket; a thread of the client process writes prepared bytes to this socket.

use std::{
    convert::Infallible,
    error::Error,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, error::ErrorBadGateway, get, web};
use async_stream::stream;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream as streams;
use sse_actix::{Relay, RelayError, Relayed, Sse, sse_stream, upstream_connector};
use sse_bench::{
    CYCLE, Connection, Expected, Reading, Samples, Server, announce, leave_the_servers_alone, number, role,
    rounds, text,
};

/// The name of each server, which is also its path; its name in the table; and the first bytes of its stream.
const SERVERS: [(&str, &str, &str); 6] = [
    ("macro", "`#[sse_stream]`", "retry: 3000\n"),
    ("stream", "`async_stream` into `Sse`", "retry: 3000\n"),
    ("lab", "`async_stream` into actix-web-lab's `Sse`", ""),
    ("axum", "`async_stream` into axum's `Sse`", ""),
    ("relay", "`Relay`, from memory", "retry: 3000\n"),
    ("gateway", "`Relay`, from a socket by awc", "retry: 3000\n"),
];
const MACRO: usize = 0;
const LAB: usize = 2;
const AXUM: usize = 3;

const WARM_UP: Duration = Duration::from_millis(150);
const MEASURED: Duration = Duration::from_millis(700);

/// How many bytes the client reads from the kernel at once.
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

/// A whole number of cycles of events, and about 16 KiB.
static CHUNK: LazyLock<Bytes> = LazyLock::new(|| {
    let events = (0..CYCLE * 2).map(|n| format!("data: {}\n\n", text(n)));
    Bytes::from(events.collect::<String>())
});

#[get("/relay")]
async fn relay() -> Sse<impl Stream<Item = Result<Relayed, RelayError>>> {
    // The bytes are copied, because a chunk from a socket has its own memory, too.
    let chunks = streams::repeat_with(|| Ok::<_, Infallible>(Bytes::copy_from_slice(&CHUNK)));
    Sse::new(Relay::new(chunks))
}

#[get("/gateway/{port}")]
async fn gateway(
    port: web::Path<u16>,
    client: web::Data<awc::Client>,
) -> Result<Sse<impl Stream<Item = Result<Relayed, RelayError>>>, actix_web::Error> {
    let upstream = client.get(format!("http://127.0.0.1:{port}/")).send().await;
    let upstream = upstream.map_err(|error| ErrorBadGateway(error.to_string()))?;
    Ok(Sse::new(Relay::new(upstream)))
}

/// The upstream server of `gateway`, on a thread: sends events to every connection as fast as it takes them.
fn upstream() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = listener.local_addr()?;
    thread::spawn(move || {
        let mut chunk = format!("{:x}\r\n", CHUNK.len()).into_bytes();
        chunk.extend_from_slice(&CHUNK);
        chunk.extend_from_slice(b"\r\n");
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { continue };
            // The request is short, so one read gets all of it.
            let _ = socket.read(&mut [0; 4096]);
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut sent = socket.write_all(head.as_bytes());
            while sent.is_ok() {
                sent = socket.write_all(&chunk);
            }
        }
    });
    Ok(addr)
}

/// The result of one measurement of one server.
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
    let port = upstream()?.port();
    let rates = Samples::interleave(SERVERS.len(), rounds, |server| match SERVERS.get(server) {
        Some((server, _, prelude)) => measure(server, port, Reading::new(prelude, &expected)),
        None => Err(io::ErrorKind::NotFound.into()),
    })?;
    println!(
        "| {rounds} rounds, medians | MB/s | of `#[sse_stream]`'s | of actix-web-lab's | of axum's | ns of the server's processor an event |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
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
            "| {name} | {:.0} | {:.2}x | {:.2}x | {:.2}x | {:.0} |",
            rates.median(server, |rate| rate.megabytes_a_second),
            compared(MACRO),
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
            let app = || {
                let client = awc::Client::builder()
                    .connector(upstream_connector())
                    .disable_timeout()
                    .finish();
                App::new()
                    .app_data(web::Data::new(client))
                    .service((emitting, streaming, relay, gateway))
            };
            let server = sse_actix::Server::new(app).workers(1).bind(local)?;
            server.addrs().into_iter().for_each(announce);
            system.block_on(server.run())
        }
    }
}

fn measure(server: &str, upstream: u16, mut reading: Reading<'_>) -> io::Result<Rate> {
    let path = match server {
        "gateway" => format!("/gateway/{upstream}"),
        path => format!("/{path}"),
    };
    let server = Server::start(server)?;
    let mut connection = Connection::get(server.addr(), &path, READ)?;
    let mut read_for = |time: Duration| {
        let start = Instant::now();
        // Reading the clock costs more than some reads of the socket, so there are 32 reads for each look at the clock.
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
