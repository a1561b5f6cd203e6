//! Clients that begin to read late get every byte of an answer that fails, and what it fails with.

use std::{future::ready, net::SocketAddr, ops::Range, time::Duration};

use actix_web::{App, Error, error::ErrorBadGateway, web};
use futures_util::{Stream, StreamExt as _, future::join_all, stream};
use http::Method;
use sse_actix::{Event, Server, Sse, test::Serving};
use sse_tests::{
    certified::{certified, connect_for},
    http2::{Answer, Http2},
    patience::within,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::sleep,
};

use super::{ERROR, error_event};

/// An answer of so many kilobytes, in events of one each, that fails after it.
fn answer(kilobytes: usize) -> impl Stream<Item = Result<Event, Error>> {
    let events = stream::iter(0..kilobytes).map(|number| Ok(Event::data(format!("{number:0>992}"))));
    events.chain(stream::iter([Err(ErrorBadGateway("the model is gone"))]))
}

async fn failing(kilobytes: web::Path<usize>) -> Sse<impl Stream<Item = Result<Event, Error>>> {
    Sse::new(answer(*kilobytes)).on_error(error_event)
}

fn expected(kilobytes: usize) -> String {
    let events = (0..kilobytes).map(|number| format!("data: {number:0>992}\n\n"));
    events.collect::<String>() + ERROR
}

/// With less the kernel sends a record at times by probes of a full window alone, 400 bytes each fifth of a second.
const TLS_ROOM: u32 = 4_096;

/// With as little room for what it gets as the kernel lets it have.
async fn narrow(addr: SocketAddr) -> TcpStream {
    with_room(addr, 1).await
}

/// With room for so many bytes that it has not read.
async fn with_room(addr: SocketAddr, bytes: u32) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(bytes).unwrap();
    socket.connect(addr).await.unwrap()
}

/// Asks, waits, and reads everything; a body has to be cut.
async fn read_late(socket: impl AsyncRead + AsyncWrite + Unpin, version: &str, kilobytes: usize) {
    expect_late(socket, version, kilobytes, &expected(kilobytes)).await;
}

async fn expect_late(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    version: &str,
    kilobytes: usize,
    expected: &str,
) {
    let request = format!("POST /{kilobytes} {version}\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket.flush().await.unwrap();
    sleep(Duration::from_millis(300)).await;
    let (mut received, mut some) = (Vec::new(), vec![0; 16_384]);
    while let Ok(read @ 1..) = socket.read(&mut some).await {
        received.extend_from_slice(&some[..read]);
    }
    let at = received.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, mut rest) = (&received[..at], &received[at + 4..]);
    let mut body = Vec::new();
    if head.starts_with(b"HTTP/1.0") {
        body.extend_from_slice(rest);
    } else {
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            assert!(size > 0, "{kilobytes} KB: a last chunk, as if this were all");
            body.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
    }
    let body = String::from_utf8(body).unwrap();
    assert!(
        body == expected,
        "{kilobytes} KB: {} bytes of {} after {}",
        body.len(),
        expected.len(),
        String::from_utf8_lossy(head)
    );
}

#[tokio::test]
async fn two_hundred_miss_nothing() {
    let app = || App::new().route("/{kilobytes}", web::post().to(failing));
    // On a machine that has other work, two hundred requests are not heard within five seconds.
    let patience = Duration::from_secs(60);
    let serving = Serving::with(app, move |server: Server<_>| {
        server.send_buffer(1).client_request_timeout(patience)
    });
    let addr = serving.addr();
    let readers = (700..900).map(|kilobytes| async move {
        read_late(narrow(addr).await, "HTTP/1.1", kilobytes).await;
    });
    within("two hundred answers", join_all(readers)).await;
}

/// Where the connection is reset, so that the kernel forgets what it has not sent.
#[tokio::test]
async fn nor_do_they_on_http_1_0() {
    let app = || App::new().route("/{kilobytes}", web::post().to(failing));
    let serving = Serving::with(app, |server: Server<_>| server.send_buffer(1));
    let addr = serving.addr();
    let readers = (700..720).map(|kilobytes| async move {
        read_late(narrow(addr).await, "HTTP/1.0", kilobytes).await;
    });
    within("twenty answers", join_all(readers)).await;
}

/// Reads answers of these lengths late, over TLS.
async fn read_over_tls(
    routes: fn(&mut web::ServiceConfig),
    kilobytes: Range<usize>,
    expected: fn(usize) -> String,
) {
    let (config, certificate) = certified(["localhost"]);
    let app = move || App::new().configure(routes);
    let serving = Serving::with(app, |server: Server<_>| {
        server
            .send_buffer(1)
            .bind_rustls_0_23(("127.0.0.1", 0), config)
            .unwrap()
    });
    let addr = serving.addr();
    let readers = kilobytes.map(|kilobytes| {
        let certificate = certificate.clone();
        async move {
            let socket = connect_for(b"http/1.1", with_room(addr, TLS_ROOM).await, certificate).await;
            expect_late(socket, "HTTP/1.1", kilobytes, &expected(kilobytes)).await;
        }
    });
    within("all answers", join_all(readers)).await;
}

#[tokio::test]
async fn nor_do_they_over_tls() {
    let routes = |app: &mut web::ServiceConfig| _ = app.route("/{kilobytes}", web::post().to(failing));
    read_over_tls(routes, 700..720, expected).await;
}

/// It fails when the dispatcher has nothing more to write, and TLS has.
async fn failing_later(kilobytes: web::Path<usize>) -> Sse<impl Stream<Item = Result<Event, Error>>> {
    let failure = stream::once(async {
        sleep(Duration::from_millis(100)).await;
        Err(ErrorBadGateway("the model is gone"))
    });
    let answer = answer(*kilobytes).filter(|event| ready(event.is_ok()));
    Sse::new(answer.chain(failure))
}

#[tokio::test]
async fn nor_do_they_where_tls_alone_has_something_left() {
    let routes = |app: &mut web::ServiceConfig| _ = app.route("/{kilobytes}", web::post().to(failing_later));
    let without_error = |kilobytes| expected(kilobytes).strip_suffix(ERROR).unwrap().to_owned();
    read_over_tls(routes, 10..60, without_error).await;
}

/// Where the stream is reset after what its window lets through.
#[tokio::test]
async fn nor_do_they_on_http_2() {
    let app = || App::new().route("/{kilobytes}", web::post().to(failing));
    let serving = Serving::with(app, |server: Server<_>| {
        // actix asks whether a silent client is there as often as this, and closes the connection if it does not
        // answer in time: its answer comes after what it has not read.
        let server = server.keep_alive(Duration::from_secs(120)).send_buffer(1);
        server.bind_auto_h2c(("127.0.0.1", 0)).unwrap()
    });
    let addr = serving.addr();
    let readers = (700..720).map(|kilobytes| async move {
        // Frames may lie unread: it is the server's patience that counts here.
        let mut settings = h2::client::Builder::new();
        settings.data_frame_budget(usize::MAX);
        let mut client = Http2::over(TcpStream::connect(addr).await.unwrap(), &settings).await;
        let (answer, _) = client.request(Method::POST, &format!("/{kilobytes}"), true).await;
        let mut answer = Answer::to(answer).await;
        sleep(Duration::from_millis(300)).await;
        let mut body = String::new();
        let reset = loop {
            match answer.try_frame().await {
                Ok(frame) => body += str::from_utf8(&frame.expect("no clean end")).unwrap(),
                Err(error) => break error,
            }
        };
        assert!(
            reset.is_reset(),
            "{kilobytes} KB, {} bytes: {reset:?}",
            body.len()
        );
        assert!(
            body == expected(kilobytes),
            "{kilobytes} KB: {} bytes",
            body.len()
        );
    });
    within("twenty answers", join_all(readers)).await;
}
