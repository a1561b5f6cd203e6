use std::{io, net::TcpListener};

use actix_web::{
    HttpResponse, Responder,
    dev::HttpServiceFactory,
    get,
    http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS},
    middleware::DefaultHeaders,
    web::{self, Data, ServiceConfig},
};
use serde::Serialize;

/// The origins of the three sites, two of which are pages.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sites {
    pub(crate) wall: String,
    pub(crate) streams: String,
    pub(crate) elsewhere: String,
}

impl Sites {
    pub(crate) fn at(names: [&str; 3], sockets: &[TcpListener; 3]) -> io::Result<Self> {
        let origin = |name: &str, socket: &TcpListener| -> io::Result<_> {
            Ok(format!("https://{name}:{}", socket.local_addr()?.port()))
        };
        let ([wall, streams, elsewhere], [first, second, third]) = (names, sockets);
        Ok(Self {
            wall: origin(wall, first)?,
            streams: origin(streams, second)?,
            elsewhere: origin(elsewhere, third)?,
        })
    }

    /// The wall. It may talk to the streams' site, and frame the one that is elsewhere.
    pub(crate) fn configure_wall(&self, app: &mut ServiceConfig) {
        let (streams, elsewhere) = (&self.streams, &self.elsewhere);
        let policy = format!("connect-src 'self' {streams}; frame-src {elsewhere}; frame-ancestors 'none'");
        let files = web::scope("")
            .wrap(headers(&policy))
            .service(sites)
            .service(file("/", HTML, include_str!("page/wall.html")))
            .service(file("/style.css", CSS, include_str!("page/style.css")))
            .service(file("/wall.js", SCRIPT, include_str!("page/wall.js")))
            .service(file("/panels.js", SCRIPT, include_str!("page/panels.js")))
            .service(file("/charts.js", SCRIPT, include_str!("page/charts.js")))
            .service(file(
                "/uplot.js",
                SCRIPT,
                include_str!("page/uplot-1.6.32/uPlot.iife.min.js"),
            ))
            .service(file(
                "/uplot.css",
                CSS,
                include_str!("page/uplot-1.6.32/uPlot.min.css"),
            ));
        app.app_data(Data::new(self.clone())).service(files);
    }

    /// A page that tries what the wall does. It may be framed by the wall.
    pub(crate) fn configure_elsewhere(&self, app: &mut ServiceConfig) {
        let (wall, streams) = (&self.wall, &self.streams);
        let policy = format!("connect-src 'self' {streams}; frame-ancestors {wall}");
        let files = web::scope("")
            .wrap(headers(&policy))
            .service(sites)
            .service(file("/", HTML, include_str!("page/elsewhere.html")))
            .service(file("/style.css", CSS, include_str!("page/style.css")))
            .service(file("/elsewhere.js", SCRIPT, include_str!("page/elsewhere.js")));
        app.app_data(Data::new(self.clone())).service(files);
    }
}

/// Where a page finds the others.
#[get("/sites.json")]
async fn sites(sites: Data<Sites>) -> impl Responder {
    web::Json(sites.get_ref().clone())
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file that is part of the program.
fn file(path: &str, kind: &'static str, text: &'static str) -> impl HttpServiceFactory + use<> {
    let answer = move || async move { HttpResponse::Ok().content_type(kind).body(text) };
    web::resource(path).get(answer)
}

/// What the site's pages may do: only what they are made for.
fn headers(policy: &str) -> DefaultHeaders {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; form-action 'none'; \
         base-uri 'none'; {policy}"
    );
    DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, policy))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
}
