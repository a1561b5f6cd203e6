//! HTTP/1.1 and HTTP/2 on one port, without TLS: how a client begins.

use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use sse_actix::test::Serving;
use sse_tests::{patience::within, wire::Wire};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

/// actix counts from a clock that it looks at twice a second, so it needs a second at least.
fn serve(client_request_timeout: Duration) -> Serving {
    Serving::with(
        || App::new().route("/", web::get().to(HttpResponse::Ok)),
        move |server| {
            server
                .client_request_timeout(client_request_timeout)
                .bind_auto_h2c(("127.0.0.1", 0))
                .unwrap()
        },
    )
}

#[tokio::test]
async fn a_client_that_does_not_say_what_it_speaks_is_let_go() {
    let serving = serve(Duration::from_millis(300));
    for begun in ["", "P", "PRI * ", "PRI * HTTP/"] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(begun).await;
        let (rest, _) = wire.rest().await;
        assert_eq!(rest, "", "{begun:?}");
    }
}

#[tokio::test]
async fn a_preface_may_come_in_parts() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let serving = serve(Duration::from_secs(60));
    for at in 1..PREFACE.len() {
        let mut socket = TcpStream::connect(serving.addr()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(&PREFACE[..at]).await.unwrap();
        sleep(Duration::from_millis(15)).await;
        socket.write_all(&PREFACE[at..]).await.unwrap();
        socket
            .write_all(SETTINGS)
            .await
            .unwrap_or_else(|error| panic!("in two at {at}: {error}"));
        let mut frame = [0; 9];
        within("a frame", socket.read_exact(&mut frame)).await.unwrap();
        // The server's settings.
        assert_eq!(frame[3], 4, "in two at {at}");
    }
}

#[tokio::test]
async fn a_request_that_begins_like_it_is_one_of_http1() {
    let serving = serve(Duration::from_secs(60));
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("P").await;
    sleep(Duration::from_millis(30)).await;
    wire.send("UT / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 404 Not Found");
}
