//! A hub works on every runtime on which actix serves.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
};

use actix_web::{App, Error, HttpServer, dev::ServerHandle, rt::System, web, web::Data};
use futures_util::StreamExt as _;
use sse_actix::{Hub, Server, Shutdown, Subscription, sse_stream};
use tokio::{runtime, sync::oneshot};

use super::{Reader, count, event, until_reads};

#[derive(Clone, Copy, Debug)]
enum Runtime {
    Tokio { threads: bool },
    Actix,
}

impl Runtime {
    fn block_on(self, serving: impl Future<Output = std::io::Result<()>>) {
        let served = match self {
            Self::Tokio { threads: true } => runtime::Runtime::new().unwrap().block_on(serving),
            Self::Tokio { threads: false } => {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(serving)
            }
            Self::Actix => System::new().block_on(serving),
        };
        served.unwrap();
    }
}

async fn subscription(hub: Data<Hub>) -> Subscription {
    hub.subscribe("n")
}

#[sse_stream]
async fn inside(hub: Data<Hub>) -> Result<(), Error> {
    let mut events = hub.subscribe("n");
    while let Some(event) = events.next().await {
        emit!(event?);
    }
    Ok(())
}

fn app(routes: &mut web::ServiceConfig, hub: &Hub) {
    routes
        .app_data(Data::new(hub.clone()))
        .route("/", web::get().to(subscription))
        .route("/inside", web::get().to(inside));
}

/// Serves on a thread of its own, by actix's server.
fn actix_server(runtime: Runtime, hub: &Hub) -> (SocketAddr, ServerHandle, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, hub) = (listener.local_addr().unwrap(), hub.clone());
    let (send, handle) = oneshot::channel();
    let serving = thread::spawn(move || {
        runtime.block_on(async move {
            let server = HttpServer::new(move || App::new().configure(|routes| app(routes, &hub)))
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run();
            send.send(server.handle()).ok().unwrap();
            server.await
        });
    });
    (addr, handle.blocking_recv().unwrap(), serving)
}

/// The same by ours.
fn our_server(runtime: Runtime, hub: &Hub) -> (SocketAddr, Shutdown, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, hub, shutdown) = (listener.local_addr().unwrap(), hub.clone(), Shutdown::new());
    let serving = Server::new(move || App::new().configure(|routes| app(routes, &hub)))
        .workers(1)
        .disable_signals()
        .shut_down_by(&shutdown)
        .listen(listener)
        .unwrap();
    let serving = thread::spawn(move || runtime.block_on(serving.run()));
    (addr, shutdown, serving)
}

const RUNTIMES: [Runtime; 3] = [
    Runtime::Tokio { threads: true },
    Runtime::Tokio { threads: false },
    Runtime::Actix,
];

/// Both kinds of stream get what is published from another runtime, live and replayed.
fn reads(addr: SocketAddr, hub: &Hub) {
    runtime::Runtime::new().unwrap().block_on(async {
        for path in ["/", "/inside"] {
            let mut reader = Reader::new(addr, path).await;
            until_reads(hub, "n").await;
            let ids = count(hub, "n", 1..=2).await;
            assert_eq!(
                reader.take(2).await,
                [event(&ids[0], 1), event(&ids[1], 2)],
                "{path}"
            );
            if path == "/" {
                let mut back = Reader::back(addr, path, &ids[0]).await;
                assert_eq!(back.next().await, event(&ids[1], 2));
            }
        }
    });
}

#[test]
fn actix_serves_on_any_runtime() {
    for runtime in RUNTIMES {
        let hub = Hub::new().unwrap();
        let (addr, server, serving) = actix_server(runtime, &hub);
        reads(addr, &hub);
        drop(server.stop(false));
        serving.join().unwrap();
    }
}

#[test]
fn our_server_serves_on_any_runtime() {
    for runtime in RUNTIMES {
        let hub = Hub::new().unwrap();
        let (addr, shutdown, serving) = our_server(runtime, &hub);
        reads(addr, &hub);
        shutdown.fire();
        serving.join().unwrap();
    }
}

#[test]
fn several_servers_share_a_hub() {
    let hub = Hub::new().unwrap();
    let (first, server, serving) = actix_server(Runtime::Tokio { threads: true }, &hub);
    let (second, shutdown, serving_too) = our_server(Runtime::Actix, &hub);
    runtime::Runtime::new().unwrap().block_on(async {
        let mut readers = [Reader::new(first, "/").await, Reader::new(second, "/").await];
        let ids = count(&hub, "n", 1..=1).await;
        for reader in &mut readers {
            assert_eq!(reader.next().await, event(&ids[0], 1));
        }
    });
    drop(server.stop(false));
    shutdown.fire();
    serving.join().unwrap();
    serving_too.join().unwrap();
}

/// Where no task can be spawned, the error says what to do, and nothing panics.
#[test]
fn without_a_task_a_subscription_says_what_it_needs() {
    let hub = Hub::new().unwrap();
    let error = runtime::Runtime::new()
        .unwrap()
        .block_on(async { hub.subscribe("n").next().await.unwrap().unwrap_err() });
    assert!(error.to_string().contains("`Hub::follow`"), "{error}");
}
