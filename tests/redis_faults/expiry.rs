//! What reading leaves in Redis, and what it keeps there.

use std::time::{Duration, Instant};

use redis::cmd;
use sse_actix::TopicOptions;
use sse_tests::{
    hub::{POSITION, event, id_of},
    patience::until,
    redis::Redis,
};
use tokio::time::sleep;

use crate::harness::{
    keys::{keys_of, stream_of},
    node::Node,
    promised, reads_through,
};

fn keys(redis: &Redis) -> usize {
    redis.ask(&cmd("DBSIZE"))
}

#[actix_web::test]
async fn a_name_that_is_only_read_takes_nothing() {
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let mut sentry = here.reader("sentry").await;
    let id = there.publish("sentry", 1).await;
    assert_eq!(sentry.next().await, event(&id, 1));
    let before = keys(&redis);
    let mut readers = Vec::new();
    for n in 0..200 {
        let mut reader = here.unplaced_reader(&format!("unheard{n}")).await;
        // It has a position all the same.
        let next = reader.next_with_positions().await;
        assert!(next.starts_with(POSITION), "{next}");
        readers.push(reader);
    }
    let id = there.publish("sentry", 2).await;
    assert_eq!(sentry.next().await, event(&id, 2));
    let names = keys_of(&redis, "unheard");
    assert!(names.is_empty(), "{} keys: {:?}", names.len(), names.first());
    assert!(keys(&redis) <= before + 1, "{} keys more", keys(&redis) - before);
}

/// A position before the first event of a topic is one on every node.
#[actix_web::test]
async fn a_reader_of_a_topic_without_an_event_misses_none() {
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let mut reader = here.unplaced_reader("quotes").await;
    let position = id_of(&reader.next_with_positions().await).to_owned();
    drop(reader);
    let mut ids = Vec::new();
    for n in 1..=3 {
        ids.push(there.publish("quotes", n).await);
    }
    let fresh = Node::at(&redis.url()).await;
    for node in [&here, &there, &fresh] {
        let mut back = node.back("quotes", &position).await;
        reads_through(&mut back, &ids[0], 1).await;
        assert_eq!(back.next().await, event(&ids[1], 2));
        assert_eq!(back.next().await, event(&ids[2], 3));
    }
}

#[actix_web::test]
async fn a_silent_topic_stays_as_long_as_it_is_read_and_no_longer() {
    const TTL: Duration = Duration::from_secs(2);
    let redis = Redis::start();
    let node = Node::with(
        &redis.url(),
        |log| log.topic_ttl(TTL),
        |hub| hub.topics(TopicOptions::log().max_age(TTL)),
    )
    .await;
    let mut reader = node.reader("quotes").await;
    let id = node.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&id, 1));
    node.publish("unread", 1).await;
    let began = Instant::now();
    let forgotten = until("the other topic to be forgotten", async || {
        keys_of(&redis, "unread").is_empty()
    });
    promised(TTL * 3, "a topic that nobody reads is forgotten", forgotten).await;
    sleep((TTL * 3).saturating_sub(began.elapsed())).await;
    assert!(!keys_of(&redis, "quotes").is_empty(), "it is being read");
    let id = node.publish("quotes", 2).await;
    assert_eq!(reader.next().await, event(&id, 2));
}

/// Whoever leaves a topic leaves nothing of it, neither on the node nor, once its time is over, in Redis.
#[actix_web::test]
async fn a_topic_that_was_read_is_forgotten() {
    const TTL: Duration = Duration::from_secs(2);
    let redis = Redis::start();
    let node = Node::with(
        &redis.url(),
        |log| {
            let log = log.check_interval(Duration::from_millis(500));
            log.topic_ttl(TTL).linger(Duration::from_millis(100))
        },
        |hub| hub.topics(TopicOptions::log().max_age(TTL)),
    )
    .await;
    let mut reader = node.reader("quotes").await;
    let id = node.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&id, 1));
    let stream = stream_of(&redis, "quotes");
    let hearing = || {
        let call = cmd("PUBSUB").arg("NUMSUB").arg(&stream).clone();
        redis.ask::<(String, usize)>(&call).1
    };
    assert_eq!(hearing(), 1);
    until("the topic to be compared", async || {
        let calls: String = redis.ask(cmd("INFO").arg("commandstats"));
        calls.contains("cmdstat_xread:")
    })
    .await;
    drop(reader);
    until("the node to hear the topic no more", async || hearing() == 0).await;
    until("the topic to expire", async || {
        keys_of(&redis, "quotes").is_empty()
    })
    .await;
}
