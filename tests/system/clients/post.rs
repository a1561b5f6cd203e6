//! Answers to POST, as clients of language models ask for them.

use std::{future, net::SocketAddr};

use actix_web::{Error, error, web};
use futures_util::future::{join, join_all};
use serde::Deserialize;
use serde_json::{Value, json};
use sse_actix::{Event, sse_stream, test::Serving};
use sse_tests::serve::serve;

use super::{
    are_installed,
    client::{Client, Given, Moment, Running},
    proxy::{Cut, Proxy},
};

const WORDS: [&str; 3] = ["Hello,", " dear\n\n", "world!"];

/// What a client asks for. The model says how the answer ends.
#[derive(Deserialize)]
struct Question {
    model: String,
}

fn chunk(model: &str, delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
}

/// As an OpenAI-compatible server answers.
#[sse_stream(finite)]
async fn complete(question: web::Json<Question>) -> Result<(), Error> {
    let model = question.model.as_str();
    match model {
        "401" => return Err(error::ErrorUnauthorized("who are you?")),
        "503" => return Err(error::ErrorServiceUnavailable("not now")),
        _ => {}
    }
    emit!(Event::comment("queued"));
    for word in WORDS {
        emit!(Event::json(&chunk(model, &json!({ "content": word }), None))?);
        emit!(Event::comment("thinking"));
    }
    match model {
        "told" => {
            emit!(Event::json(&json!({ "error": { "message": "out of memory" } }))?);
            Err(error::ErrorInternalServerError("out of memory"))
        }
        "untold" => Err(error::ErrorInternalServerError("out of memory")),
        "endless" => future::pending().await,
        _ => {
            emit!(Event::json(&chunk(model, &json!({}), Some("stop")))?);
            emit!("[DONE]");
            Ok(())
        }
    }
}

fn serve_model() -> Serving {
    serve(|app| {
        app.route("/v1/chat/completions", web::post().to(complete));
    })
}

/// Asks this model.
fn ask(client: Client, base: &str, model: &str) -> Running {
    match client {
        Client::OpenAi => client.ask(base, model),
        _ => client.ask(
            &format!("{base}/chat/completions"),
            &json!({ "model": model }).to_string(),
        ),
    }
}

/// What a client got out of an answer.
#[derive(Debug, Default)]
struct Heard {
    words: Vec<String>,
    /// The answer's own last event has come.
    is_done: bool,
    /// The error event.
    error: Option<String>,
    /// Why the client takes the answer for less than whole.
    why: Option<String>,
}

/// Reads an answer to its end.
async fn hear(mut reader: Running) -> Heard {
    let mut heard = Heard::default();
    loop {
        match reader.moment().await.expect("it says that it is done") {
            Moment::Event(Given { name, data, id }) => {
                assert_eq!(
                    (name.as_str(), id.as_str()),
                    ("message", ""),
                    "{reader:?}: {data:?}"
                );
                assert!(!heard.is_done, "{reader:?}: {data:?} after the end");
                heard.note(&data);
            }
            Moment::Open => {}
            Moment::Closed { why } => {
                heard.why = why;
                return heard;
            }
            Moment::Lost => panic!("{reader:?} asks again"),
        }
    }
}

impl Heard {
    fn note(&mut self, data: &str) {
        if data == "[DONE]" {
            self.is_done = true;
            return;
        }
        let chunk: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{data:?}: {error}"));
        if let Some(error) = chunk["error"]["message"].as_str() {
            self.error = Some(error.to_owned());
        } else if let Some(word) = chunk["choices"][0]["delta"]["content"].as_str() {
            self.words.push(word.to_owned());
        }
    }
}

/// openai gives out the words alone: it takes the error event for what it is, and keeps the end for itself.
async fn hear_openai(mut reader: Running) -> Heard {
    let mut heard = Heard::default();
    loop {
        match reader.moment().await.expect("it says that it is done") {
            Moment::Event(word) => heard.words.push(word.data),
            Moment::Closed { why } => {
                heard.why = why;
                return heard;
            }
            moment => panic!("{moment:?}"),
        }
    }
}

#[tokio::test]
async fn a_whole_answer_is_what_was_sent_and_nothing_more() {
    if !are_installed() {
        return;
    }
    let serving = serve_model();
    let base = serving.url("/v1");
    let others = Client::ASKING.map(async |client| {
        let heard = hear(ask(client, &base, "whole")).await;
        assert_eq!(heard.words, WORDS, "{client:?}");
        assert!(heard.is_done, "{client:?}");
        assert_eq!((heard.error, heard.why), (None, None), "{client:?}");
    });
    let openai = async {
        let heard = hear_openai(ask(Client::OpenAi, &base, "whole")).await;
        assert_eq!(heard.words, WORDS);
        assert_eq!(heard.why, None);
    };
    join(join_all(others), openai).await;
}

#[tokio::test]
async fn an_answer_that_failed_is_not_taken_for_a_whole_one() {
    if !are_installed() {
        return;
    }
    let serving = serve_model();
    let base = serving.url("/v1");
    for (model, error) in [("told", Some("out of memory")), ("untold", None)] {
        let others = Client::ASKING.map(async |client| {
            let heard = hear(ask(client, &base, model)).await;
            assert_eq!(heard.words, WORDS, "{client:?}: {model}");
            assert!(!heard.is_done, "{client:?}: {model}");
            assert_eq!(heard.error.as_deref(), error, "{client:?}: {model}");
            assert!(heard.why.is_some(), "{client:?} takes it for whole: {model}");
        });
        let openai = async {
            let heard = hear_openai(ask(Client::OpenAi, &base, model)).await;
            assert_eq!(heard.words, WORDS, "{model}");
            let why = heard.why.expect("openai throws");
            match error {
                Some(error) => assert_eq!(why, format!("APIError: {error}")),
                None => assert!(why.starts_with("APIConnectionError: "), "{why}"),
            }
        };
        join(join_all(others), openai).await;
    }
}

/// curl drops what has come together with the reset, so it may have none of the words.
#[tokio::test]
async fn on_http_2_an_answer_that_failed_is_reset() {
    if !are_installed() {
        return;
    }
    let serving = serve_model();
    let url = serving.url("/v1/chat/completions");
    for (model, why) in [("whole", None), ("untold", Some("curl: 92"))] {
        let question = json!({ "model": model }).to_string();
        let curl = Client::Curl.start(&[&url, "--post", &question, "--http2"]);
        let heard = hear(curl).await;
        assert_eq!(heard.why.as_deref(), why, "{model}");
        assert_eq!(heard.is_done, why.is_none(), "{model}");
        let words = if heard.is_done {
            &WORDS[..]
        } else {
            &WORDS[..heard.words.len()]
        };
        assert_eq!(heard.words, words, "{model}");
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_is_not_taken_for_a_whole_one() {
    async fn is_cut(client: Client, server: SocketAddr) {
        let proxy = Proxy::before(server).await;
        let mut reader = ask(client, &proxy.url("/v1"), "endless");
        let word = loop {
            match reader.moment().await {
                Some(Moment::Event(word)) => break word.data,
                Some(Moment::Open) => {}
                end => panic!("{client:?}: {end:?}"),
            }
        };
        assert!(word.contains(WORDS[0]), "{client:?}: {word:?}");
        proxy.cut(Cut::Close);
        loop {
            match reader.moment().await.expect("it says that it is done") {
                Moment::Event(word) => assert_ne!(word.data, "[DONE]", "{client:?}"),
                Moment::Closed { why } => {
                    assert!(why.is_some(), "{client:?} takes it for whole");
                    break;
                }
                moment => panic!("{client:?}: {moment:?}"),
            }
        }
    }
    if !are_installed() {
        return;
    }
    let serving = serve_model();
    let clients = Client::ASKING.into_iter().chain([Client::OpenAi]);
    join_all(clients.map(|client| is_cut(client, serving.addr()))).await;
}

#[tokio::test]
async fn who_is_refused_before_the_head_is_told_the_status() {
    if !are_installed() {
        return;
    }
    let serving = serve_model();
    let base = serving.url("/v1");
    let cases = [("401", "AuthenticationError: "), ("503", "InternalServerError: ")];
    for (status, exception) in cases {
        let others = Client::ASKING.map(async |client| {
            let heard = hear(ask(client, &base, status)).await;
            assert!(heard.words.is_empty(), "{client:?}");
            let why = heard.why.expect("it is refused");
            // curl's own number for statuses of 400 and more.
            let expected = if client == Client::Curl {
                "curl: 22"
            } else {
                status
            };
            assert!(why.contains(expected), "{client:?}: {why}");
        });
        let openai = async {
            let why = hear_openai(ask(Client::OpenAi, &base, status)).await.why;
            let why = why.expect("it is refused");
            assert!(why.starts_with(exception) && why.contains(status), "{why}");
        };
        join(join_all(others), openai).await;
    }
}
