//! How often Redis is asked.

use std::time::Duration;

use actix_web::test::TestRequest;
use sse_actix::{
    Hub,
    test::{TestStream, respond},
};
use sse_actix_redis::RedisLog;
use sse_tests::{patience::PATIENCE, redis::Redis};
use tokio::time::sleep;

use sse_tests::hub::count;

/// A node that looks after silent topics less often than these tests last.
async fn node(redis: &Redis) -> Hub {
    let log = RedisLog::builder(&redis.url()).check_interval(Duration::from_secs(3_600));
    let log = log.response_timeout(PATIENCE);
    let log = log.connect().await.unwrap();
    Hub::builder().log(log).build().unwrap()
}

#[actix_web::test]
async fn ten_thousand_that_come_back_at_once_cost_a_handful_of_calls() {
    const CLIENTS: usize = 10_000;
    let redis = Redis::start();
    let ids = count(&node(&redis).await, "n", 1..=3_000).await;
    // A node that was not there then, so that it knows nothing.
    let hub = node(&redis).await;
    let asked = || redis.calls("evalsha") + redis.calls("xrevrange") + redis.calls("xrange");
    // The nodes have asked for what they ask when they begin.
    let mut before = 0;
    while before != asked() {
        before = asked();
        sleep(Duration::from_millis(300)).await;
    }
    let mut streams: Vec<TestStream> = (0..CLIENTS)
        .map(|client| {
            let id = ids[client % 2_990].as_str();
            respond(
                hub.subscribe("n"),
                TestRequest::get().insert_header(("last-event-id", id)),
            )
        })
        .collect();
    for (client, stream) in streams.iter_mut().enumerate() {
        let message = stream.next().await.unwrap();
        assert_eq!(*message.data, (client % 2_990 + 2).to_string());
    }
    let calls = asked() - before;
    println!("{calls} calls for {CLIENTS} clients");
    // One by the script that looks, and one more within it; then pages of a thousand.
    assert!(calls <= 10, "{calls}");
}

#[actix_web::test]
async fn publishing_is_one_call_and_is_heard_by_one() {
    let redis = Redis::start();
    let hub = node(&redis).await;
    let _reader: TestStream = respond(hub.subscribe("n"), TestRequest::get());
    count(&hub, "n", 1..=10).await;
    let (before, reads) = (redis.calls("evalsha"), redis.calls("xread"));
    count(&hub, "n", 11..=1_010).await;
    let (appends, reads) = (redis.calls("evalsha") - before, redis.calls("xread") - reads);
    println!("for a thousand events: {appends} appends, {reads} reads");
    assert_eq!(appends, 1_000);
    assert!(reads <= 1_100, "{reads}");
}
