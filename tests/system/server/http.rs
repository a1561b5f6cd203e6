//! What HTTP is told.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use actix_web::{
    App, HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    web,
};
use bytes::Bytes;
use sse_actix::test::Serving;
use sse_tests::{patience::until, wire::Wire};

/// Without an end, and counted as it is taken.
struct Endless(Arc<AtomicUsize>);

impl MessageBody for Endless {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        const CHUNK: Bytes = Bytes::from_static(&[b'x'; 1024]);
        self.0.fetch_add(CHUNK.len(), Ordering::SeqCst);
        Poll::Ready(Some(Ok(CHUNK)))
    }
}

/// Serves an endless body, and counts what was taken of it.
fn endless(write_buffer: usize) -> (Serving, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let serving = Serving::with(
        move || {
            let taken = Arc::clone(&counted);
            let body = move || {
                let body = Endless(Arc::clone(&taken));
                async { HttpResponse::Ok().message_body(body).unwrap() }
            };
            App::new().route("/", web::get().to(body))
        },
        move |server| server.h1_write_buffer_size(write_buffer).send_buffer(4 * 1024),
    );
    (serving, taken)
}

/// For a client that does not read: what is not in the kernel's buffers is in actix's.
#[tokio::test]
async fn a_body_fills_the_write_buffer_and_waits() {
    const LARGE: usize = 32 << 20;

    let (small, taken_by_small) = endless(16 * 1024);
    let mut unread = Wire::get(small.addr(), "/").await;
    unread.head().await;
    let (large, taken_by_large) = endless(LARGE);
    let mut also_unread = Wire::get(large.addr(), "/").await;
    also_unread.head().await;
    until("the buffer to be full", async || {
        taken_by_large.load(Ordering::SeqCst) >= LARGE * 9 / 10
    })
    .await;
    let taken = taken_by_small.load(Ordering::SeqCst);
    assert!(taken < LARGE / 2, "{taken} bytes");
}

#[tokio::test]
async fn the_windows_are_told_to_clients_on_http_2() {
    let serving = Serving::with(App::new, |server| {
        server
            .h2_initial_window_size(123_456)
            .h2_initial_connection_window_size(234_567)
            .bind_auto_h2c(("127.0.0.1", 0))
            .unwrap()
    });
    let mut wire = Wire::connect(serving.addr()).await;
    // The preface, and a SETTINGS frame that is empty.
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let (mut stream, mut connection) = (None, None);
    while stream.is_none() || connection.is_none() {
        let head = wire.exactly(9).await;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = wire.exactly(length.try_into().unwrap()).await;
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        match head[3] {
            // SETTINGS_INITIAL_WINDOW_SIZE.
            0x4 => {
                let mut settings = payload.chunks(6).filter(|setting| setting[..2] == [0, 4]);
                stream = stream.or(settings.next().map(|setting| number(&setting[2..])));
            }
            // A WINDOW_UPDATE adds to the window that a connection begins with.
            0x8 => connection = Some(65_535 + number(&payload)),
            _ => {}
        }
    }
    assert_eq!((stream, connection), (Some(123_456), Some(234_567)));
}

async fn host(request: HttpRequest) -> HttpResponse {
    let host = request.connection_info().host().to_owned();
    HttpResponse::Ok().body(host)
}

#[tokio::test]
async fn where_a_request_names_no_host_it_is_the_servers() {
    let routes = || App::new().route("/", web::get().to(host));
    let named = Serving::with(routes, |server| server.server_hostname("prices.example"));
    let unnamed = Serving::start(routes);
    for (addr, expected) in [
        (named.addr(), "prices.example".to_owned()),
        (unnamed.addr(), unnamed.addr().to_string()),
    ] {
        let mut wire = Wire::connect(addr).await;
        wire.send("GET / HTTP/1.0\r\n\r\n").await;
        wire.head().await;
        assert_eq!(wire.exactly(expected.len()).await, expected.as_bytes());
    }
}
