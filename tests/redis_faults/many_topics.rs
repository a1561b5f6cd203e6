//! Ten thousand topics on a node cost what one topic costs. Redis counts.

use std::time::{Duration, Instant};

use actix_web::test::TestRequest;
use sse_actix::{
    POSITION_EVENT, TopicName,
    test::{TestStream, respond},
};
use sse_tests::{patience::within, redis::Redis};
use tokio::time::sleep;

use crate::harness::node::Node;

const TOPICS: usize = 10_000;
const EVENTS: usize = 200;

/// How many times as much an event may cost Redis; a busy machine, and what is looked at in the background, are in it.
const TIMES: f64 = 20.0;

/// What Redis has done since it began.
#[derive(Clone, Copy)]
struct Work {
    calls: f64,
    micros: f64,
    at: Instant,
}

fn work(redis: &Redis) -> Work {
    let stats: String = redis.ask(redis::cmd("INFO").arg("commandstats"));
    let sum = |field: &str| {
        let values = stats.lines().filter_map(|line| {
            let value = line.split([',', ':']).find_map(|pair| pair.strip_prefix(field))?;
            value.parse::<f64>().ok()
        });
        values.sum()
    };
    Work {
        calls: sum("calls="),
        micros: sum("usec="),
        at: Instant::now(),
    }
}

/// Follows so many topics, and gives what an event of one of them costs: calls, and microseconds of Redis.
async fn cost(topics: usize) -> (f64, f64) {
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let name = |n: usize| TopicName::try_from(format!("quotes{n}")).unwrap();
    let mut streams: Vec<TestStream> = (0..topics)
        .map(|n| respond(here.hub.subscribe(name(n)), TestRequest::get()).positions(true))
        .collect();
    for stream in &mut streams {
        let first = within("a position", stream.next()).await.unwrap();
        assert_eq!(first.event, POSITION_EVENT.as_str());
    }
    let idle = work(&redis);
    sleep(Duration::from_millis(500)).await;
    let before = work(&redis);
    for n in 1..=EVENTS {
        let at = n * 7 % topics;
        there.publish(name(at).as_str(), n).await;
        loop {
            let message = within("an event", streams[at].next()).await.unwrap();
            if message.event != POSITION_EVENT.as_str() {
                assert_eq!(*message.data, n.to_string());
                break;
            }
        }
    }
    let after = work(&redis);
    // What it does while nothing is published is no event's.
    let time =
        after.at.duration_since(before.at).as_secs_f64() / before.at.duration_since(idle.at).as_secs_f64();
    let each = |of: fn(&Work) -> f64| {
        let quiet = (of(&before) - of(&idle)) * time;
        (of(&after) - of(&before) - quiet).max(0.0) / EVENTS as f64
    };
    (each(|work| work.calls), each(|work| work.micros))
}

#[actix_web::test]
async fn an_event_costs_redis_the_same_with_ten_thousand_topics_as_with_one() {
    let one = cost(1).await;
    let many = cost(TOPICS).await;
    println!(
        "measured: for an event, with one topic {:.2} calls and {:.1} us of Redis, with {TOPICS} {:.2} and {:.1}",
        one.0, one.1, many.0, many.1
    );
    // A figure near nothing has no ratio.
    assert!(many.0 <= one.0.max(1.0) * 3.0, "{many:?} against {one:?}");
    assert!(many.1 <= one.1.max(10.0) * TIMES, "{many:?} against {one:?}");
}
