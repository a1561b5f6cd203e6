//! This machine's own figures, live in a browser, and a log file, followed as `tail -f` does.
//!
//! `cargo run --bin quickstart`, or `cargo run --bin quickstart -- some.log`

use std::{io, path::PathBuf, time::Duration};

use actix_web::{App, Error, HttpResponse, Responder, get, web};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use sse_actix::{Event, LastEventId, Server, sse_stream};
use sse_examples::CommandLine;
use tokio::time::sleep;

use self::{log::Log, machine::Machine};

mod log;
mod machine;
mod position;

/// The samples that the page draws. An event without a name reaches `onmessage`, a named event reaches its own
/// listener. The browser sends the last id when it reconnects, and gets the samples after it, which it missed.
#[get("/events")]
#[sse_stream(keep_alive = "15s", retry = "2s")]
async fn events(last: LastEventId, machine: web::Data<Machine>) -> Result<(), Error> {
    let mut seen = last.parse().ok().flatten().unwrap_or(0);
    emit!(Machine::greeting());
    loop {
        for sample in machine.after(seen).await {
            emit!(Event::json(&sample.cpu)?.event("cpu"));
            emit!(Event::json(&sample.memory)?.event("memory"));
            emit!(Event::json(&sample.network)?.event("network").id(sample.at));
            seen = sample.at;
        }
        emit!(Event::json(&json!({ "time": seen }))?.event("ping"));
    }
}

/// The lines of the log file. Each is sent once, even if the connection breaks or this server restarts.
#[get("/log")]
#[sse_stream(retry = "2s", event = "line", resume)]
async fn log_lines(last: LastEventId, path: web::Data<Option<PathBuf>>) -> Result<(), Error> {
    let Some(path) = path.get_ref() else {
        return Ok(()); // Nothing was emitted: 204, and the browser asks no more.
    };
    let mut log = Log::open(path, last.as_str());
    emit!(Event::data(path.to_string_lossy()).event("file"));
    loop {
        let lines;
        (lines, log) = web::block(move || (log.read(), log)).await?;
        let lines = lines?;
        if lines.is_empty() {
            sleep(Duration::from_millis(200)).await;
        }
        for line in lines {
            emit!(line);
        }
    }
}

#[get("/")]
async fn page() -> impl Responder {
    web::Html::new(include_str!("page.html"))
}

/// The metrics for Prometheus.
#[get("/metrics")]
async fn metrics(prometheus: web::Data<PrometheusHandle>) -> impl Responder {
    sse_actix::metrics::report();
    prometheus.run_upkeep();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(prometheus.render())
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let command_line = CommandLine::read("quickstart", Some("LOG_FILE"));
    let listener = command_line.listen();
    println!("http://{}", listener.local_addr()?);

    let (machine, path) = (
        web::Data::new(Machine::watch()),
        web::Data::new(command_line.file),
    );
    let prometheus = PrometheusBuilder::new().install_recorder();
    let prometheus = web::Data::new(prometheus.map_err(io::Error::other)?);
    Server::new(move || {
        let app = App::new().app_data(machine.clone()).app_data(path.clone());
        let app = app.app_data(prometheus.clone()).service(metrics);
        app.service(page).service(events).service(log_lines)
    })
    .listen(listener)?
    .run()
    .await
}
