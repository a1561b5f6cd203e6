//! Times without end. A time-out's end is a moment, and moments beyond the clock's range are a panic in every connection.

use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use futures_util::stream;
use sse_actix::{Event, KeepAlive, Sse, test::Serving};
use sse_tests::{http2::Http2, wire::Wire};

fn app(app: &mut web::ServiceConfig) {
    let stream = async || Sse::new(stream::iter([Event::data("one")])).keep_alive(KeepAlive::OFF);
    app.route("/", web::get().to(HttpResponse::Ok))
        .route("/stream", web::get().to(stream));
}

#[tokio::test]
async fn the_longest_duration_is_a_long_one() {
    let serving = Serving::with(
        || App::new().configure(app),
        |server| {
            server
                .keep_alive(Duration::MAX)
                .client_request_timeout(Duration::MAX)
                .client_disconnect_timeout(Duration::MAX)
                .tls_handshake_timeout(Duration::MAX)
                .user_timeout(Duration::MAX)
                .shutdown_timeout(Duration::MAX)
                .bind_auto_h2c(("127.0.0.1", 0))
                .unwrap()
        },
    );
    let mut wire = Wire::get(serving.addr(), "/").await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    // The same connection, kept alive.
    wire.send("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n").await;
    wire.head().await;
    assert_eq!(wire.body().await, "retry: 3000\ndata: one\n\n");
    let mut client = Http2::connect(serving.addr()).await;
    assert_eq!(client.get("/").await.status(), 200);
}

/// The kernel takes no more, and says so by an error.
#[tokio::test]
async fn the_longest_user_timeout_is_the_kernels_longest() {
    let (send, mut set) = tokio::sync::mpsc::unbounded_channel();
    let serving = Serving::with(
        || App::new().configure(app),
        move |server| {
            server.user_timeout(Duration::MAX).on_connect(move |io, _| {
                let tcp = io.downcast_ref::<tokio::net::TcpStream>().unwrap();
                let timeout = socket2::SockRef::from(tcp).tcp_user_timeout();
                send.send(timeout.unwrap()).unwrap();
            })
        },
    );
    Wire::get(serving.addr(), "/").await.head().await;
    let longest = Duration::from_millis(i32::MAX.unsigned_abs().into());
    assert_eq!(set.recv().await.unwrap(), Some(longest));
}
