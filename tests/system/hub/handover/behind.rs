//! What a client sends behind its request for a stream.

use std::{fs, future::pending, io, time::Duration};

use actix_web::{App, web};
use futures_util::{StreamExt as _, stream};
use sse_actix::{Event, Hub, Server, Sse, sse_stream, test::Serving};
use sse_tests::{
    guard::{Guard, Guards},
    patience::within,
};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, sleep},
};

/// Which the handlers hold as long as they stream.
type Held = web::Data<Guards>;

#[sse_stream]
async fn emitting(guards: Held) {
    let _guard = guards.guard();
    emit!("first");
    pending::<()>().await;
}

#[sse_stream(plain)]
async fn plain(guards: Held) {
    let _guard = guards.guard();
    emit!("first");
    pending::<()>().await;
}

async fn items(guards: Held) -> Sse<impl stream::Stream<Item = Event>> {
    let guard: Guard = guards.guard();
    Sse::new(
        stream::iter([Event::data("first")]).chain(stream::once(async move {
            let _guard = guard;
            pending().await
        })),
    )
}

/// Seconds of processor time that this process has used.
fn processor_time() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| {
        let path = thread.unwrap().path().join("schedstat");
        let stat = fs::read_to_string(path).unwrap_or_default();
        stat.split(' ')
            .next()
            .and_then(|nanos| nanos.parse::<f64>().ok())
            .unwrap_or(0.0)
    });
    threads.sum::<f64>() / 1e9
}

/// 30,000 requests, as far as the kernels take them.
async fn send_many(socket: &TcpStream) -> usize {
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(30_000);
    let (mut sent, begun) = (0, Instant::now());
    while begun.elapsed() < Duration::from_secs(1) {
        match socket.try_write(&requests.as_bytes()[sent..]) {
            Ok(some) => sent += some,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
        if sent == requests.len() {
            break;
        }
    }
    sent
}

#[tokio::test]
async fn many_requests_cost_nothing_and_leaving_is_noticed() {
    let hub = Hub::new().unwrap();
    let (guards, mut drops) = Guards::new();
    let (shared, held) = (web::Data::new(hub.clone()), web::Data::new(guards));
    let app = move || {
        let subscription = async |hub: web::Data<Hub>, guards: Held| {
            hub.subscribe("n").filter({
                let guard = guards.guard();
                move |_: &u64| {
                    let _ = &guard;
                    true
                }
            })
        };
        App::new()
            .app_data(shared.clone())
            .app_data(held.clone())
            .route("/hub", web::get().to(subscription))
            .route("/emit", web::get().to(emitting))
            .route("/plain", web::get().to(plain))
            .route("/items", web::get().to(items))
    };
    let serving = Serving::with(app.clone(), |server: Server<_>| server);
    let on_the_usual_way = Serving::with(app, |server: Server<_>| server.direct_fan_out(false));
    for (serving, path) in [
        (&serving, "/hub"),
        (&on_the_usual_way, "/hub"),
        (&serving, "/emit"),
        (&serving, "/plain"),
        (&serving, "/items"),
    ] {
        let mut socket = TcpStream::connect(serving.addr()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        socket.try_write(request.as_bytes()).unwrap();
        let mut first = [0; 1024];
        assert!(within("the head", socket.read(&mut first)).await.unwrap() > 0);
        assert!(send_many(&socket).await >= 64 * 1024, "{path}");

        let (used, begun) = (processor_time(), Instant::now());
        sleep(Duration::from_secs(1)).await;
        let share = (processor_time() - used) / begun.elapsed().as_secs_f64();
        assert!(share < 0.2, "{path}: {share} of a processor");
        drop(socket);
        drops.next().await;
    }
}
