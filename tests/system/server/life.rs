//! A server is paused, resumed and stopped.

use std::{io, net::SocketAddr, thread, time::Duration};

use actix_web::{App, HttpResponse, rt::System, web};
use futures_util::stream;
use sse_actix::{Event, KeepAlive, Server, ServerHandle, Shutdown, Sse};
use sse_tests::{
    guard::Guards,
    patience::{until, within},
    wire::Wire,
};
use tokio::{sync::oneshot, task::JoinHandle};

type Running = JoinHandle<io::Result<()>>;

/// `/` answers, `/stream` is a stream, `/slow` does not answer.
fn routes(guards: &Guards) -> impl Fn(&mut web::ServiceConfig) + Send + Clone + 'static + use<> {
    let guards = guards.clone();
    move |app| {
        let guards = guards.clone();
        let slow = move || {
            let guard = guards.guard();
            async move {
                std::future::pending::<()>().await;
                drop(guard);
                HttpResponse::Ok().finish()
            }
        };
        let stream = async || Sse::new(stream::pending::<Event>()).keep_alive(KeepAlive::OFF);
        app.route("/", web::get().to(HttpResponse::Ok))
            .route("/stream", web::get().to(stream))
            .route("/slow", web::get().to(slow));
    }
}

/// Runs a server as a task of this test's runtime.
macro_rules! run {
    ($guards:expr, |$server:ident| $set:expr) => {{
        let routes = routes($guards);
        let $server = Server::new(move || App::new().configure(|app| routes(app)))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let addr = $server.addrs()[0];
        let server = $set.run();
        let handle = server.handle();
        (addr, handle, tokio::spawn(server))
    }};
}

async fn opened(addr: SocketAddr) -> Wire {
    let mut wire = Wire::get(addr, "/stream").await;
    wire.head().await;
    assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\n");
    wire
}

async fn ended(running: Running) {
    within("the server to end", running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_paused_server_accepts_nobody_until_it_resumes() {
    let (addr, handle, running) = run!(&Guards::new().0, |server| server);
    let mut open = opened(addr).await;
    let mut before = Wire::get(addr, "/").await;
    before.head().await;

    handle.pause().await;
    // The command is carried out by the thread that accepts, a moment later.
    let mut waiting = loop {
        let mut wire = Wire::get(addr, "/").await;
        for _ in 0..50 {
            before.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
            before.head().await;
        }
        if wire.arrived().is_empty() {
            break wire;
        }
    };
    handle.resume().await;
    assert_eq!(waiting.head().await.status_line(), "HTTP/1.1 200 OK");

    let stopped = handle.stop(true);
    assert!(open.body().await.starts_with("retry: "));
    stopped.await;
    ended(running).await;
    // What has stopped can be told so again.
    handle.stop(true).await;
    handle.pause().await;
}

#[tokio::test]
async fn stopped_gracefully_it_ends_streams_and_waits_for_others() {
    let (guards, mut drops) = Guards::new();
    let (addr, handle, running) = run!(&guards, |server| server.shutdown_timeout(1));
    let mut open = opened(addr).await;
    let slow = Wire::get(addr, "/slow").await;
    until("the handler to wait", async || guards.held() == 1).await;
    let start = std::time::Instant::now();
    // Told, whether it is awaited or not.
    drop(handle.stop(true));
    assert!(open.body().await.starts_with("retry: "));
    // A second, as told, and not the thirty of the default.
    drops.next().await;
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(20),
        "{took:?}"
    );
    ended(running).await;
    drop(slow);
}

#[tokio::test]
async fn stopped_by_force_it_waits_for_nobody() {
    let (guards, mut drops) = Guards::new();
    let (addr, handle, running) = run!(&guards, |server| server.shutdown_timeout(3_600));
    let mut open = opened(addr).await;
    let slow = Wire::get(addr, "/slow").await;
    until("the handler to wait", async || guards.held() == 1).await;
    // Also while it is being stopped.
    drop(handle.stop(true));
    open.body().await;
    handle.stop(false).await;
    drops.next().await;
    ended(running).await;
    drop(slow);
}

#[tokio::test]
async fn a_command_that_comes_before_the_server_is_carried_out() {
    let server = Server::new(App::new).workers(1).bind(("127.0.0.1", 0)).unwrap();
    let server = server.run();
    drop(server.handle().stop(false));
    within("the server to end", server).await.unwrap();
    let unbound = Server::new(App::new).run();
    let handle = unbound.handle();
    assert!(unbound.await.is_err());
    handle.pause().await;
    handle.resume().await;
    handle.stop(false).await;
}

#[tokio::test]
async fn servers_with_one_shutdown_stop_together() {
    let shutdown = Shutdown::new();
    let (first, handle, running) = run!(&Guards::new().0, |server| server.shut_down_by(&shutdown));
    let (second, _, also_running) = run!(&Guards::new().0, |server| server.shut_down_by(&shutdown));
    let mut open = [opened(first).await, opened(second).await];
    handle.stop(true).await;
    assert!(shutdown.is_fired());
    for wire in &mut open {
        assert!(wire.body().await.starts_with("retry: "));
    }
    ended(running).await;
    ended(also_running).await;
}

#[tokio::test]
async fn a_signal_of_the_programs_own_stops_it() {
    let (signal, signalled) = oneshot::channel::<()>();
    let (addr, _, running) = run!(&Guards::new().0, |server| {
        server.shutdown_signal(async move { signalled.await.unwrap() })
    });
    let mut open = opened(addr).await;
    signal.send(()).unwrap();
    assert!(open.body().await.starts_with("retry: "));
    ended(running).await;
}

/// Runs actix's system until the server has stopped it, or the program does.
fn run_system(exits: bool) -> (bool, ServerHandle) {
    let system = System::new();
    let server = Server::new(App::new).workers(1).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).unwrap();
    let server = if exits { server.system_exit() } else { server }.run();
    let handle = server.handle();
    let stop = handle.clone();
    let current = System::current();
    system.runtime().spawn(async move {
        server.await.unwrap();
        // If the server stops the system, it has done so by now, with another code.
        current.stop_with_code(7);
    });
    system.runtime().spawn(async move { stop.stop(true).await });
    (system.run_with_code().unwrap() == 0, handle)
}

#[test]
fn the_system_ends_with_the_server_if_told() {
    for exits in [true, false] {
        let run = thread::spawn(move || run_system(exits).0);
        assert_eq!(run.join().unwrap(), exits);
    }
}

/// What ends one server ends the others that share its `Shutdown`, and their own word of it is no second one.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_signal_at_two_servers_is_one() {
    for _ in 0..20 {
        let shutdown = Shutdown::new();
        let (send, signal) = tokio::sync::watch::channel(());
        let (mut wires, mut running) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let mut signal = signal.clone();
            let stream = || Sse::new(stream::pending::<Event>()).keep_alive(KeepAlive::OFF);
            let server = Server::new(move || {
                App::new().route("/", web::get().to(move || std::future::ready(stream())))
            })
            .workers(1)
            .shut_down_by(&shutdown)
            .shutdown_signal(async move {
                let _ = signal.changed().await;
            })
            .bind(("127.0.0.1", 0))
            .unwrap();
            let addr = server.addrs()[0];
            running.push(tokio::spawn(server.run()));
            let mut wire = Wire::get(addr, "/").await;
            wire.head().await;
            assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\n");
            wires.push(wire);
        }
        send.send(()).unwrap();
        for mut wire in wires {
            assert!(wire.body().await.starts_with("retry: "));
        }
        for running in running {
            within("the end", running).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_reversed_range_of_reconnection_times_is_an_error() {
    let shutdown = Shutdown::with_retry(Duration::from_secs(5)..=Duration::from_secs(1));
    let server = Server::new(App::new).shut_down_by(&shutdown).disable_signals();
    let error = within("the end", server.bind(("127.0.0.1", 0)).unwrap().run())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "the range of `Shutdown::with_retry` ends before it begins; write 1s..=5s"
    );
}
