//! Clients that leave. The streams of most tests send no keep-alives: what ends them is not a write.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    body::{BodySize, BoxBody, MessageBody},
    dev::Service as _,
    get, web,
};
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use http::Method;
use sse_actix::{Event, KeepAlive, Sse, sse_stream, test::Serving};
use sse_tests::{
    guard::{Drops, Guards},
    http2::Http2,
    patience::until,
    serve::serve,
    wire::{Wire, report},
};
use tokio::sync::oneshot;

fn silent(events: impl Stream<Item = Event> + 'static) -> Sse<impl Stream<Item = Event>> {
    Sse::new(events).keep_alive(KeepAlive::OFF)
}

/// `/` is silent, `/holding` too while it holds its request, `/flood` is anything but.
fn routes(guards: Guards) -> impl Fn(&mut web::ServiceConfig) + Send + Clone + 'static {
    move |app| {
        let (idle, holding, flood) = (guards.clone(), guards.clone(), guards.clone());
        app.route(
            "/",
            web::get().to(move || {
                let events = idle.held_by(stream::pending());
                async { silent(events) }
            }),
        )
        .route(
            "/holding",
            web::get().to(move |request: HttpRequest| {
                let events = holding
                    .held_by(stream::pending())
                    .inspect(move |_| assert_ne!(request.path(), ""));
                async { silent(events) }
            }),
        )
        .route(
            "/flood",
            web::get().to(move || {
                let events = flood.held_by(stream::repeat_with(|| Event::data("x".repeat(1_000))));
                async { silent(events) }
            }),
        );
    }
}

/// How long it takes until a guard is dropped, after `leave`.
async fn noticed(drops: &mut Drops, leave: impl FnOnce()) -> Duration {
    let start = Instant::now();
    leave();
    drops.next().await;
    start.elapsed()
}

fn report_all(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    report(&format!("{what}, median"), took[took.len() / 2]);
    report(&format!("{what}, longest"), took[took.len() - 1]);
}

#[tokio::test]
async fn on_http_1_1_the_preset_notices_at_once() {
    let (guards, mut drops) = Guards::new();
    let serving = serve(routes(guards));
    for (how, path, leave) in [
        ("closed", "/", drop as fn(Wire)),
        ("reset", "/", Wire::reset),
        ("closed, handler holds its request", "/holding", drop),
    ] {
        let mut took = Vec::new();
        for _ in 0..20 {
            let mut wire = Wire::get(serving.addr(), path).await;
            wire.head().await;
            wire.chunk().await.unwrap();
            took.push(noticed(&mut drops, || leave(wire)).await);
        }
        report_all(&format!("leave on HTTP/1.1 ({how})"), took);
    }
    until("every stream to be given back", async || {
        serving.shutdown().open_streams() == 0
    })
    .await;
}

#[tokio::test]
async fn on_http_2_a_lost_connection_ends_its_streams_at_once() {
    let (guards, mut drops) = Guards::new();
    let serving = serve(routes(guards.clone()));
    for path in ["/", "/holding"] {
        let mut took = Vec::new();
        for _ in 0..20 {
            let mut client = Http2::connect(serving.addr()).await;
            let mut streams = Vec::new();
            for _ in 0..5 {
                let mut answer = client.get(path).await;
                answer.frame().await.unwrap();
                streams.push(answer);
            }
            took.push(noticed(&mut drops, || drop(client)).await);
            for _ in 1..5 {
                drops.next().await;
            }
        }
        report_all(&format!("HTTP/2 connection lost, {path}"), took);
    }
    assert_eq!(guards.held(), 0);
    until("every stream to be given back", async || {
        serving.shutdown().open_streams() == 0
    })
    .await;
}

#[tokio::test]
async fn on_http_2_a_lost_connection_ends_a_stream_that_is_blocked() {
    let (guards, mut drops) = Guards::new();
    let serving = serve(routes(guards));
    let mut client = Http2::connect(serving.addr()).await;
    // Its window is used up, since nobody reads.
    let answer = client.get("/flood").await;
    report(
        "HTTP/2 connection lost, stream blocked",
        noticed(&mut drops, || drop(client)).await,
    );
    drop(answer);
}

#[tokio::test]
async fn a_stream_that_has_not_opened_yet_is_dropped_as_well() {
    let (guards, mut drops) = Guards::new();
    let held = guards.clone();
    let serving = serve(move |app| {
        app.app_data(web::Data::new(held.clone())).service(unopened);
    });
    let wire = Wire::get(serving.addr(), "/unopened").await;
    until("the handler to wait", async || guards.held() == 1).await;
    report(
        "leave on HTTP/1.1, stream not open",
        noticed(&mut drops, || drop(wire)).await,
    );

    let mut client = Http2::connect(serving.addr()).await;
    let answer = client.request(Method::GET, "/unopened", true).await;
    until("the handler to wait", async || guards.held() == 1).await;
    report(
        "HTTP/2 connection lost, stream not open",
        noticed(&mut drops, || drop(client)).await,
    );
    drop(answer);
}

/// Waits for its first event before it opens.
#[get("/unopened")]
#[sse_stream]
async fn unopened(guards: web::Data<Guards>) -> Result<(), Error> {
    let _guard = guards.guard();
    std::future::pending::<()>().await;
    emit!("never");
    Ok(())
}

/// `app` with its chunks counted.
fn counted(
    chunks: &Arc<AtomicUsize>,
    guards: &Guards,
) -> impl Fn(&mut web::ServiceConfig) + Send + Clone + 'static {
    let (chunks, guards) = (Arc::clone(chunks), guards.clone());
    move |app| {
        let (chunks, guards) = (Arc::clone(&chunks), guards.clone());
        let beating = move || {
            let events = guards.held_by(stream::pending::<Event>());
            async { Sse::new(events).keep_alive(KeepAlive::comment(KeepAlive::MIN)) }
        };
        let scope = web::scope("")
            .wrap_fn(move |request, app| {
                let chunks = Arc::clone(&chunks);
                app.call(request).map(|response| {
                    Ok(response?.map_body(|_, body| Counted {
                        body: body.boxed(),
                        chunks,
                    }))
                })
            })
            .route("/next", web::get().to(HttpResponse::Ok))
            .route("/", web::get().to(beating));
        app.service(scope);
    }
}

struct Counted {
    body: BoxBody,
    chunks: Arc<AtomicUsize>,
}

impl MessageBody for Counted {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(_))) = &polled {
            self.chunks.fetch_add(1, Ordering::SeqCst);
        }
        polled
    }
}

#[tokio::test]
async fn without_the_preset_it_takes_two_keep_alives() {
    let (chunks, (guards, mut drops)) = (Arc::default(), Guards::new());
    let routes = counted(&chunks, &guards);
    let (sender, started) = oneshot::channel();
    let thread = thread::spawn(move || {
        let server = HttpServer::new(move || App::new().configure(routes.clone()))
            .workers(1)
            .disable_signals();
        let server = server.bind(("127.0.0.1", 0)).unwrap();
        let addr = server.addrs()[0];
        let server = server.run();
        sender.send((addr, server.handle())).unwrap();
        actix_web::rt::System::new().block_on(server).unwrap();
    });
    let (addr, server) = started.await.unwrap();

    let mut wire = Wire::get(addr, "/").await;
    wire.head().await;
    wire.chunk().await.unwrap();
    let start = Instant::now();
    drop(wire);
    let before = chunks.load(Ordering::SeqCst);
    drops.next().await;
    let written = chunks.load(Ordering::SeqCst) - before;
    report(
        &format!("without the preset, {written} keep-alives of 100 ms"),
        start.elapsed(),
    );
    assert!(written <= 2, "{written} keep-alives");

    server.stop(false).await;
    thread.join().unwrap();
}

#[tokio::test]
async fn on_http_2_a_stream_that_is_reset_ends_at_the_next_keep_alive() {
    let (chunks, (guards, mut drops)) = (Arc::default(), Guards::new());
    let serving = serve(counted(&chunks, &guards));
    let mut client = Http2::connect(serving.addr()).await;
    let mut answer = client.get("/").await;
    answer.frame().await.unwrap();
    let start = Instant::now();
    drop(answer);
    // Sent after the reset, so that is known once this is answered.
    assert_eq!(client.get("/next").await.status(), 200);
    let before = chunks.load(Ordering::SeqCst);
    drops.next().await;
    let written = chunks.load(Ordering::SeqCst) - before;
    report(
        &format!("HTTP/2 stream reset, {written} keep-alives of 100 ms"),
        start.elapsed(),
    );
    assert!(written <= 1, "{written} keep-alives");

    // The connection is none the worse.
    let mut answer = client.get("/").await;
    assert_eq!(answer.frame().await.unwrap(), "retry: 3000\n");
    assert_eq!(answer.frame().await.unwrap(), ":\n");
}

#[tokio::test]
async fn a_client_that_never_reads_is_dropped_by_the_user_timeout_and_a_slow_one_is_not() {
    let (guards, mut drops) = Guards::new();
    let routes = routes(guards.clone());
    let serving = Serving::with(
        move || App::new().configure(routes.clone()),
        |server| server.user_timeout(Duration::from_secs(1)).send_buffer(64 * 1024),
    );
    let mut never_reads = Wire::get(serving.addr(), "/flood").await;
    never_reads.head().await;
    let mut slow = Wire::get(serving.addr(), "/flood").await;
    slow.head().await;

    let start = Instant::now();
    let reading = async {
        loop {
            slow.exactly(20_000).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = drops.next() => {}
    }
    report("client that never reads, user timeout of 1 s", start.elapsed());
    assert_eq!(guards.held(), 1);
    slow.exactly(5_000_000).await;
    drop(never_reads);
}
