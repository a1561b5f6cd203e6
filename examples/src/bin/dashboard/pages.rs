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

/// The origins of the three sites. Two of them serve pages.
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

    /// The wall. It may send requests to the streams' site, and show the site `elsewhere` in a frame.
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

    /// A page that tries to do what the wall does. The wall may show it in a frame.
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

/// The addresses of the other sites, for the pages.
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

/// The content security policy of the site's pages. It allows only what they need.
fn headers(policy: &str) -> DefaultHeaders {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; form-action 'none'; \
         base-uri 'none'; {policy}"
    );
    DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, policy))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
}
