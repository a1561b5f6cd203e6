//! What a client sends behind its request for a stream.

use std::{fs, future::pending, io, time::Duration};

use actix_web::{App, web};
use futures_util::{StreamExt as _, stream};
use sse_actix::{Event, Hub, Server, Sse, sse_stream, test::Serving};
use sse_tests::{
    guard::{Guard, Guards},
    patience::within,
    wire::Wire,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
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

/// A request whose body has no length, or which asks for another protocol, is no way around that.
#[tokio::test]
async fn many_requests_behind_one_without_a_length_cost_nothing() {
    let hub = web::Data::new(Hub::new().unwrap());
    let serving = Serving::start(move || {
        App::new()
            .app_data(hub.clone())
            .route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
    });
    for headers in [
        "Upgrade: x\r\n\r\n",
        "Upgrade: websocket\r\n\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
    ] {
        let mut socket = TcpStream::connect(serving.addr()).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}");
        socket.try_write(request.as_bytes()).unwrap();
        let mut first = [0; 1024];
        assert!(
            within("the head", socket.read(&mut first)).await.unwrap() > 0,
            "{headers}"
        );
        send_many(&socket).await;
        let (used, begun) = (processor_time(), Instant::now());
        sleep(Duration::from_secs(1)).await;
        let share = (processor_time() - used) / begun.elapsed().as_secs_f64();
        assert!(share < 0.2, "{headers}: {share} of a processor");
    }
}

/// What it announces is the request's own.
#[tokio::test]
async fn a_handler_that_emits_reads_its_whole_request() {
    const LENGTH: usize = 1_000_000;

    #[sse_stream(plain)]
    async fn upload(mut payload: web::Payload) -> Result<(), actix_web::Error> {
        emit!("begun");
        let mut read = 0;
        while let Some(chunk) = payload.next().await {
            read += chunk?.len();
        }
        emit!(read.to_string());
        Ok(())
    }

    let serving = Serving::start(|| App::new().route("/", web::post().to(upload)));
    for (framing, before, after) in [
        (format!("Content-Length: {LENGTH}"), String::new(), ""),
        (
            "Transfer-Encoding: chunked".to_owned(),
            format!("{LENGTH:X}\r\n"),
            "\r\n0\r\n\r\n",
        ),
    ] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n"))
            .await;
        wire.head().await;
        assert_eq!(wire.chunk().await.unwrap(), "data: begun\n\n");
        wire.send(format!("{before}{}{after}", "x".repeat(LENGTH))).await;
        assert_eq!(wire.body().await, format!("data: {LENGTH}\n\n"));
    }
}

/// What is part of no chunk does not stop a request: extensions and trailers, as long as they like.
#[tokio::test]
async fn a_chunked_body_with_much_around_it_arrives() {
    let serving = Serving::start(|| App::new().route("/", web::post().to(async |body: web::Bytes| body)));
    let padding = "a".repeat(70_000);
    for body in [
        format!("1;{padding}\r\nx\r\n0\r\n\r\n"),
        format!("1\r\nx\r\n0\r\nT: {padding}\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        sleep(Duration::from_millis(20)).await;
        wire.send(body).await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(wire.exactly(1).await, "x");
    }
}

/// A handler that has not answered yet.
#[tokio::test]
async fn many_requests_before_the_answer_cost_nothing_either() {
    #[sse_stream]
    async fn slow() {
        sleep(Duration::from_millis(1_500)).await;
        emit!("first");
        pending::<()>().await;
    }

    let serving = Serving::start(|| App::new().route("/", web::get().to(slow)));
    let mut socket = TcpStream::connect(serving.addr()).await.unwrap();
    send_many(&socket).await;
    let mut first = [0; 1024];
    assert!(within("the head", socket.read(&mut first)).await.unwrap() > 0);
    let (used, begun) = (processor_time(), Instant::now());
    sleep(Duration::from_secs(1)).await;
    let share = (processor_time() - used) / begun.elapsed().as_secs_f64();
    assert!(share < 0.2, "{share} of a processor");
}

/// Behind an ordinary answer nothing is lost, however late it comes.
#[tokio::test]
async fn requests_behind_an_ordinary_one_are_all_answered() {
    // actix itself forgets some of more than sixteen until its time-out.
    const REQUESTS: usize = 14;

    let late = async || {
        sleep(Duration::from_millis(1)).await;
        "done"
    };
    let at_once = async || "done";
    let serving = Serving::start(move || {
        App::new()
            .route("/late", web::get().to(late))
            .route("/", web::get().to(at_once))
    });
    let wire = TcpStream::connect(serving.addr()).await.unwrap();
    let (mut reader, mut writer) = wire.into_split();
    let sent = tokio::spawn(async move {
        let late = "GET /late HTTP/1.1\r\nHost: test\r\n\r\n";
        let others = format!(
            "GET / HTTP/1.1\r\nHost: test\r\nX-Pad: {}\r\n\r\n",
            "x".repeat(8_000)
        );
        let others = others.repeat(REQUESTS - 1);
        writer
            .write_all(format!("{late}{others}").as_bytes())
            .await
            .unwrap();
        writer
    });
    let mut answers = 0;
    within("all answers", async {
        let mut received = Vec::new();
        while answers < REQUESTS {
            assert!(
                reader.read_buf(&mut received).await.unwrap() > 0,
                "{answers} answers"
            );
            let whole = received
                .iter()
                .rposition(|byte| *byte == b'e')
                .map_or(0, |last| last + 1);
            let taken = received.drain(..whole).collect::<Vec<_>>();
            answers += taken.windows(4).filter(|four| four == b"done").count();
        }
    })
    .await;
    drop(sent.await.unwrap());
}
