//! The answer of a language model, word by word. A POST begins it, the program writes it once to a topic, and any
//! number of GETs read it. Finished answers survive a restart. The program is also a gateway to a large model: see
//! `gateway.rs`.
//!
//! `cargo run --bin llm`, or `cargo run --bin llm -- --upstream http://127.0.0.1:11434/v1`

use std::{env, io, time::Duration};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, Responder,
    error::{ErrorBadRequest, ErrorNotFound},
    get,
    http::header::LOCATION,
    post, web,
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use sse_actix::{Hub, Server, TopicOptions, sse_stream};
use sse_actix_sqlite::SqliteLog;
use sse_examples::{CommandLine, fail};

use self::{answers::Answers, gateway::Asked, model::Model, upstream::Upstream};

mod answers;
mod gateway;
mod model;
mod stand_in;
mod upstream;

#[derive(Debug, Deserialize)]
struct Question {
    prompt: String,
}

/// Begins an answer, and returns its URL.
#[post("/answers")]
async fn ask(question: web::Json<Question>, answers: web::Data<Answers>) -> Result<HttpResponse, Error> {
    let prompt = question.into_inner().prompt;
    if prompt.trim().is_empty() {
        return Err(ErrorBadRequest("the prompt is empty"));
    }
    let url = answers.ask(prompt)?.url();
    let created = HttpResponse::Created()
        .insert_header((LOCATION, url.as_str()))
        .json(json!({ "url": url }));
    Ok(created)
}

/// The words of an answer, beginning after the last word that the client has seen. The topic's log has the words that
/// are written already; the others follow when they are written. At the end, `finite` makes the browser stop: its
/// reconnect is answered before this function runs again.
#[get("/answers/{number}")]
#[sse_stream(finite, retry = "1s")]
async fn read(
    number: web::Path<u64>,
    request: HttpRequest,
    hub: web::Data<Hub>,
    answers: web::Data<Answers>,
) -> Result<(), Error> {
    let answer = answers
        .get(*number)
        .ok_or_else(|| ErrorNotFound("there is no such answer"))?;
    let mut words = hub.subscribe(answer.topic()).history(usize::MAX).on(&request);
    // The answer is written only while this reader, or another one, exists.
    let _reader = answer.read();
    while let Some(word) = words.next().await {
        let word = word?;
        if word.name() == Some(answers::DONE) {
            break;
        }
        emit!(word);
    }
    Ok(())
}

/// The progress of each answer. It shows that nothing is written twice.
#[get("/answers")]
async fn list(answers: web::Data<Answers>) -> impl Responder {
    web::Json(answers.all())
}

#[get("/")]
async fn page() -> impl Responder {
    web::Html::new(include_str!("page.html"))
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let command_line = CommandLine::read_with_data("llm", Some(("--upstream", "URL")));
    let base = command_line.option.clone();
    if base.as_ref().is_some_and(|base| !base.starts_with("http://")) {
        fail(2, "the URL behind --upstream is to begin with http://");
    }
    let listener = command_line.listen();
    let addr = listener.local_addr()?;
    let log = SqliteLog::open(command_line.data_file("llm.db")?)?;
    println!("http://{addr}");
    let base = base.unwrap_or_else(|| format!("http://{addr}{}", stand_in::BASE));

    let day = Duration::from_secs(24 * 3_600);
    let options = || TopicOptions::log().max_age(day);
    let hub = Hub::builder().log(log).topics(options()).build()?;
    let answers = Answers::load(hub.clone()).await.map_err(io::Error::other)?;
    let answers = web::Data::new(answers);
    let hub = web::Data::new(hub);
    // The gateway's answers are in memory, so they end with the program.
    let gateway_hub = web::Data::new(Hub::builder().topics(options()).build()?);
    let (asked, model) = (web::Data::new(Asked::default()), web::Data::new(Model::train()));
    Server::new(move || {
        // A client cannot leave its thread.
        let upstream = Upstream::new(&base, env::var("OPENAI_API_KEY").ok());
        let gateway = web::scope("")
            .app_data(web::JsonConfig::default().limit(gateway::LONGEST_CONVERSATION))
            .app_data(gateway_hub.clone())
            .service((
                gateway::completions,
                gateway::ask,
                gateway::read,
                stand_in::completions,
            ));
        let app = App::new()
            .app_data(answers.clone())
            .app_data(hub.clone())
            .app_data(asked.clone())
            .app_data(model.clone())
            .app_data(web::Data::new(upstream))
            .app_data(web::JsonConfig::default().limit(16 * 1024));
        app.service((page, ask, list, read, gateway))
    })
    .listen(listener)?
    .run()
    .await
}
