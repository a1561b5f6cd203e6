//! Requests that have something behind their head which belongs to them: their streams stay where that is read, and nothing of it is
//! lost or taken for another request.

use actix_web::{App, Error, web};
use futures_util::StreamExt as _;
use sse_actix::{Hub, Server, sse_stream, test::Serving};
use sse_tests::{patience::until, wire::Wire};

use super::{count, event};
use crate::hub::{opening, without_positions};

/// `/` is a hub's stream of a handler that takes no body, `/body` one that is tagged with its body, and `/length` says how long its is,
/// as soon as that is as long as expected.
fn serve(hub: &Hub) -> Serving {
    let hub = web::Data::new(hub.clone());
    let ignoring = async |hub: web::Data<Hub>| hub.subscribe("n").tag("nothing");
    let tagged = async |hub: web::Data<Hub>, body: String| hub.subscribe("n").tag(body.as_str());
    let app = move || {
        App::new()
            .app_data(hub.clone())
            .app_data(web::PayloadConfig::new(1 << 20))
            .route("/", web::route().to(ignoring))
            .route("/body", web::route().to(tagged))
            .route("/length", web::route().to(length))
            .route("/done", web::get().to(async || "done"))
            .default_service(web::route().to(ignoring))
    };
    Serving::with(app, |server: Server<_>| server)
}

const LENGTH: usize = 1_000_000;

#[sse_stream]
async fn length(mut body: web::Payload) -> Result<(), Error> {
    emit!("begun");
    let mut length = 0;
    while length < LENGTH
        && let Some(piece) = body.next().await
    {
        length += piece?.len();
    }
    emit!(length.to_string());
    Ok(())
}

const NEXT: &str = "GET /done HTTP/1.1\r\nHost: test\r\n\r\n";

/// Ends the stream, whose event has come and whose body is whole, and then what stands behind it is answered.
async fn is_answered_behind(hub: &Hub, tag: &str, wire: &mut Wire) {
    until("the body at the handler", async || {
        let tags = hub.presence("n").tags();
        tags.iter().any(|present| **present == *tag)
    })
    .await;
    assert_eq!(hub.stats().handed_over, 0);
    assert_eq!(opening(wire).await, "retry: 3000\n");
    let ids = count(hub, "n", 1..=1).await;
    assert_eq!(wire.chunk().await.unwrap(), event(&ids[0], 1));
    assert_eq!(hub.revoke(tag), 1);
    assert!(wire.body().await.starts_with("event: sse-end\n"));
    let head = wire.head().await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(wire.exactly(4).await, "done");
}

#[tokio::test]
async fn the_body_of_a_get_reaches_its_handler_and_the_next_request_is_answered() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub);
    // As much as is kept behind a stream, and more.
    for body in ["hello".to_owned(), "x".repeat(100_000)] {
        let length = body.len();
        for (framing, framed) in [
            (format!("Content-Length: {length}"), body.clone()),
            (
                "Transfer-Encoding: chunked".to_owned(),
                format!("{length:x}\r\n{body}\r\n0\r\n\r\n"),
            ),
        ] {
            let head = format!("GET /body HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n");
            // All at once, the head first, and the body in the middle of the next request.
            for cut in [
                0,
                head.len(),
                head.len() + framed.len() / 2,
                head.len() + framed.len() + 9,
            ] {
                let all = format!("{head}{framed}{NEXT}");
                let mut wire = Wire::connect(serving.addr()).await;
                let (first, rest) = all.split_at(cut);
                wire.send(first).await;
                tokio::task::yield_now().await;
                wire.send(rest).await;
                assert_eq!(
                    wire.head().await.status_line(),
                    "HTTP/1.1 200 OK",
                    "{framing}, {cut}"
                );
                is_answered_behind(&hub, &body, &mut wire).await;
            }
        }
    }
}

/// Its handler does not ask for it. It is no request either.
#[tokio::test]
async fn a_body_that_nobody_reads_is_not_taken_for_a_request() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub);
    let length = NEXT.len();
    for framed in [
        format!("Content-Length: {length}\r\n\r\n{NEXT}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{NEXT}\r\n0\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{framed}"))
            .await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK", "{framed}");
        until("a stream", async || hub.stats().streams == 1).await;
        assert_eq!(hub.stats().handed_over, 0);
        assert_eq!(opening(&mut wire).await, "retry: 3000\n");
        let ids = count(&hub, "n", 1..=1).await;
        assert_eq!(wire.chunk().await.unwrap(), event(&ids[0], 1));
        assert_eq!(hub.revoke("nothing"), 1);
        assert!(wire.body().await.starts_with("event: sse-end\n"));
        wire.half_close().await;
        let (rest, _) = wire.rest().await;
        assert_eq!(rest, "", "{framed}");
    }
}

/// What follows its head is a tunnel's, not ours.
#[tokio::test]
async fn a_connect_stays_in_the_dispatcher_and_its_tunnel_holds_no_requests() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub);
    for target in ["test:80", "/"] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!("CONNECT {target} HTTP/1.1\r\nHost: test\r\n\r\n{NEXT}"))
            .await;
        let head = wire.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK", "{target}");
        until("a stream", async || hub.stats().streams == 1).await;
        let ids = count(&hub, "n", 1..=2).await;
        wire.send(NEXT).await;
        let expected = [event(&ids[0], 1), event(&ids[1], 2)].concat();
        let mut received = String::new();
        while !received.contains("data: 2\n\n") {
            received += str::from_utf8(&wire.exactly(1).await).unwrap();
        }
        assert_eq!(without_chunks(&received), expected, "{target}: {received:?}");
        assert_eq!(hub.stats().handed_over, 0);
        assert_eq!(hub.revoke("nothing"), 1);
        // It is plain, so it is cut.
        let (rest, _) = wire.rest().await;
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"), "{rest:?}");
    }
}

/// The events of a body, however it is framed.
fn without_chunks(body: &str) -> String {
    let body = body.replace("\r\n", "\n");
    let lines = body.lines().filter(|line| line.is_empty() || line.contains(": "));
    let mut events = String::new();
    for line in lines {
        // A chunk's end is no empty line of an event.
        if !line.is_empty() {
            events.push_str(line);
            events.push('\n');
            if line.starts_with("data: ") {
                events.push('\n');
            }
        }
    }
    without_positions(&events)
}

#[tokio::test]
async fn what_a_connect_sends_reaches_its_handler() {
    let serving = serve(&Hub::new().unwrap());
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send("CONNECT /length HTTP/1.1\r\nHost: test\r\n\r\n").await;
    wire.head().await;
    wire.send("x".repeat(LENGTH)).await;
    let expected = format!("data: {LENGTH}\n\n");
    let mut received = String::new();
    while !received.contains(&expected) {
        received += str::from_utf8(&wire.exactly(1).await).unwrap();
    }
    assert!(received.contains("data: begun\n\n"), "{received:?}");
}
