use std::io;

use actix_web::{
    Error, HttpRequest, HttpResponse, Responder,
    error::ErrorUnauthorized,
    get,
    middleware::from_fn,
    post,
    web::{self, Data, ServiceConfig},
};
use serde::Deserialize;
use serde_json::json;
use sse_actix::{CrossOrigin, Ending, LastEventId, Shutdown, StreamControl, sse_stream};
use sse_examples::History;

use crate::{
    figures::{self, Figures, Panel},
    pages::Sites,
    readers::{Reader, Readers},
    refusals::{self, Refusals},
    sessions::{Session, Sessions, USER},
};

/// The site of the streams, from which the wall's page gets its figures.
#[derive(Clone)]
pub(crate) struct Streams {
    cross_origin: CrossOrigin,
    sites: Data<Sites>,
    sessions: Data<Sessions>,
    history: Data<History<Figures>>,
    readers: Data<Readers>,
    refusals: Data<Refusals>,
    shutdown: Data<Shutdown>,
}

impl Streams {
    pub(crate) fn new(sites: &Sites, sessions: Sessions, shutdown: &Shutdown) -> io::Result<Self> {
        let (readers, refusals) = (Readers::default(), Refusals::default());
        Ok(Self {
            cross_origin: CrossOrigin::allow([&sites.wall]).map_err(io::Error::other)?,
            sites: Data::new(sites.clone()),
            sessions: Data::new(sessions),
            history: Data::new(figures::measure(readers.clone(), refusals.clone())),
            readers: Data::new(readers),
            refusals: Data::new(refusals),
            shutdown: Data::new(shutdown.clone()),
        })
    }

    pub(crate) fn configure(&self, app: &mut ServiceConfig) {
        let for_the_wall = web::scope("")
            .wrap(self.cross_origin.clone())
            .wrap(from_fn(refusals::note))
            .service(panel)
            .service(who_am_i)
            .service(log_in)
            .service(log_out)
            .service(interrupt);
        app.app_data(self.sites.clone())
            .app_data(self.sessions.clone())
            .app_data(self.history.clone())
            .app_data(self.readers.clone())
            .app_data(self.refusals.clone())
            .app_data(self.shutdown.clone())
            .service(accepted)
            .service(for_the_wall);
    }
}

/// A panel's figures, once a second, beginning after the last one that the client has seen. Every panel has its own
/// stream. Over HTTP/2 this needs no further connection.
#[get("/figures/{panel}")]
#[sse_stream(retry = "2s")]
async fn panel(
    last: LastEventId,
    session: Session,
    shown: web::Path<Panel>,
    history: Data<History<Figures>>,
    sessions: Data<Sessions>,
    stream: StreamControl,
    _reader: Reader,
) -> Result<(), Error> {
    stream.tag(session.tag());
    let mut seen = last.parse().ok().flatten().unwrap_or(0);
    // A log-out ends the stream by its tag. This check ends it when the session has expired, or was ended before the
    // stream had its tag.
    while sessions.is_valid(&session) {
        for (at, figures) in history.after(seen).await {
            if let Some(event) = figures.get(&shown) {
                emit!(event.clone());
            }
            seen = at;
        }
    }
    Ok(())
}

/// A page asks this to find out whether its cookie is valid.
#[get("/session")]
async fn who_am_i(_: Session, request: HttpRequest) -> impl Responder {
    let protocol = format!("{:?}", request.version());
    web::Json(json!({ "user": USER, "protocol": protocol, "machine": figures::machine() }))
}

#[derive(Deserialize)]
struct LogIn {
    user: String,
    password: String,
}

/// Answers the page's `fetch` with a cookie of *this* site, because the streams are on this site.
#[post("/login")]
async fn log_in(given: web::Json<LogIn>, sessions: Data<Sessions>) -> Result<HttpResponse, Error> {
    let cookie = sessions
        .log_in(&given.user, &given.password)
        .ok_or_else(|| ErrorUnauthorized("wrong user or password"))?;
    let mut answer = HttpResponse::NoContent();
    Ok(answer.append_header(cookie).finish())
}

/// Ends the session, and at once all its streams, in every tab.
#[post("/logout")]
async fn log_out(session: Session, sessions: Data<Sessions>, shutdown: Data<Shutdown>) -> impl Responder {
    // The streams end first. A stream that notices by itself that its session is gone ends without telling the client
    // that the end is permanent.
    let ended = shutdown.end_tagged(session.tag(), Ending::Final);
    let cookie = sessions.log_out(&session);
    let mut answer = HttpResponse::Ok();
    answer.append_header(cookie).json(json!({ "ended": ended }))
}

/// Ends the session's streams so that the browser reconnects and gets the events that it missed.
#[post("/interrupt")]
async fn interrupt(session: Session, shutdown: Data<Shutdown>) -> impl Responder {
    let ended = shutdown.end_tagged(session.tag(), Ending::Reconnect);
    web::Json(json!({ "ended": ended }))
}

/// The page to which the wall leads a browser that does not trust this site's certificate yet.
#[get("/")]
async fn accepted(sites: Data<Sites>) -> impl Responder {
    web::Html::new(include_str!("page/accepted.html").replace("{wall}", &sites.wall))
}
