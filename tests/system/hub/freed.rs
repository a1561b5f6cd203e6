//! A hub that is no longer used is freed, on threads that go on.

use std::sync::{Arc, Weak};

use actix_web::test::TestRequest;
use sse_actix::{Hub, MemoryLog, test::respond};
use sse_tests::patience::until;

use super::{count, hooked_log::Hooked};

async fn all_are_freed(logs: Vec<Weak<MemoryLog>>) {
    until("all logs to be freed", async || {
        logs.iter().all(|log| log.strong_count() == 0)
    })
    .await;
}

fn hub() -> (Hub, Weak<MemoryLog>) {
    let log = Hooked::new();
    let inner = Arc::downgrade(&log.inner);
    (Hub::builder().log(log).build().unwrap(), inner)
}

#[actix_web::test]
async fn after_its_streams() {
    let mut logs = Vec::new();
    for _ in 0..50 {
        let (hub, log) = hub();
        let mut stream = respond(hub.subscribe("n").history(1), TestRequest::get());
        count(&hub, "n", 1..=1).await;
        assert_eq!(&*stream.next().await.unwrap().data, "1");
        logs.push(log);
    }
    all_are_freed(logs).await;
}

#[actix_web::test]
async fn before_its_streams_which_go_on() {
    let (hub, log) = hub();
    let mut stream = respond(hub.subscribe("n").history(1), TestRequest::get());
    let topic = hub.topic("n");
    drop(hub);
    topic.publish(&1).await.unwrap();
    assert_eq!(&*stream.next().await.unwrap().data, "1");
    drop(topic);
    assert_eq!(log.strong_count(), 1);
    drop(stream);
    all_are_freed(vec![log]).await;
}

#[actix_web::test]
async fn with_a_reader_of_the_rest_of_the_program() {
    let (hub, log) = hub();
    let events = hub.follow("n");
    drop(hub);
    assert_eq!(log.strong_count(), 1);
    drop(events);
    all_are_freed(vec![log]).await;
}
