//! A chat with rooms: history on entry, the list of people, private messages, and a kick. All data is in a file: after
//! a restart all people are still logged in, and all messages are there.
//!
//! `cargo run --bin chat`, or over HTTPS and HTTP/2 with a certificate of yours:
//! `cargo run --bin chat -- --tls fullchain.pem,privkey.pem`

mod people;
mod rooms;
mod tls;

use std::io;

use actix_web::{
    App, Error, HttpRequest, HttpResponse, Responder,
    cookie::{Cookie, SameSite, time::Duration},
    error::{ErrorBadRequest, ErrorConflict, ErrorNotFound, ErrorUnauthorized},
    get, post,
    web::{self, Data, Json, Path},
};
use serde::Deserialize;
use serde_json::json;
use sse_actix::{CrossOrigin, Hub, Server, Subscription, shared_event_source};
use sse_actix_sqlite::SqliteLog;
use sse_examples::CommandLine;

use self::{
    people::{Name, People, SESSION},
    rooms::{HISTORY, Message, RecentMessages, Room, Text, hub},
};

/// The stream of a room: its messages, the list of people in it, and the private messages of this person.
#[get("/rooms/{room}/events")]
async fn events(
    request: HttpRequest,
    room: Path<String>,
    hub: Data<Hub>,
    people: Data<People>,
) -> Result<Subscription, Error> {
    let room = Room::find(&room).ok_or_else(|| ErrorNotFound("there is no such room"))?;
    let person = people.person_of(&request).ok_or_else(not_logged_in)?;
    // `admit` comes before the check that the person is still logged in, so a kick in between reaches this request.
    hub.admit(&request, person.name.tag());
    people.person_of(&request).ok_or_else(not_logged_in)?;
    Ok(hub
        .subscribe(room.topic())
        .history(HISTORY)
        .and(hub.subscribe(room.people_topic()))?
        .and(hub.subscribe(&person.inbox))?)
}

fn not_logged_in() -> Error {
    ErrorUnauthorized("log in first")
}

#[derive(Deserialize)]
struct Said {
    text: String,
    to: Option<String>,
}

#[post("/rooms/{room}/messages")]
async fn say(
    request: HttpRequest,
    room: Path<String>,
    said: Json<Said>,
    hub: Data<Hub>,
    people: Data<People>,
) -> Result<HttpResponse, Error> {
    let room = Room::find(&room).ok_or_else(|| ErrorNotFound("there is no such room"))?;
    let from = people.person_of(&request).ok_or_else(not_logged_in)?;
    let text = Text::parse(&said.text).map_err(ErrorBadRequest)?;
    let Some(to) = &said.to else {
        let message = Message::new(&from.name, None, &text);
        hub.topic(room.topic()).publish(&message).await?;
        return Ok(HttpResponse::NoContent().finish());
    };
    let to = Name::parse(to).map_err(ErrorBadRequest)?;
    let to = people
        .person_named(&to)
        .ok_or_else(|| ErrorNotFound("nobody here has that name"))?;
    let message = Message::new(&from.name, Some(&to.name), &text);
    hub.topic(&to.inbox).publish(&message).await?;
    if from.inbox != to.inbox {
        hub.topic(&from.inbox).publish(&message).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The newest messages of a room, for a tab that joins another tab's stream.
#[get("/rooms/{room}/messages")]
async fn messages(
    request: HttpRequest,
    room: Path<String>,
    people: Data<People>,
    recent: Data<RecentMessages>,
) -> Result<impl Responder, Error> {
    let room = Room::find(&room).ok_or_else(|| ErrorNotFound("there is no such room"))?;
    people.person_of(&request).ok_or_else(not_logged_in)?;
    Ok(Json(recent.of(&room)))
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Logs a person in, by a name.
#[post("/people")]
async fn enter(person: Json<Named>, people: Data<People>) -> Result<HttpResponse, Error> {
    let name = Name::parse(&person.name).map_err(ErrorBadRequest)?;
    let session = people
        .enter(&name)
        .await?
        .ok_or_else(|| ErrorConflict("somebody here has that name"))?;
    Ok(HttpResponse::Created()
        .cookie(session_cookie(session))
        .json(json!({ "name": name })))
}

fn session_cookie(session: String) -> Cookie<'static> {
    Cookie::build(SESSION, session)
        .path("/")
        // The cookie survives a restart of the browser, as the session survives a restart of the server.
        .max_age(Duration::seconds(people::MONTH.as_secs().cast_signed()))
        .http_only(true)
        .same_site(SameSite::Strict)
        .finish()
}

#[get("/people/me")]
async fn me(request: HttpRequest, people: Data<People>) -> Result<impl Responder, Error> {
    let person = people.person_of(&request).ok_or_else(not_logged_in)?;
    Ok(Json(json!({ "name": person.name })))
}

/// Logs out: deletes the session, and ends its streams permanently, in every tab.
#[post("/leavings")]
async fn leave(request: HttpRequest, hub: Data<Hub>, people: Data<People>) -> Result<HttpResponse, Error> {
    let person = people.person_of(&request).ok_or_else(not_logged_in)?;
    people.leave(&person.name).await?;
    hub.revoke(&person.name.tag());
    let mut cookie = session_cookie(String::new());
    cookie.make_removal();
    Ok(HttpResponse::NoContent().cookie(cookie).finish())
}

/// Puts a person out: deletes their session, and ends their streams permanently, in every tab. In this example anybody
/// may do this; a real program would check who sends the request.
#[post("/kicks")]
async fn kick(
    request: HttpRequest,
    person: Json<Named>,
    hub: Data<Hub>,
    people: Data<People>,
) -> Result<HttpResponse, Error> {
    people.person_of(&request).ok_or_else(not_logged_in)?;
    let name = Name::parse(&person.name).map_err(ErrorBadRequest)?;
    if !people.leave(&name).await? {
        return Err(ErrorNotFound("nobody here has that name"));
    }
    let streams = hub.revoke(&name.tag());
    Ok(HttpResponse::Ok().json(json!({ "streams": streams })))
}

/// The number of open streams. It shows that tabs share a stream.
#[get("/figures")]
async fn figures(hub: Data<Hub>) -> impl Responder {
    Json(json!({ "streams": hub.stats().streams }))
}

#[get("/")]
async fn page() -> impl Responder {
    web::Html::new(include_str!("page.html"))
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let command_line = CommandLine::read_with_data("chat", Some(("--tls", "CERTIFICATE,KEY")));
    let tls = command_line.option.as_deref().map(tls::config).transpose()?;
    let listener = command_line.listen();
    // If another server still has the file and is about to end, this waits.
    let log = SqliteLog::open(command_line.data_file("chat.db")?)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("{scheme}://{}", listener.local_addr()?);

    let hub = Data::new(hub(log)?);
    let people = Data::new(People::load(&hub).await.map_err(io::Error::other)?);
    let recent = Data::new(RecentMessages::default());
    for room in Room::ALL {
        actix_web::rt::spawn(
            recent
                .clone()
                .into_inner()
                .follow(room.clone(), hub.follow(room.topic())),
        );
        actix_web::rt::spawn(room.publish_people(Hub::clone(&hub)));
    }
    let server = Server::new(move || {
        let chat = web::scope("/chat")
            // Requests from pages of other sites are refused.
            .wrap(CrossOrigin::nobody())
            .service(events)
            .service(say)
            .service(messages)
            .service(enter)
            .service(me)
            .service(leave)
            .service(kick)
            .service(figures);
        App::new()
            .app_data(hub.clone())
            .app_data(people.clone())
            .app_data(recent.clone())
            .app_data(web::JsonConfig::default().limit(16 * 1024))
            .service(page)
            .service(shared_event_source())
            .service(chat)
    });
    let server = match tls {
        Some(config) => server.listen_rustls_0_23(listener, config)?,
        None => server.listen(listener)?,
    };
    server.run().await
}
