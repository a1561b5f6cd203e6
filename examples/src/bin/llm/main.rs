//! The answer of a language model, word by word: made by a POST, read by a GET, written only once.
//!
//! `cargo run --bin llm`

use std::io;

use actix_web::{
    App, Error, HttpResponse, Responder,
    error::{ErrorBadRequest, ErrorNotFound},
    get,
    http::header::LOCATION,
    post, web,
};
use serde::Deserialize;
use serde_json::json;
use sse_actix::{Event, LastEventId, Server, sse_stream};
use sse_examples::CommandLine;

use self::answers::Answers;

mod answers;
mod model;

#[derive(Debug, Deserialize)]
struct Question {
    prompt: String,
}

/// Begins an answer and says where it is to be read.
#[post("/answers")]
async fn ask(question: web::Json<Question>, answers: web::Data<Answers>) -> Result<HttpResponse, Error> {
    let prompt = question.into_inner().prompt;
    if prompt.trim().is_empty() {
        return Err(ErrorBadRequest("the prompt is empty"));
    }
    let url = answers.ask(prompt).url();
    let created = HttpResponse::Created()
        .insert_header((LOCATION, url.as_str()))
        .json(json!({ "url": url }));
    Ok(created)
}

/// The words of an answer, from behind the last that was seen. They are written while they are read: when
/// the reader leaves, this function is dropped where it waits, and the work stops. At the end `finite` makes
/// the browser stop too, and answers its reconnect before any of this runs again.
#[get("/answers/{number}")]
#[sse_stream(finite, retry = "1s", event = "word")]
async fn read(number: web::Path<u64>, last: LastEventId, answers: web::Data<Answers>) -> Result<(), Error> {
    let answer = answers
        .get(*number)
        .ok_or_else(|| ErrorNotFound("there is no such answer"))?;
    let seen: Option<usize> = last.parse().ok().flatten();
    let mut next = seen
        .filter(|seen| *seen < answer.written())
        .map_or(0, |seen| seen + 1);
    let reader = answer.read();
    while let Some(word) = reader.word(next).await {
        emit!(Event::data(word).id(next));
        next += 1;
    }
    Ok(())
}

/// How far each answer is, which shows that nothing is written twice.
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
    let listener = CommandLine::read("llm", None).listen();
    println!("http://{}", listener.local_addr()?);

    let answers = web::Data::new(Answers::new());
    Server::new(move || {
        let app = App::new()
            .app_data(answers.clone())
            .app_data(web::JsonConfig::default().limit(16 * 1024));
        app.service(page).service(ask).service(list).service(read)
    })
    .listen(listener)
    .run()
    .await
}
