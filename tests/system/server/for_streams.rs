//! actix's own `HttpServer`, made fit for streams.

use std::{
    any::Any,
    io,
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::{self, Extensions},
    web,
};
use futures_util::{StreamExt as _, stream};
use http::Method;
use rustix::process::Signal;
use sse_actix::{Event, KeepAlive, Shutdown, Sse, connection_hook, for_streams};
use sse_tests::{
    certified::{certified, connect},
    child::Child,
    guard::Guards,
    http2::Http2,
    patience::until,
    wire::{Wire, report},
};
use tokio::sync::oneshot;
use tracing::Level;

use crate::{STREAMS, log::Log};

/// Streams that hear of a signal have ended.
const ENDED: Duration = Duration::from_millis(50);

/// A client that has left is noticed.
const NOTICED: Duration = Duration::from_millis(50);

/// The process has exited.
const EXITED: Duration = Duration::from_millis(1_500);

/// These times are promised on a machine that is not busy with something else.
const ATTEMPTS: usize = 10;

/// A server on a thread of its own, which stops when its `Shutdown` fires.
struct Running {
    addr: SocketAddr,
    shutdown: Shutdown,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Running {
    fn start(build: impl FnOnce(&Shutdown) -> (Vec<SocketAddr>, dev::Server) + Send + 'static) -> Self {
        let shutdown = Shutdown::new();
        let (started, start) = mpsc::channel();
        let fired = shutdown.clone();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let (addrs, server) = build(&fired);
                started.send(addrs[0]).unwrap();
                server.await
            })
        });
        Self {
            addr: start.recv().unwrap(),
            shutdown,
            thread: Some(thread),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.fire();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

macro_rules! bound {
    ($server:expr) => {{
        let server = $server;
        (server.addrs(), server.run())
    }};
}

/// `/` is silent and holds its request.
fn routes(guards: &Guards) -> impl Fn(&mut web::ServiceConfig) + Send + Clone + 'static + use<> {
    let guards = guards.clone();
    move |app| {
        let guards = guards.clone();
        let silent = move |request: HttpRequest| {
            let events = guards.held_by(stream::pending::<Event>());
            let events = events.inspect(move |_| assert_eq!(request.path(), "/"));
            async { Sse::new(events).keep_alive(KeepAlive::OFF) }
        };
        app.route("/", web::get().to(silent));
    }
}

#[tokio::test]
async fn a_client_that_has_left_is_noticed_at_once() {
    let (guards, mut drops) = Guards::new();
    let routes = routes(&guards);
    let running = Running::start(move |shutdown| {
        let app = move || App::new().configure(routes.clone());
        let server = for_streams(HttpServer::new(app).workers(1), shutdown);
        bound!(server.bind_auto_h2c(("127.0.0.1", 0)).unwrap())
    });
    for leave in [drop as fn(Wire), Wire::reset] {
        let mut took = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut wire = Wire::get(running.addr, "/").await;
            wire.head().await;
            wire.chunk().await.unwrap();
            let start = Instant::now();
            leave(wire);
            drops.next().await;
            took.push(start.elapsed());
        }
        took.sort_unstable();
        report("HttpServer: leave on HTTP/1.1, median", took[ATTEMPTS / 2]);
        assert!(took[0] <= NOTICED, "{took:?}");
    }
    // Only a lost connection: a stream that is reset is noticed at its next write.
    let mut client = Http2::connect(running.addr).await;
    let mut answer = client.get("/").await;
    answer.frame().await.unwrap();
    let start = Instant::now();
    drop(client);
    drops.next().await;
    report("HttpServer: HTTP/2 connection lost", start.elapsed());
}

#[tokio::test]
async fn over_tls_a_lost_connection_ends_its_streams() {
    let (guards, mut drops) = Guards::new();
    let (routes, (config, certificate)) = (routes(&guards), certified(["localhost"]));
    let running = Running::start(move |shutdown| {
        let app = move || App::new().configure(routes.clone());
        let server = for_streams(HttpServer::new(app).workers(1), shutdown);
        bound!(server.bind_rustls_0_23(("127.0.0.1", 0), config).unwrap())
    });
    let socket = connect(running.addr, certificate).await;
    let mut client = Http2::over(socket, &h2::client::Builder::new()).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let mut answer = client.get("/").await;
        answer.frame().await.unwrap();
        answers.push(answer);
    }
    drop(client);
    for _ in 0..3 {
        drops.next().await;
    }
    until("every stream to be given back", async || {
        running.shutdown.open_streams() == 0
    })
    .await;
}

async fn streams_end_and_the_process_exits(runtime: &str, signal: Signal) {
    let (mut ended, mut exited) = (Duration::MAX, Duration::MAX);
    for _ in 0..ATTEMPTS {
        let child = Child::start(STREAMS, &[runtime, "http-server"]).await;
        let mut wires = Vec::new();
        for _ in 0..10 {
            let mut wire = Wire::get(child.addr(), "/idle").await;
            wire.head().await;
            wire.chunk().await.unwrap();
            wires.push(wire);
        }
        let start = Instant::now();
        child.signal(signal);
        for wire in &mut wires {
            // Up to the terminator: the stream has ended, and was not cut.
            let rest = wire.body().await;
            assert!(rest.starts_with("retry: ") && rest.ends_with('\n'), "{rest:?}");
        }
        ended = ended.min(start.elapsed());
        let status = child.ended().await;
        assert!(status.success(), "{status}");
        exited = exited.min(start.elapsed());
        if ended <= ENDED && exited <= EXITED {
            break;
        }
    }
    report(&format!("HttpServer: {signal:?} under {runtime}, streams"), ended);
    report(
        &format!("HttpServer: {signal:?} under {runtime}, process"),
        exited,
    );
    assert!(ended <= ENDED && exited <= EXITED, "{ended:?}, {exited:?}");
}

#[tokio::test]
async fn streams_end_and_the_process_exits_under_actix() {
    streams_end_and_the_process_exits("actix", Signal::TERM).await;
}

#[tokio::test]
async fn streams_end_and_the_process_exits_under_tokio() {
    streams_end_and_the_process_exits("tokio", Signal::INT).await;
}

#[tokio::test]
async fn streams_on_http_2_end_as_well() {
    let child = Child::start(STREAMS, &["actix", "http-server"]).await;
    let mut client = Http2::connect(child.addr()).await;
    let mut answers = Vec::new();
    for _ in 0..10 {
        let mut answer = client.get("/idle").await;
        answer.frame().await.unwrap();
        answers.push(answer);
    }
    let start = Instant::now();
    child.signal(Signal::TERM);
    for answer in &mut answers {
        assert!(answer.body().await.starts_with("retry: "));
    }
    report("HttpServer: SIGTERM, streams on HTTP/2", start.elapsed());
    // actix does not close such a connection, so the client does.
    drop((client, answers));
    assert!(child.ended().await.success());
    report("HttpServer: SIGTERM, process with HTTP/2", start.elapsed());
}

/// Fired by hand, as by a signal; and what comes then is told to come back.
#[tokio::test]
async fn fired_by_hand_the_server_stops() {
    let (guards, _drops) = Guards::new();
    let routes = routes(&guards);
    let mut running = Running::start(move |shutdown| {
        let app = move || App::new().configure(routes.clone());
        let server = for_streams(HttpServer::new(app).workers(1), shutdown);
        bound!(server.bind_auto_h2c(("127.0.0.1", 0)).unwrap())
    });
    let mut client = Http2::connect(running.addr).await;
    let mut answer = client.get("/").await;
    answer.frame().await.unwrap();
    let mut wire = Wire::get(running.addr, "/").await;
    wire.head().await;
    wire.chunk().await.unwrap();
    assert_eq!(running.shutdown.open_streams(), 2);
    running.shutdown.fire();
    assert!(wire.body().await.starts_with("retry: "));
    assert!(answer.body().await.starts_with("retry: "));
    drop(client);
    let thread = running.thread.take().unwrap();
    tokio::task::spawn_blocking(|| thread.join())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    running.thread = Some(thread::spawn(|| Ok(())));
}

struct Accepted(bool);

#[tokio::test]
async fn a_hook_of_ones_own_is_called_after_ours() {
    let running = Running::start(|shutdown| {
        let accepted = async |request: HttpRequest| {
            let Accepted(after) = request.conn_data().unwrap();
            HttpResponse::Ok().body(after.to_string())
        };
        let app = move || App::new().route("/", web::get().to(accepted));
        let note = |_: &dyn Any, data: &mut Extensions| {
            let after = data.contains::<Shutdown>();
            data.insert(Accepted(after));
        };
        let server = for_streams(HttpServer::new(app).workers(1), shutdown);
        let server = server.on_connect(connection_hook(shutdown, note));
        bound!(server.bind(("127.0.0.1", 0)).unwrap())
    });
    let mut wire = Wire::get(running.addr, "/").await;
    wire.head().await;
    assert_eq!(wire.exactly(4).await, "true");
}

#[test]
fn called_too_late_it_says_what_does_not_work() {
    let log = Log::start_everywhere();
    let told = || {
        let lines = log.take();
        let errors = lines.into_iter().filter(|(level, _)| *level == Level::ERROR);
        errors
            .map(|(_, fields)| fields.get("message").to_owned())
            .collect::<Vec<_>>()
    };
    let shutdown = Shutdown::new();
    drop(for_streams(HttpServer::new(App::new), &shutdown));
    assert_eq!(told(), Vec::<String>::new());
    let bound = HttpServer::new(App::new).bind(("127.0.0.1", 0)).unwrap();
    drop(for_streams(bound, &shutdown));
    let told = told();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("after `bind`"), "{told:?}");
    assert!(told[0].contains("a shutdown ends no stream"), "{told:?}");
}

/// The recipe of the guide, for who wants to set everything himself.
#[tokio::test]
async fn by_hand_two_settings_and_the_apps_data_do_most_of_it() {
    let (guards, mut drops) = Guards::new();
    let (signal, signalled) = oneshot::channel::<()>();
    let routes = routes(&guards);
    let running = Running::start(move |shutdown| {
        let data = shutdown.clone();
        let app = move || App::new().app_data(data.clone()).configure(routes.clone());
        let fired = shutdown.clone();
        let server = HttpServer::new(app)
            .workers(1)
            .h1_allow_half_closed(false)
            .shutdown_signal(async move {
                let _ = signalled.await;
                fired.fire();
            });
        bound!(server.bind(("127.0.0.1", 0)).unwrap())
    });
    let open = async || {
        let mut wire = Wire::get(running.addr, "/").await;
        wire.head().await;
        wire.chunk().await.unwrap();
        wire
    };
    drop(open().await);
    drops.next().await;
    let mut wire = open().await;
    until("a stream", async || guards.held() == 1).await;
    signal.send(()).unwrap();
    assert!(wire.body().await.starts_with("retry: "));
}

/// A stream that has not opened is not known to actix's server: it holds the exit up.
#[tokio::test]
async fn a_stream_that_has_not_opened_is_waited_for() {
    let mut child = Child::start(STREAMS, &["actix", "http-server"]).await;
    let unopened = Wire::get(child.addr(), "/unopened").await;
    child.prints("waiting").await;
    let mut client = Http2::connect(child.addr()).await;
    let (answer, _) = client.request(Method::GET, "/unopened", true).await;
    child.prints("waiting").await;
    child.signal(Signal::TERM);
    tokio::time::sleep(EXITED).await;
    assert!(child.runs());
    drop((unopened, client, answer));
    assert!(child.ended().await.success());
}
