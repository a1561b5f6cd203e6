//! Settings of `Server` are checked, and come in any order.

use std::{any::Any, io, net::TcpListener, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, dev::Extensions, rt::net::TcpStream, web};
use futures_util::stream;
use sse_actix::{Event, KeepAlive, Server, Shutdown, Sse, test::Serving};
use sse_tests::{http2::Http2, wire::Wire};

#[actix_web::test]
async fn a_server_without_an_address_says_so() {
    let error = Server::new(App::new).run().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "the server has no address to listen on: call `bind` or `listen` before `run`"
    );
}

#[actix_web::test]
async fn a_setting_that_could_serve_nobody_is_refused() {
    let bound = || Server::new(App::new).bind(("127.0.0.1", 0)).unwrap();
    for (server, setting) in [
        (bound().workers(0), "`workers`"),
        (bound().workers(1_000), "`workers`"),
        (bound().max_connections(0), "`max_connections`"),
        (
            bound().worker_max_blocking_threads(0),
            "`worker_max_blocking_threads`",
        ),
        (bound().max_connection_rate(0), "`max_connection_rate`"),
        (
            bound().tls_handshake_timeout(Duration::ZERO),
            "`tls_handshake_timeout`",
        ),
        (bound().h1_write_buffer_size(0), "`h1_write_buffer_size`"),
        (
            bound().h2_initial_window_size(1 << 31),
            "`h2_initial_window_size`",
        ),
        (
            bound().h2_initial_connection_window_size(u32::MAX),
            "`h2_initial_connection_window_size`",
        ),
    ] {
        let error = server.run().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(setting), "{error}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    let error = Server::new(App::new).bind(addr).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {addr}: ")),
        "{error}"
    );
    assert!(Server::new(App::new).bind_auto_h2c(addr).is_err());
    assert!(Server::new(App::new).inherit_or_bind(addr).is_err());
}

#[test]
fn one_of_several_addresses_is_enough() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let free = "127.0.0.1:0".parse().unwrap();
    let server = Server::new(App::new)
        .bind(&[taken.local_addr().unwrap(), free][..])
        .unwrap();
    assert_eq!(server.addrs().len(), 1);
    let nowhere = Server::new(App::new).bind(&[][..]).unwrap_err();
    assert_eq!(
        nowhere.to_string(),
        "the address to listen on resolves to nothing"
    );
}

struct First(u16);
struct Second(u16);

/// Answers with what both hooks have noted.
async fn noted(request: HttpRequest) -> HttpResponse {
    let first = request.conn_data::<First>().map(|first| first.0);
    let second = request.conn_data::<Second>().map(|second| second.0);
    HttpResponse::Ok().body(format!("{first:?} {second:?}"))
}

fn peer_port(io: &dyn Any) -> u16 {
    io.downcast_ref::<TcpStream>()
        .unwrap()
        .peer_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn every_connect_hook_is_called_and_settings_come_in_any_order() {
    let routes = || {
        App::new()
            .route("/", web::get().to(noted))
            .route("/stream", web::get().to(pending))
    };
    let serving = Serving::with(routes, |server| {
        server
            .on_connect(|io, data: &mut Extensions| _ = data.insert(First(peer_port(io))))
            .user_timeout(Duration::from_secs(60))
            .backlog(10)
            .bind_auto_h2c(("127.0.0.1", 0))
            .unwrap()
            .on_connect(|io, data: &mut Extensions| {
                assert!(data.contains::<First>(), "in turn");
                data.insert(Second(peer_port(io)));
            })
            .shut_down_by(&Shutdown::with_retry(
                Duration::from_secs(7)..=Duration::from_secs(7),
            ))
            .send_buffer(None)
            .shutdown_timeout(5)
            .max_connections(100)
            .keep_alive(Duration::from_secs(60))
            .client_request_timeout(Duration::from_secs(60))
            .client_disconnect_timeout(Duration::from_secs(1))
            .h2_initial_window_size(1 << 20)
            .h2_initial_connection_window_size(1 << 21)
    });
    let mut wire = Wire::get(serving.addr(), "/").await;
    wire.head().await;
    let port = wire.local_addr().port();
    let expected = format!("Some({port}) Some({port})");
    assert_eq!(wire.exactly(expected.len()).await, expected);

    let mut client = Http2::connect(serving.addr()).await;
    let answer = client.get("/").await.body().await;
    assert!(
        answer.starts_with("Some(") && answer.contains(") Some("),
        "{answer}"
    );

    // The preset's own hook is there too: streams hear of the shutdown.
    let mut stream = client.get("/stream").await;
    assert_eq!(stream.frame().await.unwrap(), "retry: 3000\n");
    serving.shutdown().fire();
    assert_eq!(stream.body().await, "retry: 7000\n");
}

async fn pending() -> Sse<stream::Pending<Event>> {
    Sse::new(stream::pending()).keep_alive(KeepAlive::OFF)
}

#[tokio::test]
async fn sockets_that_were_bound_elsewhere_are_served() {
    let sockets = [
        TcpListener::bind(("127.0.0.1", 0)).unwrap(),
        TcpListener::bind(("127.0.0.1", 0)).unwrap(),
    ];
    let [plain, h2c] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    let [first, second] = sockets;
    let serving = Serving::with(
        || App::new().route("/", web::get().to(pending)),
        move |server| server.listen(first).unwrap().listen_auto_h2c(second).unwrap(),
    );
    assert_eq!(serving.addr(), plain);
    for addr in [plain, h2c] {
        let mut wire = Wire::get(addr, "/").await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    }
    assert_eq!(Http2::connect(h2c).await.get("/").await.status(), 200);
}

#[tokio::test]
async fn above_the_limit_a_client_waits_for_another_to_leave() {
    let routes = || {
        App::new()
            .route("/", web::get().to(pending))
            .route("/next", web::get().to(noted))
    };
    let serving = Serving::with(routes, |server| {
        server.bind_auto_h2c(("127.0.0.1", 0)).unwrap().max_connections(1)
    });
    let mut first = Http2::connect(serving.addr()).await;
    assert_eq!(first.get("/").await.status(), 200);

    let mut waiting = Wire::get(serving.addr(), "/").await;
    for _ in 0..50 {
        assert_eq!(first.get("/next").await.status(), 200);
    }
    assert_eq!(waiting.arrived(), "");
    drop(first);
    assert_eq!(waiting.head().await.status_line(), "HTTP/1.1 200 OK");
}
