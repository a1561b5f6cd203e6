//! Where a browser is told by a stream to come back, others are told by a status.

use std::num::NonZeroU32;

use actix_web::web::{self, Data};
use futures_util::stream;
use sse_actix::{Event, Hub, Shutdown, Sse};
use sse_tests::{serve::serve, wire::Wire};

use crate::hub::serve_hub;

async fn ask(wire: &mut Wire, method: &str) -> (String, Vec<String>) {
    wire.send(format!("{method} / HTTP/1.1\r\nHost: test\r\n\r\n"))
        .await;
    let head = wire.head().await;
    let after = head.values("retry-after").into_iter().map(str::to_owned);
    (head.status_line().to_owned(), after.collect())
}

#[tokio::test]
async fn beyond_a_limit_a_status_says_which() {
    let builders = [
        (Hub::builder().max_streams(1), "503 Service Unavailable"),
        (Hub::builder().max_streams_per_tag(1), "429 Too Many Requests"),
        (Hub::builder().max_streams_per_address(1), "429 Too Many Requests"),
        (
            Hub::builder().max_connects_per_minute(NonZeroU32::MIN),
            "429 Too Many Requests",
        ),
    ];
    for (builder, status) in builders {
        let second = std::time::Duration::from_millis(6_001);
        let hub = builder.overload_retry(second..=second).build().unwrap();
        let serving = serve_hub(&hub, |app| {
            app.route(
                "/",
                web::route().to(async |hub: Data<Hub>| hub.subscribe("n").tag("ann")),
            );
        });
        let mut first = Wire::connect(serving.addr()).await;
        assert_eq!(ask(&mut first, "POST").await.0, "HTTP/1.1 200 OK");
        let mut second = Wire::connect(serving.addr()).await;
        assert_eq!(
            ask(&mut second, "POST").await,
            (format!("HTTP/1.1 {status}"), vec!["7".to_owned()])
        );
        let mut browser = Wire::connect(serving.addr()).await;
        assert_eq!(ask(&mut browser, "GET").await.0, "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn during_a_shutdown_it_is_unavailable() {
    let shutdown = Shutdown::new();
    let fired = shutdown.clone();
    let serving = serve(move |app| {
        app.app_data(fired.clone()).route(
            "/",
            web::route().to(async || Sse::new(stream::pending::<Event>())),
        );
    });
    shutdown.fire();
    let mut wire = Wire::connect(serving.addr()).await;
    let (status, after) = ask(&mut wire, "POST").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!((1..=5).contains(&after[0].parse::<u32>().unwrap()), "{after:?}");
    let (status, _) = ask(&mut wire, "GET").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
}
