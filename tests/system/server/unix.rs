//! Unix sockets, as a proxy on the same machine uses them.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::FileTypeExt as _, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Barrier,
    thread,
};

use actix_web::{App, HttpRequest, HttpResponse, web};
use rustix::process::Signal;
use sse_actix::{Event, Hub, Server, test::Serving};
use sse_tests::{child::Child, patience::until, wire::Wire};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tracing::Level;

use crate::{
    STREAMS,
    hub::{count, event, opening, until_reads},
    log::Log,
};

async fn get(path: &Path, target: &str, headers: &str) -> Wire<UnixStream> {
    let mut wire = Wire::over(UnixStream::connect(path).await.unwrap());
    wire.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"))
        .await;
    wire
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    (folder, path)
}

/// Answers with what is known of the client.
async fn peer(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().body(format!("{:?}", request.peer_addr()))
}

/// A hub's stream as `/`, and its peer's address as `/peer`.
macro_rules! serve {
    ($hub:expr, |$server:ident| $set:expr) => {{
        let hub = web::Data::new($hub.clone());
        let app = move || {
            App::new()
                .app_data(hub.clone())
                .route("/peer", web::get().to(peer))
                .route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
        };
        Serving::with(app, move |$server: Server<_>| $set)
    }};
}

#[tokio::test]
async fn streams_are_served_and_handed_over() {
    let (hub, (_folder, path)) = (Hub::new().unwrap(), place());
    let bound = path.clone();
    let serving = serve!(hub, |server| server.bind_uds(bound).unwrap());
    let mut wire = get(&path, "/peer", "").await;
    wire.head().await;
    assert_eq!(wire.exactly(4).await, "None");

    let mut wire = get(&path, "/", "").await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    opening(&mut wire).await;
    until("a hand-over", async || hub.stats().handed_over == 1).await;
    let ids = count(&hub, "n", [1]).await;
    assert_eq!(wire.chunk().await.unwrap(), event(&ids[0], 1));
    // More than the socket takes at once.
    let large = "x".repeat(2_000_000);
    let id = hub.raw("n").publish(Event::data(large.clone())).await.unwrap();
    let mut received = String::new();
    while !received.ends_with("\n\n") {
        received += str::from_utf8(&wire.chunk().await.unwrap()).unwrap();
    }
    assert!(received == event(&id, large), "{} bytes", received.len());

    // Read and dropped: unread bytes would turn the close into a reset.
    wire.send("not answered").await;
    serving.shutdown().fire();
    assert!(wire.body().await.starts_with("retry: "));
    let (rest, ended) = wire.rest().await;
    assert_eq!((rest.as_ref(), ended.is_ok()), (&b""[..], true));
}

#[tokio::test]
async fn who_leaves_is_noticed() {
    let (hub, (_folder, path)) = (Hub::new().unwrap(), place());
    let bound = path.clone();
    let _serving = serve!(hub, |server| server.bind_uds(bound).unwrap());
    let mut wire = get(&path, "/", "").await;
    wire.head().await;
    until_reads(&hub, "n").await;
    drop(wire);
    until("the stream to end", async || hub.stats().streams == 0).await;
}

#[tokio::test]
async fn hooks_get_the_socket() {
    let (hub, (_folder, path)) = (Hub::new().unwrap(), place());
    let given = UnixListener::bind(&path).unwrap();
    let (send, mut told) = tokio::sync::mpsc::unbounded_channel();
    let _serving = serve!(hub, |server| {
        let server = server.listen_uds(given).unwrap();
        server.on_connect(move |io, _| send.send(io.is::<UnixStream>()).unwrap())
    });
    let mut wire = get(&path, "/peer", "").await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(told.recv().await, Some(true));
}

#[tokio::test]
async fn an_inherited_one_is_served() {
    let (_folder, path) = place();
    let held = UnixListener::bind(&path).unwrap();
    let child = Child::start_with_socket(STREAMS, &["actix", "inherit"], &held).await;
    let mut wire = get(&path, "/idle", "").await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\nid: 1\ndata: one\n\n");
    child.signal(Signal::TERM);
    assert!(wire.body().await.starts_with("retry: "));
    assert!(child.ended().await.success());

    // Who comes now waits for the next process.
    let mut waiting = get(&path, "/idle", "").await;
    let _next = Child::start_with_socket(STREAMS, &["tokio", "inherit"], &held).await;
    assert_eq!(waiting.head().await.status_line(), "HTTP/1.1 200 OK");
}

#[test]
fn a_socket_that_a_killed_process_has_left_is_replaced() {
    let (_folder, path) = place();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Server::new(App::new).bind_uds(&path).unwrap();
    // It has no address.
    assert_eq!(server.addrs(), []);
    std::os::unix::net::UnixStream::connect(&path).unwrap();
}

/// Processes that start together, where a killed one has left its socket: one of them serves, and the others say why they do not.
#[test]
fn of_processes_that_start_at_once_one_gets_the_path() {
    let (_folder, path) = place();
    for _ in 0..8 {
        // From the second round on, the socket of a process that was killed is there.
        let processes: Vec<_> = (0..4)
            .map(|_| {
                let mut command = Command::new(STREAMS);
                command.args(["actix", "unix"]).arg(&path).stdin(Stdio::null());
                command
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut serving = Vec::new();
        for mut process in processes {
            let mut first = String::new();
            BufReader::new(process.stdout.take().unwrap())
                .read_line(&mut first)
                .unwrap();
            if !first.is_empty() {
                serving.push(process);
                continue;
            }
            let output = process.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success());
            assert!(said.contains("another process listens there"), "{said}");
        }
        assert_eq!(serving.len(), 1);
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        client
            .write_all(b"GET /figures HTTP/1.1\r\nHost: test\r\n\r\n")
            .unwrap();
        let mut answer = [0; 15];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        for mut process in serving {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        assert!(path.exists(), "a killed process removes nothing");
    }
}

/// The same at the closest.
#[test]
fn of_threads_that_bind_at_once_one_gets_the_path() {
    let (_folder, path) = place();
    for round in 0..300 {
        // One in two finds the socket of somebody who is gone.
        if round % 2 == 0 {
            let _ = fs::remove_file(&path);
        }
        let begin = Barrier::new(4);
        let bound: Vec<_> = thread::scope(|scope| {
            let bind = || {
                begin.wait();
                Server::new(App::new).bind_uds(&path)
            };
            let binding: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
            binding.into_iter().map(|bound| bound.join().unwrap()).collect()
        });
        let (served, refused): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!(served.len(), 1, "round {round}");
        for error in refused.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        }
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }
}

#[test]
fn a_socket_in_use_and_a_file_that_is_none_stay() {
    let (folder, path) = place();
    let used = UnixListener::bind(&path).unwrap();
    let error = Server::new(App::new).bind_uds(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let expected = format!(
        "cannot listen on {}: another process listens there",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    // The probe is not served.
    drop(used);

    let file = folder.path().join("notes");
    fs::write(&file, "kept").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let error = Server::new(App::new).bind_uds(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(
            error
                .to_string()
                .ends_with(": there is a file that is not a socket"),
            "{error}"
        );
    }
    assert_eq!(fs::read_to_string(&link).unwrap(), "kept");

    let nowhere = folder.path().join("no/such/folder");
    let error = Server::new(App::new).bind_uds(nowhere).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let server = Server::new(App::new).bind_uds(folder.path().join("new")).unwrap();
    let kind = fs::metadata(folder.path().join("new")).unwrap().file_type();
    assert!(kind.is_socket());
    drop(server);
}

/// A proxy says whose requests it passes on, if it is trusted.
#[tokio::test]
async fn limits_by_address_go_by_the_header_of_a_trusted_proxy() {
    let log = Log::start_everywhere();
    let warnings = || {
        let lines = log.take();
        lines
            .iter()
            .filter(|(level, fields)| {
                *level == Level::WARN && fields.get("message").contains("trusted_proxy(\"unix:\")")
            })
            .count()
    };
    for trusted in [false, true] {
        let builder = Hub::builder().max_streams_per_address(1);
        let builder = if trusted {
            builder.trusted_proxy("unix:")
        } else {
            builder
        };
        let (hub, (_folder, path)) = (builder.build().unwrap(), place());
        let bound = path.clone();
        let _serving = serve!(hub, |server| server.bind_uds(bound).unwrap());
        let stream = async |header: &str| {
            let mut wire = get(&path, "/", header).await;
            // Who is turned away gets one line, of a known length.
            let opened = wire.head().await.values("content-length").is_empty();
            (wire, opened)
        };
        let one = "X-Forwarded-For: 192.0.2.1\r\n";
        let (_first, opened) = stream(one).await;
        assert!(opened);
        let (_second, opened) = stream(one).await;
        assert_eq!(opened, !trusted, "another of the same address");
        let (_other, opened) = stream("X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n").await;
        assert!(opened);
        assert_eq!(warnings(), usize::from(!trusted), "once");
    }
}
