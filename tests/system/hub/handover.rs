//! Streams whose connections were handed over to their hub: what they carry, and what is around their bodies.

mod around;
mod behind;
mod blocked;
mod life;
mod requests;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    App, Error,
    body::{BodySize, MessageBody},
    dev::{Service as _, ServiceResponse},
    web::{self, Bytes},
};
use fastrand::Rng;
use sse_actix::{Event, Hub, KeepAlive, Server, Subscription, test::Serving};

use sse_tests::{
    patience::{until, while_progress, within},
    wire::Wire,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::sleep,
};

use super::{Reader, count, data, event, opening, without_positions};
use crate::{log::Log, turmoil::seed};

/// A body, looked at and perhaps changed on its way.
struct Seen<B> {
    body: B,
    bytes: Arc<AtomicU64>,
    before: &'static [u8],
}

impl<B: MessageBody + Unpin> MessageBody for Seen<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        polled.map_ok(|chunk| {
            self.bytes.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            if self.before.is_empty() {
                chunk
            } else {
                [self.before, &chunk].concat().into()
            }
        })
    }
}

async fn events(hub: web::Data<Hub>) -> Subscription {
    hub.subscribe("n")
        .keep_alive(KeepAlive::comment(Duration::from_secs(1)))
}

/// Middleware that sees bodies.
macro_rules! seen {
    ($bytes:expr, $before:expr) => {{
        let (bytes, before): (Arc<AtomicU64>, &'static [u8]) = ($bytes.clone(), $before);
        move |request, service: &_| {
            let (response, bytes) = (service.call(request), Arc::clone(&bytes));
            async move {
                let response: ServiceResponse<_> = response.await?;
                Ok::<_, Error>(response.map_body(move |_, body| Seen {
                    body: Box::pin(body),
                    bytes,
                    before,
                }))
            }
        }
    }};
}

/// Serves `/`, behind middleware around it alone.
fn serve(hub: &Hub, bytes: &Arc<AtomicU64>, before: &'static [u8], direct: bool) -> Serving {
    let (hub, bytes) = (web::Data::new(hub.clone()), Arc::clone(bytes));
    let app = move || {
        let events = web::resource("/").wrap_fn(seen!(bytes, before)).to(events);
        App::new().app_data(hub.clone()).service(events)
    };
    Serving::with(app, move |server| server.direct_fan_out(direct))
}

#[tokio::test]
async fn both_ways_give_the_same_and_middleware_sees_all_of_it() {
    const COMMENT: &str = ":\n";

    let hub = Hub::new().unwrap();
    let seen: [Arc<AtomicU64>; 2] = Default::default();
    let servers = [
        serve(&hub, &seen[0], b"", true),
        serve(&hub, &seen[1], b"", false),
    ];
    let (mut wires, mut given) = (Vec::new(), Vec::new());
    for server in &servers {
        let mut wire = Wire::get(server.addr(), "/").await;
        // Told that the connection closes, undici would take a stream that was cut for whole.
        assert!(wire.head().await.values("connection").is_empty());
        let opening = wire.chunk().await.unwrap();
        assert!(
            opening.starts_with(b"retry: 3000\nevent: sse-position\n"),
            "{opening:?}"
        );
        given.push(opening.len());
        wires.push(wire);
    }
    for number in 1..=3 {
        let ids = count(&hub, "n", number..=number).await;
        let chunk = event(&ids[0], number);
        for (wire, given) in wires.iter_mut().zip(&mut given) {
            // No keep-alive among them, as long as the machine does not stand still.
            assert_eq!(wire.chunk().await.unwrap(), chunk);
            *given += chunk.len();
        }
    }
    for (wire, given) in wires.iter_mut().zip(&mut given) {
        assert_eq!(wire.chunk().await.unwrap(), COMMENT);
        *given += COMMENT.len();
    }
    for ((server, wire), given) in servers.iter().zip(&mut wires).zip(&mut given) {
        server.shutdown().fire();
        let rest = wire.body().await;
        *given += rest.len();
        let rest = rest.trim_start_matches(COMMENT);
        assert!(rest.starts_with("retry: ") && rest.ends_with('\n'), "{rest:?}");
    }
    assert_eq!(
        seen.map(|seen| seen.load(Ordering::SeqCst)),
        [given[0] as u64, given[1] as u64]
    );
    until("figures", async || hub.stats().topic("n").unwrap().delivered == 6).await;
}

#[tokio::test]
async fn middleware_around_the_application_sees_everything() {
    let hub = Hub::new().unwrap();
    let bytes: Arc<AtomicU64> = Arc::default();
    let (shared, seen_bytes) = (web::Data::new(hub.clone()), Arc::clone(&bytes));
    let serving = Serving::start(move || {
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(events))
            .wrap_fn(seen!(seen_bytes, b""))
    });
    let mut reader = Reader::new(serving.addr(), "/").await;
    let ids = count(&hub, "n", 1..=9).await;
    let expected: Vec<_> = (1..).zip(&ids).map(|(number, id)| event(id, number)).collect();
    assert_eq!(reader.take(9).await, expected);
    let all = "retry: 3000\n".len() + expected.concat().len();
    assert!(bytes.load(Ordering::SeqCst) >= all as u64, "{bytes:?} of {all}");
}

#[tokio::test]
async fn middleware_that_changes_bodies_changes_all_of_them() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub, &Arc::default(), b": changed\n", true);
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    assert_eq!(opening(&mut wire).await, ": changed\nretry: 3000\n");
    for number in 1..=9 {
        let ids = count(&hub, "n", number..=number).await;
        let expected = format!(": changed\n{}", event(&ids[0], number));
        assert_eq!(wire.chunk().await.unwrap(), expected);
    }
}

/// With little room in the kernel, so that much of what is written is not taken whole.
#[tokio::test]
async fn readers_of_any_pace_get_everything() {
    const EVENTS: usize = 400;

    let seed = seed();
    // On a machine that is busy, a client may wait for long until it can read.
    let hour = Duration::from_secs(3_600);
    let hub = Hub::builder().stall_timeout(hour).build().unwrap();
    let shared = web::Data::new(hub.clone());
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(events))
    };
    let serving = Serving::with(app, move |server: Server<_>| {
        server.send_buffer(1).user_timeout(hour)
    });
    let progress = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..20)
        .map(|reader| {
            let (addr, rng) = (serving.addr(), Rng::with_seed(seed ^ reader));
            let progress = Arc::clone(&progress);
            tokio::spawn(async move { read(ask(addr).await, Vec::new(), rng, &progress).await })
        })
        .collect();
    until("the readers", async || hub.stats().streams == readers.len()).await;
    let mut rng = Rng::with_seed(seed);
    let mut expected = String::new();
    for number in 1..=EVENTS {
        let text = match number {
            EVENTS => LAST.to_owned(),
            _ => format!("{number}{}", "x".repeat(rng.usize(..6_000))),
        };
        let id = hub.raw("n").publish(Event::data(text.clone())).await.unwrap();
        expected += &event(&id, text);
        if rng.u8(..4) == 0 {
            sleep(Duration::from_millis(rng.u64(..4))).await;
        }
    }
    for reader in readers {
        let progress = || progress.load(Ordering::Relaxed);
        let given = while_progress("everything", progress, reader).await.unwrap();
        let differs = given
            .bytes()
            .zip(expected.bytes())
            .position(|(one, other)| one != other);
        assert_eq!((differs, given.len()), (None, expected.len()));
    }
}

const LAST: &str = "the last";

/// With as little room for what it gets as the kernel lets it have.
async fn ask(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut socket = socket.connect(addr).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    socket.write_all(request).await.unwrap();
    socket
}

/// Reads on, now and then, until it has the last event.
async fn read(mut socket: TcpStream, mut received: Vec<u8>, mut rng: Rng, progress: &AtomicU64) -> String {
    loop {
        let mut some = vec![0; rng.usize(1..30_000)];
        let read = socket.read(&mut some).await.unwrap();
        received.extend_from_slice(&some[..read]);
        progress.fetch_add(1, Ordering::Relaxed);
        if rng.u8(..8) == 0 {
            sleep(Duration::from_millis(rng.u64(..30))).await;
        }
        let end = received.get(received.len().saturating_sub(100)..).unwrap();
        if String::from_utf8_lossy(end).contains(&format!("{LAST}\n\n\r\n")) {
            return events_of(str::from_utf8(&received).unwrap());
        }
    }
}

/// The events of a response, without keep-alives.
fn events_of(response: &str) -> String {
    let (_, mut chunks) = response.split_once("\r\n\r\n").unwrap();
    let mut events = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        events.push_str(chunk.trim_start_matches(":\n"));
        chunks = rest.strip_prefix("\r\n").unwrap();
    }
    let events = without_positions(&events);
    events.strip_prefix("retry: 3000\n").unwrap().to_owned()
}

/// What was left of it is sent, though nothing follows, not even a keep-alive.
#[tokio::test]
async fn a_large_event_arrives_whole() {
    let hub = Hub::new().unwrap();
    let shared = web::Data::new(hub.clone());
    let app = move || {
        let events = async |hub: web::Data<Hub>| hub.subscribe("n").keep_alive(KeepAlive::OFF);
        App::new()
            .app_data(shared.clone())
            .route("/", web::get().to(events))
    };
    let serving = Serving::with(app, |server: Server<_>| server.send_buffer(1));
    let (mut socket, mut received) = (ask(serving.addr()).await, Vec::new());
    until("a stream that waits", async || {
        socket.read_buf(&mut received).await.unwrap();
        received.ends_with(b"data: {}\n\n\r\n")
    })
    .await;
    let text = format!("{}{LAST}", "x".repeat(30_000));
    let id = hub.raw("n").publish(Event::data(text.clone())).await.unwrap();
    let given = within(
        "the event",
        read(socket, received, Rng::with_seed(1), &AtomicU64::new(0)),
    )
    .await;
    assert!(given == event(&id, text));
}

#[tokio::test]
async fn its_connection_closes_after_the_stream_and_answers_nothing_more() {
    let hub = Hub::new().unwrap();
    let shared = web::Data::new(hub.clone());
    let serving = Serving::start(move || {
        let tagged = async |hub: web::Data<Hub>, tag: web::Path<String>| hub.subscribe("n").tag(tag.as_str());
        App::new()
            .app_data(shared.clone())
            .route("/{tag}", web::get().to(tagged))
    });
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("GET /ann HTTP/1.1\r\nHost: test\r\n\r\nGET /bob HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(opening(&mut wire).await, "retry: 3000\n");
    wire.send("GET /carl HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let ids = count(&hub, "n", 1..=1).await;
    assert_eq!(wire.chunk().await.unwrap(), event(&ids[0], 1));
    assert_eq!(hub.revoke("ann"), 1);
    let (rest, end) = wire.rest().await;
    end.unwrap();
    assert_eq!(
        str::from_utf8(&rest).unwrap(),
        "3A\r\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n\r\n0\r\n\r\n".replace(
            "3A",
            &format!(
                "{:X}",
                "event: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n".len()
            )
        )
    );
    assert_eq!(hub.stats().streams, 0);
}

/// On the worker's own thread, between two events that it has not yet looked at.
#[tokio::test]
async fn nothing_is_written_to_a_reader_that_was_revoked() {
    let hub = Hub::new().unwrap();
    let shared = web::Data::new(hub.clone());
    let serving = Serving::start(move || {
        let publish = async |hub: web::Data<Hub>| {
            count(&hub, "n", 1..=1).await;
            let revoked = hub.revoke("ann");
            count(&hub, "n", 2..=2).await;
            revoked.to_string()
        };
        App::new()
            .app_data(shared.clone())
            .route("/publish", web::post().to(publish))
            .route(
                "/",
                web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").tag("ann")),
            )
    });
    let mut ann = Reader::new(serving.addr(), "/").await;
    let mut publisher = Wire::connect(serving.addr()).await;
    publisher
        .send("POST /publish HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;
    publisher.head().await;
    assert_eq!(publisher.exactly(1).await, "1");
    let rest = ann.rest().await;
    assert!(rest.starts_with("event: sse-end\n"), "{rest:?}");
}

#[tokio::test]
async fn it_is_counted_where_a_stream_says_what_it_carried() {
    let log = Log::start_everywhere();
    let hub = Hub::new().unwrap();
    let serving = serve(&hub, &Arc::default(), b"", true);
    let mut reader = Reader::new(serving.addr(), "/").await;
    let mut given = Vec::new();
    for number in 1..=3 {
        count(&hub, "n", number..=number).await;
        given.push(reader.next().await);
    }
    assert_eq!(data(&given), ["1", "2", "3"]);
    drop(reader);
    let mut logged = Vec::new();
    until("the end of the stream", async || {
        logged.extend(log.take());
        logged
            .iter()
            .any(|(_, fields)| fields.get("message") == "stream ended")
    })
    .await;
    let (_, ended) = logged.last().unwrap();
    assert_eq!(ended.get("events"), "3");
    let position = given[0].lines().next().unwrap().len() - "1".len() + "0".len();
    let position = "event: sse-position\n\ndata: {}\n\n".len() + position;
    let all = "retry: 3000\n".len() + position + given.concat().len();
    assert_eq!(ended.get("bytes"), all.to_string());
}
