use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use actix_web::{
    Responder as _,
    body::{BoxBody, MessageBody as _},
    test::TestRequest,
};
use sse_actix_core::KeepAlive;

use super::super::Worker;
use crate::{
    Hub,
    hub::Subscription,
    server::{HandoverOwner as _, min_bytes_read},
};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

/// The body of a stream's response.
fn answer(subscription: Subscription) -> BoxBody {
    let request = TestRequest::get().to_http_request();
    subscription.respond_to(&request).into_body()
}

fn long(hub: &Hub) -> BoxBody {
    let subscription = hub.subscribe("n").valid_until(SystemTime::now() + MONTH);
    answer(subscription.max_age(MONTH).keep_alive(KeepAlive::comment(HOUR)))
}

/// All that the body has.
fn poll(body: &mut BoxBody) -> Vec<u8> {
    let mut all = Vec::new();
    while let Poll::Ready(Some(Ok(chunk))) =
        pin!(&mut *body).poll_next(&mut Context::from_waker(Waker::noop()))
    {
        all.extend_from_slice(&chunk);
    }
    all
}

/// Deadlines and keep-alives that are scheduled.
fn scheduled(hub: &Hub) -> (usize, usize) {
    let worker = Worker::of(&hub.0.0).unwrap();
    let keep_alives = worker.schedule.keep_alives.borrow();
    (
        worker.schedule.deadlines.borrow().len(),
        keep_alives.values().map(Vec::len).sum(),
    )
}

#[actix_web::test]
async fn the_times_of_a_stream_go_with_it() {
    let hub = Hub::new().unwrap();
    let mut stays = long(&hub);
    poll(&mut stays);
    for _ in 0..1_000 {
        // All are due at the same time, about, in any order.
        let mut streams = [long(&hub), long(&hub), long(&hub)];
        for stream in &mut streams {
            poll(stream);
        }
        assert_eq!(scheduled(&hub), (4, 4));
        let [first, middle, last] = streams;
        drop((middle, first, last));
        assert_eq!(scheduled(&hub), (1, 1));
    }
    drop(stays);
    assert_eq!(scheduled(&hub), (0, 0));
    let worker = Worker::of(&hub.0.0).unwrap();
    assert!(worker.schedule.keep_alives.borrow().is_empty());
}

/// A subscriber that takes another's place in the schedule is found there.
#[actix_web::test]
async fn who_stays_is_kept_alive_whoever_leaves() {
    tokio::time::pause();
    let hub = Hub::new().unwrap();
    let mut streams: Vec<_> = (0..10).map(|_| long(&hub)).collect();
    for stream in &mut streams {
        poll(stream);
    }
    let mut stays = streams.pop().unwrap();
    drop(streams);
    tokio::time::sleep(HOUR + Duration::from_secs(1)).await;
    assert_eq!(poll(&mut stays), b":\n");
    assert_eq!(scheduled(&hub), (1, 1));
}

#[actix_web::test]
async fn no_time_is_too_long() {
    let hub = Hub::builder().max_age(Duration::MAX).build().unwrap();
    let never = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64 / 2));
    for subscription in [
        hub.subscribe("n"),
        hub.subscribe("n").max_age(Duration::MAX),
        hub.subscribe("n").valid_until(never.unwrap()),
        hub.subscribe("n").keep_alive(KeepAlive::comment(Duration::MAX)),
    ] {
        let mut stream = answer(subscription);
        assert!(!poll(&mut stream).is_empty());
        assert_eq!(hub.stats().streams, 1);
    }
}

/// A client takes `bytes` bytes of an event, and again after each `every`. Returns true if it is given up within an
/// hour.
async fn is_given_up(stall_timeout: Duration, bytes: usize, every: Duration) -> bool {
    let hub = Hub::builder().stall_timeout(stall_timeout).build().unwrap();
    let mut stream = answer(hub.subscribe("n"));
    poll(&mut stream);
    hub.topic("n").publish(&1).await.unwrap();
    let worker = Worker::of(&hub.0.0).unwrap();
    let subscribers = || {
        let topics = worker.topics.by_slot.borrow();
        let of_topics = topics.iter().flat_map(|(_, topic)| &topic.subscribers);
        let subscribers = of_topics.map(|(_, (subscriber, _))| subscriber.clone());
        subscribers.collect::<Vec<_>>()
    };
    let began = tokio::time::Instant::now();
    while began.elapsed() < HOUR {
        tokio::time::sleep(every).await;
        for subscriber in subscribers() {
            subscriber.note_accepted(bytes);
        }
    }
    let stalled = hub.stats().evictions.stalled;
    assert_eq!(stalled == 0, hub.stats().streams == 1);
    stalled > 0
}

#[actix_web::test]
async fn a_byte_a_minute_is_no_reading() {
    tokio::time::pause();
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    for stall_timeout in [second, 30 * second, 10 * minute] {
        assert!(is_given_up(stall_timeout, 1, minute).await, "{stall_timeout:?}");
    }
    for stall_timeout in [30 * second, 10 * minute] {
        let bytes = min_bytes_read(second);
        assert!(is_given_up(stall_timeout, bytes / 2, second).await);
        assert!(!is_given_up(stall_timeout, bytes, second).await);
    }
}
