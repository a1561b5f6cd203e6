//! A gateway to a server that speaks the protocol of OpenAI's chat completions. SDK clients send a POST
//! and get that server's stream as it arrives. Browsers read the words of an answer by GET, and can reconnect.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
    error::{ErrorBadGateway, ErrorNotFound, InternalError},
    get,
    http::header::LOCATION,
    post, web,
};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sse_actix::{
    Event, Hub, Message, RawTopic, Relay, RelayError, Relayed, Sse, TopicName, TopicNameError, sse_stream,
};

use crate::{Question, answers::DONE, upstream::Upstream};

/// The event after the last word of an answer that upstream did not finish.
const FAILED: &str = "failed";

/// The largest size of a conversation as JSON.
pub(crate) const LONGEST_CONVERSATION: usize = 1024 * 1024;

/// How many answers browsers have requested.
#[derive(Debug, Default)]
pub(crate) struct Asked(AtomicU64);

/// For SDK clients: upstream's stream, unchanged. If upstream's stream breaks off, this stream sends an error event,
/// and is cut.
#[post("/v1/chat/completions")]
pub(crate) async fn completions(
    asked: web::Json<Value>,
    upstream: web::Data<Upstream>,
) -> Result<Sse<impl Stream<Item = Result<Relayed, RelayError>>>, Error> {
    if asked.get("stream") != Some(&Value::Bool(true)) {
        let answer =
            HttpResponse::BadRequest().json(error("this gateway only streams: send \"stream\": true"));
        return Err(InternalError::from_response("it asks for no stream", answer).into());
    }
    let relay = Relay::new(upstream.ask(&asked).await?).ends_with(is_done);
    Ok(Sse::new(relay).on_error(|_| Event::data(error("upstream broke off").to_string())))
}

/// For browsers: sends the prompt to upstream, and returns the URL of the answer.
#[post("/gateway/answers")]
pub(crate) async fn ask(
    question: web::Json<Question>,
    upstream: web::Data<Upstream>,
    asked: web::Data<Asked>,
    hub: web::Data<Hub>,
) -> Result<impl Responder, Error> {
    let messages = json!([{ "role": "user", "content": question.prompt }]);
    let response = upstream
        .ask(&json!({ "model": "default", "stream": true, "messages": messages }))
        .await?;
    let number = asked.0.fetch_add(1, Ordering::Relaxed) + 1;
    let words = Relay::new(response).ends_with(is_done).map_messages(word);
    actix_web::rt::spawn(write(hub.raw(&topic(number)?), words));
    let url = format!("/gateway/answers/{number}");
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, url.as_str()))
        .json(json!({ "url": url })))
}

/// The words of an answer, beginning after the last word that the client has seen.
#[get("/gateway/answers/{number}")]
#[sse_stream(finite, retry = "1s")]
pub(crate) async fn read(
    number: web::Path<u64>,
    request: HttpRequest,
    asked: web::Data<Asked>,
    hub: web::Data<Hub>,
) -> Result<(), Error> {
    if !(1..=asked.0.load(Ordering::Relaxed)).contains(&number) {
        return Err(ErrorNotFound("there is no such answer"));
    }
    let mut words = hub.subscribe(topic(*number)?).history(usize::MAX).on(&request);
    while let Some(word) = words.next().await {
        let word = word?;
        match word.name() {
            Some(DONE) => break,
            Some(FAILED) => return Err(ErrorBadGateway("upstream broke off")),
            _ => emit!(word),
        }
    }
    Ok(())
}

/// Writes an answer to its topic, to the end. So a browser that reconnects gets all of it.
async fn write(topic: RawTopic, mut words: impl Stream<Item = Result<Relayed, RelayError>> + Unpin) {
    let mut end = DONE;
    while let Some(word) = words.next().await {
        let published = match word {
            Ok(Relayed::Event(word)) => topic.publish(word).await.map(drop),
            Ok(_) => Ok(()),
            Err(error) => {
                eprintln!("{}: {error}", topic.name());
                end = FAILED;
                Ok(())
            }
        };
        if let Err(error) = published {
            eprintln!("{}: a word was not published: {error}", topic.name());
            end = FAILED;
            break;
        }
    }
    if let Err(error) = topic.publish(Event::data("").event(end)).await {
        eprintln!("{}: its end was not published: {error}", topic.name());
    }
}

fn topic(number: u64) -> Result<TopicName, TopicNameError> {
    TopicName::try_from(format!("gateway:{number}"))
}

/// The data of the last event of a stream from OpenAI's servers.
fn is_done(message: &Message) -> bool {
    message.data == "[DONE]"
}

/// An error in the format of OpenAI's servers. They send it instead of an answer, or in the middle of one.
pub(crate) fn error(message: &str) -> Value {
    json!({ "error": { "message": message, "type": "gateway_error", "param": null, "code": null } })
}

/// A part of an answer, without the fields that this program does not read.
#[derive(Debug, Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    content: Option<String>,
}

/// The word in an event of upstream. Some have none.
#[expect(clippy::needless_pass_by_value, reason = "a relay gives its messages away")]
fn word(message: Message) -> Result<Option<Event>, serde_json::Error> {
    if is_done(&message) {
        return Ok(None);
    }
    let Chunk { choices } = serde_json::from_str(&message.data)?;
    let word = choices.into_iter().find_map(|choice| choice.delta.content);
    Ok(word
        .filter(|word| !word.is_empty())
        .map(|word| Event::data(word).event("word")))
}
