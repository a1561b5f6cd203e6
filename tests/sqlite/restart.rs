//! Whoever comes back after a restart goes on where it was.

use std::path::Path;

use actix_web::{App, web};
use sse_actix::{EventId, Hub, Subscription, test::Serving};
use sse_actix_sqlite::SqliteLog;
use sse_tests::wire::Wire;

async fn answer(hub: web::Data<Hub>, topic: web::Path<String>) -> Subscription {
    hub.subscribe(sse_actix::TopicName::try_from(topic.into_inner()).unwrap())
}

struct Server {
    log: SqliteLog,
    hub: Hub,
    serving: Serving,
}

fn start(path: &Path) -> Server {
    let log = SqliteLog::open(path).unwrap();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let data = web::Data::new(hub.clone());
    let serving = Serving::start(move || {
        App::new()
            .app_data(data.clone())
            .route("/{topic}", web::get().to(answer))
    });
    Server { log, hub, serving }
}

async fn publish(hub: &Hub, topic: &'static str, numbers: std::ops::RangeInclusive<u32>) -> Vec<EventId> {
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(hub.topic(topic).publish(&number).await.unwrap());
    }
    ids
}

/// The data that comes next, so many times.
async fn data(wire: &mut Wire, events: usize) -> Vec<String> {
    // A position has this as its data.
    let of = |text: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        lines
            .filter(|data| *data != "{}")
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut text = String::new();
    while of(&text).len() < events {
        text.push_str(&String::from_utf8_lossy(&wire.chunk().await.unwrap()));
    }
    assert!(!text.contains("sse-gap"), "{text}");
    of(&text)
}

async fn back(server: &Server, path: &str, id: &EventId) -> Wire {
    let header = format!("Last-Event-ID: {id}\r\n");
    let mut wire = Wire::get_with(server.serving.addr(), path, header.as_bytes()).await;
    wire.head().await;
    wire
}

#[tokio::test]
async fn readers_resume_without_a_gap_and_follow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let server = start(&path);
    let mut reader = Wire::get(server.serving.addr(), "/n").await;
    reader.head().await;
    let mut text = String::new();
    while !text.contains("event: sse-position") {
        text.push_str(&String::from_utf8_lossy(&reader.chunk().await.unwrap()));
    }
    let ids = publish(&server.hub, "n", 1..=10).await;
    assert_eq!(data(&mut reader, 10).await.concat(), "12345678910");
    drop(reader);
    server.log.close();

    let server = start(&path);
    let mut reader = back(&server, "/n", &ids[3]).await;
    assert_eq!(data(&mut reader, 6).await.concat(), "5678910");
    publish(&server.hub, "n", 11..=12).await;
    assert_eq!(data(&mut reader, 2).await.concat(), "1112");
    // It was the newest.
    let mut newest = back(&server, "/n", &ids[9]).await;
    assert_eq!(data(&mut newest, 2).await.concat(), "1112");
}

/// A topic that was read, and never published to, is remembered too.
#[tokio::test]
async fn a_position_before_the_first_event_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let topic = sse_actix::TopicName::from_static("quiet");
    let before = super::read(
        &log,
        &topic,
        sse_actix::Start::Head,
        sse_actix::Limit::DEFAULT,
        std::time::SystemTime::now(),
    )
    .await
    .unwrap();
    log.close();

    let server = start(&path);
    let id = sse_actix::Positions::id([before.end]).to_event_id().unwrap();
    publish(&server.hub, "quiet", 1..=1).await;
    let mut reader = back(&server, "/quiet", &id).await;
    assert_eq!(data(&mut reader, 1).await, ["1"]);
}

/// As many clients as there are cost a handful of queries.
#[tokio::test]
async fn many_readers_that_come_back_share_what_is_read_from_the_file() {
    let number_of_readers: usize =
        std::env::var("SSE_SQLITE_READERS").map_or(100, |number| number.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let topic = hub.topic("n");
    let published = (1..=3_000).map(async |number: u32| topic.publish(&number).await);
    let ids: Vec<_> = futures_util::future::join_all(published).await;
    let first = ids[0].as_ref().unwrap();
    log.close();

    let server = start(&path);
    let readers = (0..number_of_readers).map(|_| async {
        let mut reader = back(&server, "/n", first).await;
        data(&mut reader, 2_999).await.len()
    });
    let received = futures_util::future::join_all(readers).await;
    assert_eq!(received, vec![2_999; number_of_readers]);
    let file = server.hub.stats().log.file.unwrap();
    println!(
        "measured: {number_of_readers} readers of 3,000 events: {} reads of the file",
        file.reads
    );
    assert!(file.reads <= 4, "{file:?}");
}
