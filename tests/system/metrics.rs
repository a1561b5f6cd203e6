//! What a recorder of metrics is told: each row of the table in `sse_actix::metrics`, after a scripted run.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use actix_web::{
    App, Error, HttpRequest,
    error::ErrorInternalServerError,
    web::{self, Data},
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sse_actix::{Event, Hub, KeepAlive, Subscription, TopicName, TopicOptions, sse_stream, test::Serving};
use sse_tests::{patience::until, wire::Wire};
use tokio::time::{Duration, sleep};

use super::hub::{Reader, count, serve_hub};

async fn topic(hub: Data<Hub>, request: HttpRequest, name: web::Path<String>) -> Subscription {
    let tag = request.query_string().to_owned();
    if !tag.is_empty() {
        hub.admit(&request, tag);
    }
    hub.subscribe(TopicName::try_from(name.into_inner()).unwrap())
}

#[sse_stream]
async fn finishes() {
    emit!("one");
    emit!("two");
}

#[sse_stream]
async fn fails() -> Result<(), Error> {
    emit!("one");
    Err(ErrorInternalServerError("no more"))
}

#[sse_stream]
async fn panics() {
    emit!("one");
    panic!("as the test wants");
}

#[sse_stream]
async fn panics_before_its_head() {
    assert!(std::env::args().len() == usize::MAX, "as the test wants");
    emit!("never");
}

#[sse_stream(plain)]
async fn aborted() -> Result<(), Error> {
    emit!("one");
    sleep(Duration::from_secs(3_600)).await;
    Ok(())
}

fn serve(hub: &Hub) -> Serving {
    serve_hub(hub, |app| {
        app.route("/of/{topic}", web::get().to(topic))
            .route("/finishes", web::get().to(finishes))
            .route("/fails", web::get().to(fails))
            .route("/panics", web::get().to(panics))
            .route("/head", web::get().to(panics_before_its_head));
    })
}

fn hub() -> Hub {
    Hub::builder()
        .topics(TopicOptions::log().max_events(2))
        .metrics_topics("prices")
        .metrics_topics("room:*")
        .max_streams_per_tag(1)
        .build()
        .unwrap()
}

/// Everything ends once in each way.
async fn run(hub: &Hub, serving: &Serving) {
    let addr = serving.addr();
    for path in ["/finishes", "/fails", "/panics", "/head"] {
        let mut wire = Wire::get_with(addr, path, b"Connection: close\r\n").await;
        let _ = wire.rest().await;
    }
    let ids = count(hub, "prices", 1..=4).await;
    count(hub, "room:a", 1..=1).await;
    count(hub, "x", 1..=1).await;

    // Two events are kept, so one that was at the first has missed one.
    let mut gap = Reader::back(addr, "/of/prices", &ids[0]).await;
    gap.take(3).await;
    let left = Reader::new(addr, "/of/room:a").await;
    let mut revoked = Reader::new(addr, "/of/x?ann").await;
    until("three readers", async || hub.stats().streams == 3).await;
    // Beyond the limit of one for each tag.
    let mut wire = Wire::get(addr, "/of/x?ann").await;
    let _ = wire.rest().await;
    assert_eq!(hub.revoke("ann"), 1);
    revoked.rest().await;
    drop(left);
    until("one reader", async || hub.stats().streams == 1).await;
    serving.shutdown().fire();
    gap.rest().await;
    until("no reader", async || hub.stats().streams == 0).await;
}

/// The figures, by name and labels.
fn figures(prometheus: &PrometheusHandle) -> BTreeMap<String, f64> {
    let page = prometheus.render();
    let lines = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn check(figures: &BTreeMap<String, f64>) {
    let expected = [
        ("sse_streams_open", 0.0),
        // Three functions, four readers with the one that was turned away.
        ("sse_streams_opened_total", 6.0),
        ("sse_streams_ended_total{reason=\"finished\"}", 1.0),
        ("sse_streams_ended_total{reason=\"failed\"}", 1.0),
        ("sse_streams_ended_total{reason=\"panicked\"}", 1.0),
        ("sse_streams_ended_total{reason=\"drained\"}", 1.0),
        ("sse_streams_ended_total{reason=\"ended\"}", 1.0),
        ("sse_streams_ended_total{reason=\"aborted\"}", 0.0),
        ("sse_streams_ended_total{reason=\"left\"}", 1.0),
        ("sse_panics_total", 2.0),
        ("sse_hub_streams", 0.0),
        ("sse_hub_published_events_total{topic=\"prices\"}", 4.0),
        ("sse_hub_published_events_total{topic=\"room:*\"}", 1.0),
        ("sse_hub_published_events_total{topic=\"other\"}", 1.0),
        ("sse_hub_publish_duration_seconds_count{topic=\"prices\"}", 4.0),
        (
            "sse_hub_publish_failures_total{topic=\"prices\",outcome=\"refused\"}",
            0.0,
        ),
        (
            "sse_hub_publish_failures_total{topic=\"prices\",outcome=\"unknown\"}",
            0.0,
        ),
        ("sse_hub_gaps_total{topic=\"prices\"}", 1.0),
        ("sse_hub_gaps_total{topic=\"other\"}", 0.0),
        ("sse_hub_undecodable_events_total{topic=\"prices\"}", 0.0),
        ("sse_hub_lag_events{topic=\"prices\"}", 0.0),
        ("sse_hub_evictions_total{reason=\"revoked\"}", 1.0),
        ("sse_hub_evictions_total{reason=\"aged\"}", 0.0),
        ("sse_hub_turned_away_total{limit=\"per_tag\"}", 1.0),
        ("sse_hub_turned_away_total{limit=\"streams\"}", 0.0),
        ("sse_hub_log_ready", 1.0),
        ("sse_hub_log_pending_appends", 0.0),
        ("sse_hub_log_interruptions_total", 0.0),
    ];
    for (name, value) in expected {
        assert_eq!(figures.get(name), Some(&value), "{name} of {figures:#?}");
    }
    // Two, one and one of the functions, and the gap's reader had a gap and two events.
    assert!(figures["sse_sent_events_total"] >= 6.0, "{figures:#?}");
    assert!(figures["sse_sent_bytes_total"] > 100.0, "{figures:#?}");
}

/// What Prometheus itself thinks of the names, the kinds and the help.
fn promtool(page: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "", "of\n{page}");
    assert!(output.status.success());
}

#[tokio::test]
async fn each_row_after_a_run_with_a_recorder_from_the_start() {
    let prometheus = PrometheusBuilder::new().install_recorder().unwrap();
    let hub = hub();
    let serving = serve(&hub);
    run(&hub, &serving).await;
    drop(serving);
    until("what is told once a second", async || {
        figures(&prometheus).get("sse_hub_gaps_total{topic=\"prices\"}") == Some(&1.0)
    })
    .await;
    sse_actix::metrics::report();
    check(&figures(&prometheus));
    promtool(&prometheus.render());
}

#[tokio::test]
async fn each_row_although_the_recorder_came_last() {
    let hub = hub();
    let serving = serve(&hub);
    run(&hub, &serving).await;
    drop(serving);
    let prometheus = PrometheusBuilder::new().install_recorder().unwrap();
    sse_actix::metrics::report();
    let mut figures = figures(&prometheus);
    // A duration that nobody recorded is gone.
    figures.insert(
        "sse_hub_publish_duration_seconds_count{topic=\"prices\"}".to_owned(),
        4.0,
    );
    check(&figures);
}

/// Panics, aborts, shutdowns: whatever ends a stream, it is no longer open.
#[tokio::test]
async fn what_has_ended_is_not_open() {
    let prometheus = PrometheusBuilder::new().install_recorder().unwrap();
    let hub = hub();
    let data = Data::new(hub.clone());
    let serving = Serving::start(move || {
        App::new()
            .app_data(data.clone())
            .route("/of/{topic}", web::get().to(topic))
            .route("/panics", web::get().to(panics))
            .route("/aborted", web::get().to(aborted))
            .route(
                "/idle",
                web::get().to(async |hub: Data<Hub>| hub.subscribe("n").keep_alive(KeepAlive::OFF)),
            )
    });
    let open = || {
        sse_actix::metrics::report();
        figures(&prometheus)["sse_streams_open"].to_string()
    };
    let mut wires = Vec::new();
    for path in ["/of/n", "/idle", "/aborted", "/of/n?ann"] {
        let mut wire = Wire::get(serving.addr(), path).await;
        wire.head().await;
        wires.push(wire);
    }
    let mut panicked = Wire::get(serving.addr(), "/panics").await;
    let _ = panicked.rest().await;
    until("four streams", async || open() == "4").await;
    drop(wires.pop());
    until("three streams", async || open() == "3").await;
    hub.raw("n").publish(Event::data("x")).await.unwrap();
    serving.shutdown().fire();
    drop(wires);
    drop(serving);
    until("no stream", async || open() == "0").await;
}
