//! The example `chat` is restarted: its rooms and the sessions of its people are there again.

use std::{ffi::OsStr, net::SocketAddr};

use sse_tests::{process::Example, wire::Wire};

use super::server::until_received;

fn addr(example: &Example) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], example.port()))
}

/// Sends JSON, and returns the status line and the cookie of the answer.
async fn post(example: &Example, path: &str, cookie: &str, body: &str) -> (String, String) {
    let mut wire = Wire::connect(addr(example)).await;
    let length = body.len();
    wire.send(format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nCookie: {cookie}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
    .await;
    let head = wire.head().await;
    let cookie = head
        .values("set-cookie")
        .first()
        .map(|cookie| cookie.split(';').next().unwrap().to_owned());
    (head.status_line().to_owned(), cookie.unwrap_or_default())
}

async fn reader(example: &Example, cookie: &str, id: &str) -> Wire {
    let headers = format!("Cookie: {cookie}\r\nLast-Event-ID: {id}\r\n");
    let mut wire = Wire::get_with(addr(example), "/chat/rooms/lobby/events", headers.as_bytes()).await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK");
    wire
}

#[tokio::test]
async fn everybody_is_back_with_everything_that_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chat.db");
    let arguments = [OsStr::new("--data"), data.as_os_str()];
    let chat = Example::start("chat", 0, &arguments);
    let port = chat.port();
    let (_, ada) = post(&chat, "/chat/people", "", r#"{"name":"Ada"}"#).await;
    let (_, grace) = post(&chat, "/chat/people", "", r#"{"name":"Grace"}"#).await;
    post(&chat, "/chat/kicks", &ada, r#"{"name":"Grace"}"#).await;
    let mut stream = reader(&chat, &ada, "").await;
    let said = post(
        &chat,
        "/chat/rooms/lobby/messages",
        &ada,
        r#"{"text":"the first"}"#,
    )
    .await;
    assert_eq!(said.0, "HTTP/1.1 204 No Content");
    let text = until_received(&mut stream, "the first").await;
    let id = text
        .rsplit("id: ")
        .next()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    post(
        &chat,
        "/chat/rooms/lobby/messages",
        &ada,
        r#"{"text":"the second"}"#,
    )
    .await;
    chat.kill();

    let chat = Example::start("chat", port, &arguments);
    let mut stream = reader(&chat, &ada, &id).await;
    let text = until_received(&mut stream, "the second").await;
    assert!(!text.contains("the first") && !text.contains("sse-gap"), "{text}");
    post(
        &chat,
        "/chat/rooms/lobby/messages",
        &ada,
        r#"{"text":"the third"}"#,
    )
    .await;
    until_received(&mut stream, "the third").await;
    let history = until_received(&mut reader(&chat, &ada, "").await, "the third").await;
    assert!(
        history.contains("the first") && history.contains("the second"),
        "{history}"
    );
    let taken = post(&chat, "/chat/people", "", r#"{"name":"Ada"}"#).await;
    assert_eq!(taken.0, "HTTP/1.1 409 Conflict");
    // Who was put out stays out.
    let refused = post(&chat, "/chat/rooms/lobby/messages", &grace, r#"{"text":"hello"}"#).await;
    assert_eq!(refused.0, "HTTP/1.1 401 Unauthorized");
}
