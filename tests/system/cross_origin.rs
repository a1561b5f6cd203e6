//! Pages of other origins, header by header through a socket.

mod cost;
mod every_answer;
mod preflight;
mod refused;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::{
    App, Error, HttpResponse,
    dev::Service as _,
    error::ErrorServiceUnavailable,
    get,
    http::header::{self, HeaderValue},
    web,
};
use sse_actix::{CrossOrigin, sse_stream, test::Serving};
use sse_tests::wire::{Head, Wire};

const PAGE: &str = "https://page.test";

#[derive(Clone, Default)]
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[get("/stream")]
#[sse_stream(finite)]
async fn stream() -> Result<(), Error> {
    emit!("one");
    Ok(())
}

#[get("/nothing")]
#[sse_stream]
async fn nothing() -> Result<(), Error> {
    if false {
        emit!("never");
    }
    Ok(())
}

#[get("/extracted")]
#[sse_stream]
async fn extracted(number: web::Query<(u32,)>) -> Result<(), Error> {
    emit!(number.0.0.to_string());
    Ok(())
}

#[get("/failing")]
#[sse_stream]
async fn failing() -> Result<(), Error> {
    open_nothing()?;
    emit!("never");
    Ok(())
}

fn open_nothing() -> Result<(), Error> {
    Err(actix_web::error::ErrorInternalServerError("no database"))
}

/// Says of other origins what it should leave to others, and more than once.
#[get("/meddling")]
async fn meddling() -> HttpResponse {
    let mut response = HttpResponse::Ok().body("meddling");
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "https://evil.test"),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "True"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "*"),
        (header::VARY, "Accept-Language"),
        (header::VARY, "Accept-Encoding, Cookie"),
    ] {
        response
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    response
}

/// A scope that pages of `cross_origin` may read, whose handlers and layers count how often they ran.
fn serve(cross_origin: CrossOrigin) -> (Serving, Runs) {
    let runs = Runs::default();
    let counted = runs.clone();
    let serving = Serving::start(move || {
        let runs = counted.clone();
        let inside = web::scope("/in")
            .wrap_fn(move |request, app| {
                runs.0.fetch_add(1, Ordering::SeqCst);
                let unavailable = request.path().ends_with("/unavailable");
                let response = app.call(request);
                async move {
                    if unavailable {
                        return Err(ErrorServiceUnavailable("later"));
                    }
                    response.await
                }
            })
            .wrap(cross_origin.clone())
            .service(stream)
            .service(nothing)
            .service(extracted)
            .service(failing)
            .service(meddling)
            .service(web::resource("/posted").route(web::post().to(async || "posted")))
            .route("/unavailable", web::get().to(HttpResponse::Ok));
        App::new().service(inside)
    });
    (serving, runs)
}

async fn ask(serving: &Serving, request: &str, headers: &str) -> Head {
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send(format!("{request} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"))
        .await;
    wire.head().await
}

/// Every line that concerns other origins.
fn cors_lines(head: &Head) -> Vec<&str> {
    let mut lines = head.headers();
    lines.retain(|line| line.starts_with("access-control-") || line.starts_with("vary: "));
    lines
}
