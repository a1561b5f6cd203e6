//! A stand-in for upstream, if no other server is named: the model of this example, with OpenAI's protocol.

use std::time::Duration;

use actix_web::{Error, post, web};
use serde::Deserialize;
use serde_json::{Value, json};
use sse_actix::{Json, sse_stream};
use tokio::time::sleep;

use crate::model::Model;

/// The path of the stand-in, to which [`Upstream`](crate::upstream::Upstream) sends its requests.
pub(crate) const BASE: &str = "/stand-in/v1";

const WORD_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
struct Conversation {
    messages: Vec<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    content: String,
}

/// One answer, with one word in each event.
#[post("/stand-in/v1/chat/completions")]
#[sse_stream]
pub(crate) async fn completions(
    asked: web::Json<Conversation>,
    model: web::Data<Model>,
) -> Result<(), Error> {
    let last = asked.into_inner().messages.pop();
    let mut state = model.begin_answer(last.as_ref().map_or("", |turn| &turn.content));
    emit!(Json(chunk(&json!({ "role": "assistant", "content": "" }), None)));
    let mut space = "";
    while let Some(word) = model.next(&mut state) {
        sleep(WORD_INTERVAL).await;
        emit!(Json(chunk(&json!({ "content": format!("{space}{word}") }), None)));
        space = " ";
    }
    emit!(Json(chunk(&json!({}), Some("stop"))));
    emit!("[DONE]");
    Ok(())
}

fn chunk(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "words",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    })
}
