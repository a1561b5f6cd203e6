//! The gateway of the example `llm`: read by POST, as SDK clients do, and by GET, as browsers do.

use std::{ffi::OsStr, net::SocketAddr};

use actix_web::{HttpResponse, error::ErrorBadGateway, web};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use sse_actix::{
    Event, Message, Sse,
    test::{Serving, TestStream, connect},
};
use sse_tests::{
    guard::{Drops, Guards},
    process::Example,
    serve::serve,
    wire::{Head, Wire},
};

fn gateway(upstream: Option<&str>) -> Example {
    let arguments = upstream.map(|url| [OsStr::new("--upstream"), OsStr::new(url)]);
    Example::start("llm", 0, arguments.as_ref().map_or(&[], |arguments| arguments))
}

async fn post(example: &Example, path: &str, body: &Value) -> (Wire, Head) {
    let body = body.to_string();
    let mut wire = Wire::connect(SocketAddr::from(([127, 0, 0, 1], example.port()))).await;
    let length = body.len();
    wire.send(format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
    .await;
    let head = wire.head().await;
    (wire, head)
}

fn conversation() -> Value {
    json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": "license" }] })
}

async fn json_body(wire: &mut Wire, head: &Head) -> Value {
    let length = head.values("content-length")[0].parse().unwrap();
    serde_json::from_slice(&wire.exactly(length).await).unwrap()
}

fn chunk(word: &str) -> Event {
    Event::data(json!({ "choices": [{ "index": 0, "delta": { "content": word } }] }).to_string())
}

/// One of OpenAI's kind. Its answers break off after two words, are whole with a model `whole`, and go on for ever
/// with `endless`.
fn upstream(guards: Guards) -> Serving {
    serve(move |app| {
        let guards = guards.clone();
        let answer = move |asked: web::Json<Value>| {
            let words = stream::iter([Ok(chunk("one")), Ok(chunk(" two"))]);
            let rest = match asked["model"].as_str() {
                Some("whole") => stream::iter([Ok(Event::data("[DONE]"))]).boxed_local(),
                Some("endless") => stream::pending().boxed_local(),
                _ => stream::iter([Err(ErrorBadGateway("the model is gone"))]).boxed_local(),
            };
            let events = guards.held_by(words.chain(rest));
            async { Sse::new(events) }
        };
        let busy = async || HttpResponse::TooManyRequests().json(json!({ "error": { "message": "busy" } }));
        app.route("/v1/chat/completions", web::post().to(answer))
            .route("/busy/chat/completions", web::post().to(busy));
    })
}

fn guarded_upstream() -> (Serving, Drops) {
    let (guards, drops) = Guards::new();
    (upstream(guards), drops)
}

#[actix_web::test]
async fn an_sdk_client_is_sent_what_upstream_sends() {
    let example = gateway(None);
    let (mut wire, head) = post(&example, "/v1/chat/completions", &conversation()).await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(head.values("content-type"), ["text/event-stream"]);
    let body = wire.body().await;
    let events: Vec<_> = body
        .split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk).unwrap())
        .collect();
    assert!(chunks.len() > 10);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");

    let (mut wire, head) = post(&example, "/v1/chat/completions", &json!({ "messages": [] })).await;
    assert_eq!(head.status_line(), "HTTP/1.1 400 Bad Request");
    let error = json_body(&mut wire, &head).await;
    assert_eq!(
        error["error"]["message"],
        "this gateway only streams: send \"stream\": true"
    );
}

#[actix_web::test]
async fn an_sdk_client_is_told_of_an_upstream_that_breaks_off_and_is_cut() {
    let (upstream, _drops) = guarded_upstream();
    let example = gateway(Some(&upstream.url("/v1")));
    let (mut wire, _) = post(&example, "/v1/chat/completions", &conversation()).await;
    let (rest, _) = wire.rest().await;
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    let events: Vec<Value> = rest
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    assert_eq!(events.len(), 3, "{rest}");
    assert_eq!(events[1]["choices"][0]["delta"]["content"], " two");
    assert_eq!(events[2]["error"]["message"], "upstream broke off");
    assert!(!rest.ends_with("0\r\n\r\n"), "{rest}");

    let whole = json!({ "model": "whole", "stream": true });
    let (mut wire, _) = post(&example, "/v1/chat/completions", &whole).await;
    let body = wire.body().await;
    assert!(
        body.ends_with("data: [DONE]\n\n") && !body.contains("error"),
        "{body}"
    );
}

#[actix_web::test]
async fn what_upstream_answers_in_place_of_a_stream_is_passed_on() {
    let (upstream, _drops) = guarded_upstream();
    let busy = gateway(Some(&upstream.url("/busy/")));
    let (mut wire, head) = post(&busy, "/v1/chat/completions", &conversation()).await;
    assert_eq!(head.status_line(), "HTTP/1.1 429 Too Many Requests");
    assert_eq!(
        json_body(&mut wire, &head).await,
        json!({ "error": { "message": "busy" } })
    );

    let nobody = gateway(Some("http://127.0.0.1:1/v1"));
    let (mut wire, head) = post(&nobody, "/v1/chat/completions", &conversation()).await;
    assert_eq!(head.status_line(), "HTTP/1.1 502 Bad Gateway");
    assert_eq!(
        json_body(&mut wire, &head).await["error"]["message"],
        "upstream cannot be reached"
    );
}

#[actix_web::test]
async fn an_sdk_client_that_leaves_drops_upstream() {
    let (upstream, mut drops) = guarded_upstream();
    let example = gateway(Some(&upstream.url("/v1")));
    let endless = json!({ "model": "endless", "stream": true });
    let (mut wire, _) = post(&example, "/v1/chat/completions", &endless).await;
    assert!(wire.chunk().await.is_some());
    drop(wire);
    drops.next().await;
}

/// Asks as a page does, and says where the answer is.
async fn ask(example: &Example) -> String {
    let (mut wire, head) = post(example, "/gateway/answers", &json!({ "prompt": "license" })).await;
    assert_eq!(head.status_line(), "HTTP/1.1 201 Created");
    let url = head.values("location")[0].to_owned();
    assert_eq!(json_body(&mut wire, &head).await, json!({ "url": url }));
    example.url(&url)
}

/// The words of a stream up to its end, whose reason comes last.
async fn words(mut stream: TestStream) -> (Vec<Message>, Value) {
    let mut words = Vec::new();
    loop {
        let message = stream.next().await.unwrap();
        if message.event == "sse-end" {
            assert_eq!(stream.next().await, None);
            return (words, serde_json::from_str(&message.data).unwrap());
        }
        assert_eq!(message.event, "word");
        words.push(message);
    }
}

#[actix_web::test]
async fn a_browser_resumes_behind_each_word() {
    let example = gateway(None);
    let url = ask(&example).await;
    // It loses its connection in the midst of the answer, twice.
    let (mut seen, mut last) = (Vec::new(), String::new());
    for _ in 0..2 {
        let mut stream = connect(&url, &last).await;
        for _ in 0..5 {
            seen.push(stream.next().await.unwrap());
        }
        stream.last_event_id().clone_into(&mut last);
    }
    let (rest, end) = words(connect(&url, &last).await).await;
    seen.extend(rest);
    assert_eq!(end["reason"], "finished");

    let (all, _) = words(connect(&url, "").await).await;
    assert!(all.len() > 20);
    assert_eq!(seen, all);
    for at in [0, all.len() / 2, all.len() - 1] {
        let (rest, _) = words(connect(&url, &all[at].last_event_id).await).await;
        assert_eq!(rest, all[at + 1..]);
    }
    assert_eq!(connect(&url, "sse-end").await.status(), 204);
    assert_eq!(
        connect(&example.url("/gateway/answers/2"), "").await.status(),
        404
    );
    assert_eq!(
        connect(&example.url("/gateway/answers/0"), "").await.status(),
        404
    );
}

#[actix_web::test]
async fn a_browser_is_told_of_an_upstream_that_breaks_off() {
    let (upstream, _drops) = guarded_upstream();
    let example = gateway(Some(&upstream.url("/v1")));
    let url = ask(&example).await;
    let (words, end) = words(connect(&url, "").await).await;
    assert_eq!(
        words.iter().map(|word| &*word.data).collect::<Vec<_>>(),
        ["one", " two"]
    );
    assert_eq!(end, json!({ "reason": "failed" }));
    example
        .logged("gateway:1: the connection to upstream failed")
        .await;
}
