//! What TLS is told.

use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use futures_util::FutureExt as _;
use sse_actix::test::Serving;
use sse_tests::{
    certified::{certified, connect_for},
    wire::Wire,
};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_client_that_does_not_shake_hands_is_dropped() {
    let serve = |timeout| {
        let (config, _) = certified(["localhost"]);
        Serving::with(App::new, move |server| {
            let server = server.bind_rustls_0_23(("127.0.0.1", 0), config).unwrap();
            server.tls_handshake_timeout(timeout)
        })
    };
    let patient = serve(Duration::from_secs(3_600));
    let impatient = serve(Duration::from_millis(50));
    let mut kept = Wire::connect(patient.addr()).await;
    let dropped = async {
        for _ in 0..3 {
            let mut silent = Wire::connect(impatient.addr()).await;
            assert_eq!(silent.rest().await.0, "");
        }
    };
    tokio::select! {
        _ = kept.rest() => panic!("this one has an hour"),
        () = dropped => {}
    }
}

/// Tests run in processes of their own, since actix keeps this for the whole process.
#[tokio::test]
async fn as_many_handshakes_at_once_as_a_worker_may_have() {
    let (config, certificate) = certified(["localhost"]);
    let serving = Serving::with(
        || App::new().route("/", web::get().to(HttpResponse::Ok)),
        move |server| {
            server
                .max_connection_rate(1)
                .tls_handshake_timeout(Duration::from_secs(3_600))
                .bind_rustls_0_23(("127.0.0.1", 0), config)
                .unwrap()
        },
    );
    let addr = serving.addr();
    let shake = async || {
        let socket = TcpStream::connect(addr).await.unwrap();
        Wire::over(connect_for(b"http/1.1", socket, certificate.clone()).await)
    };
    let mut first = shake().await;
    let never_shakes = TcpStream::connect(addr).await.unwrap();
    let second = shake();
    let mut second = std::pin::pin!(second);
    // The worker is as good as ever to who is there, and accepts nobody.
    for _ in 0..50 {
        first.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert_eq!(first.head().await.status_line(), "HTTP/1.1 200 OK");
        assert!(second.as_mut().now_or_never().is_none());
    }
    drop(never_shakes);
    second.await;
}
