//! TLS with OpenSSL.

use std::time::Duration;

use actix_web::{App, web};
use openssl::{
    pkey::PKey,
    ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod},
    x509::X509,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use sse_actix::{Event, Hub, Server, test::Serving};
use sse_tests::{
    certified::{connect, connect_for},
    http2::Http2,
    patience::until,
    wire::Wire,
};
use tokio::net::{TcpSocket, TcpStream};

use crate::hub::{count, event, opening, until_reads, without_positions};

fn certified() -> (SslAcceptorBuilder, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    let key = PKey::private_key_from_der(&signing_key.serialize_der()).unwrap();
    builder.set_private_key(&key).unwrap();
    builder
        .set_certificate(&X509::from_der(cert.der()).unwrap())
        .unwrap();
    (builder, cert.der().clone())
}

macro_rules! serve {
    ($hub:expr, |$server:ident| $set:expr) => {{
        let hub = web::Data::new($hub.clone());
        let app = move || {
            App::new()
                .app_data(hub.clone())
                .route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
        };
        Serving::with(app, move |$server: Server<_>| $set)
    }};
}

#[tokio::test]
async fn on_http_1_1_streams_are_handed_over() {
    let hub = Hub::new().unwrap();
    let (builder, certificate) = certified();
    let serving = serve!(hub, |server| {
        let server = server.bind_openssl(("127.0.0.1", 0), builder).unwrap();
        assert_eq!(server.addrs_with_scheme()[0].1, "https");
        // Small, so that OpenSSL often has a write that was not taken.
        server.send_buffer(4 * 1024)
    });
    let socket = TcpStream::connect(serving.addr()).await.unwrap();
    let mut wire = Wire::over(connect_for(b"http/1.1", socket, certificate).await);
    wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    wire.head().await;
    opening(&mut wire).await;
    until("a hand-over", async || hub.stats().handed_over == 1).await;

    // Nobody reads yet. What is not taken is tried again, and that with the same bytes.
    let mut expected = String::new();
    for size in [1, 400, 600, 5_000, 40_000, 300_000, 3, 500, 1_000_000, 7] {
        let data = "x".repeat(size);
        let id = hub.raw("n").publish(Event::data(data.clone())).await.unwrap();
        expected += &event(&id, data);
    }
    let mut received = String::new();
    while received.len() < expected.len() {
        received += str::from_utf8(&wire.chunk().await.unwrap()).unwrap();
    }
    assert!(received == expected);

    serving.shutdown().fire();
    assert!(wire.body().await.starts_with("retry: "));
    // With close_notify: rustls tells a cut from an end.
    wire.rest().await.1.unwrap();
}

#[tokio::test]
async fn on_http_2_streams_share_a_connection_and_end_with_it() {
    let hub = Hub::new().unwrap();
    let (builder, certificate) = certified();
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let serving = serve!(hub, |server| server.listen_openssl(socket, builder).unwrap());
    let socket = connect(serving.addr(), certificate).await;
    let mut client = Http2::over(socket, &h2::client::Builder::new()).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let mut answer = client.get("/").await;
        let opening = answer.frame().await.unwrap();
        let opening = without_positions(str::from_utf8(&opening).unwrap());
        assert_eq!(opening, "retry: 3000\n");
        answers.push(answer);
    }
    until_reads(&hub, "n").await;
    until("all to read", async || hub.stats().streams == 20).await;
    let ids = count(&hub, "n", [1]).await;
    for answer in &mut answers {
        assert_eq!(answer.frame().await.unwrap(), event(&ids[0], 1));
    }
    drop(client);
    until("the streams to end", async || hub.stats().streams == 0).await;
}

/// OpenSSL refuses to try again with fewer bytes than it was given. So this client lets small events find a full socket.
#[tokio::test]
async fn a_small_event_that_was_not_taken_is_tried_again_whole() {
    const EVENTS: usize = 400;

    let hub = Hub::new().unwrap();
    let (builder, certificate) = certified();
    let serving = serve!(hub, |server| {
        let server = server.bind_openssl(("127.0.0.1", 0), builder).unwrap();
        server.send_buffer(4 * 1024)
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let socket = socket.connect(serving.addr()).await.unwrap();
    let mut wire = Wire::over(connect_for(b"http/1.1", socket, certificate).await);
    wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    wire.head().await;
    opening(&mut wire).await;
    until("a hand-over", async || hub.stats().handed_over == 1).await;

    let mut expected = String::new();
    for _ in 0..EVENTS {
        let data = "x".repeat(300);
        let id = hub.raw("n").publish(Event::data(data.clone())).await.unwrap();
        expected += &event(&id, data);
        // The worker shall send each by itself, as long as the socket takes it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut received = String::new();
    while received.len() < expected.len() {
        received += str::from_utf8(&wire.chunk().await.unwrap()).unwrap();
    }
    assert!(received == expected);
}

/// What a client offers decides, and without an offer it is HTTP/1.1.
#[tokio::test]
async fn a_client_without_alpn_gets_http_1_1() {
    let hub = Hub::new().unwrap();
    let (builder, certificate) = certified();
    let serving = serve!(hub, |server| server
        .bind_openssl(("127.0.0.1", 0), builder)
        .unwrap());
    let socket = TcpStream::connect(serving.addr()).await.unwrap();
    let mut wire = Wire::over(sse_tests::certified::connect_silently(socket, certificate).await);
    wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
}
