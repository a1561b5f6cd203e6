//! For whom a stream is: decided by the method, or by `plain`.

use std::io;

use actix_web::{Error, error::ErrorGone, web};
use sse_actix::{Event, EventName, sse_stream};
use sse_tests::{serve::serve, wire::Wire};

fn told(error: &Error) -> Event {
    Event::data(error.to_string()).event("failure")
}

#[sse_stream(on_error = told)]
async fn by_method() -> Result<(), Error> {
    emit!("x");
    Err(ErrorGone("gone"))
}

#[sse_stream(plain, on_error = |error| Event::data(error.to_string()).event("failure"))]
async fn plain() -> Result<(), Error> {
    emit!("x");
    Err(ErrorGone("gone"))
}

#[sse_stream(plain = false)]
async fn for_browsers() -> Result<(), Error> {
    emit!("x");
    Err(ErrorGone("gone"))
}

/// What follows the head of the answer, and how the connection has ended.
async fn answer(addr: std::net::SocketAddr, request: &str) -> (String, io::Result<()>) {
    let mut wire = Wire::connect(addr).await;
    wire.send(format!(
        "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    ))
    .await;
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK", "{request}");
    let (rest, end) = wire.rest().await;
    (String::from_utf8_lossy(&rest).into_owned(), end)
}

#[tokio::test]
async fn the_method_decides_unless_the_attribute_does() {
    let serving = serve(|app| {
        app.route("/by-method", web::to(by_method))
            .route("/plain", web::to(plain))
            .route("/for-browsers", web::to(for_browsers));
    });
    for (request, is_plain) in [
        ("GET /by-method", false),
        ("POST /by-method", true),
        ("GET /plain", true),
        ("POST /plain", true),
        ("GET /for-browsers", false),
        ("POST /for-browsers", false),
    ] {
        let (body, _) = answer(serving.addr(), request).await;
        assert!(body.contains("data: x\n\n"), "{request}: {body}");
        assert_eq!(body.contains("retry: 3000\n"), !is_plain, "{request}: {body}");
        assert_eq!(body.contains("event: sse-end\n"), !is_plain, "{request}: {body}");
        assert_eq!(
            body.contains("event: failure\ndata: gone\n\n"),
            is_plain,
            "{request}: {body}"
        );
        // Without its last chunk, nobody takes it for a whole answer.
        assert_eq!(body.ends_with("\r\n0\r\n\r\n"), !is_plain, "{request}: {body}");
    }
}

#[tokio::test]
async fn no_retry_line_is_sent_where_it_is_off() {
    #[sse_stream(retry = "off")]
    async fn off() {
        emit!("x");
    }
    #[sse_stream(retry = "2s", plain)]
    async fn chosen() {
        emit!("x");
    }
    let serving = serve(|app| {
        app.route("/off", web::to(off)).route("/chosen", web::to(chosen));
    });
    for request in ["GET /off", "POST /off"] {
        let (body, _) = answer(serving.addr(), request).await;
        assert!(
            body.contains("data: x\n\n") && !body.contains("retry"),
            "{request}: {body}"
        );
    }
    let (body, _) = answer(serving.addr(), "GET /chosen").await;
    assert!(body.contains("retry: 2000\n"), "{body}");
}

#[tokio::test]
async fn other_clients_get_names_that_are_not_for_browsers() {
    #[sse_stream(plain)]
    async fn error() -> Result<(), Error> {
        emit!(Event::data("x").event(EventName::not_for_browsers("error")?));
        Ok(())
    }
    let serving = serve(|app| {
        app.route("/", web::get().to(error));
    });
    let (body, _) = answer(serving.addr(), "GET /").await;
    assert!(body.contains("event: error\ndata: x\n\n"), "{body}");
}
