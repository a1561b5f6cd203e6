//! Redis is gone for a while: streams stay open, and nothing is lost or repeated.

use std::{error::Error, time::Duration};

use sse_actix::{AppendError, Log as _, PublishError};
use sse_tests::{patience::until, redis::Redis};

use super::{builder, followed, node, node_with};
use sse_tests::hub::{Reader, count, event, serve_topic};

async fn ready(hub: &sse_actix::Hub) {
    until("Redis to be back", async || hub.is_ready()).await;
}

#[actix_web::test]
async fn a_redis_that_dies_and_comes_back_has_lost_and_repeated_nothing() {
    let mut redis = Redis::durable();
    let (here, there) = (node(&redis).await, node(&redis).await);
    let serving = [serve_topic(&here, "n"), serve_topic(&there, "n")];
    let ids = count(&here, "n", 1..=3).await;
    let mut readers = Vec::new();
    for serving in &serving {
        let mut reader = Reader::back(serving.addr(), "/", &ids[0]).await;
        assert_eq!(reader.take(2).await, [event(&ids[1], 2), event(&ids[2], 3)]);
        readers.push(reader);
    }

    redis.kill();
    until("it to be missed", async || !here.is_ready() && !there.is_ready()).await;
    let error = here.topic("n").publish(&0).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Append(AppendError::Refused(_))),
        "{error:?}"
    );
    let cause = error.source().unwrap().to_string();
    assert_eq!(
        cause,
        format!("Redis at 127.0.0.1:{}/0 cannot be reached", redis.port())
    );
    // Who comes back meanwhile gets what the node still knows.
    let mut meanwhile = Reader::back(serving[0].addr(), "/", &ids[1]).await;
    assert_eq!(meanwhile.next().await, event(&ids[2], 3));
    let stats = here.stats();
    assert_eq!(
        (stats.streams, stats.log.reachable, stats.log.interruptions),
        (2, false, 1)
    );

    redis.begin();
    ready(&here).await;
    ready(&there).await;
    let later = count(&there, "n", 4..=5).await;
    readers.push(meanwhile);
    for reader in &mut readers {
        assert_eq!(reader.take(2).await, [event(&later[0], 4), event(&later[1], 5)]);
    }
}

#[actix_web::test]
async fn what_a_frozen_redis_was_asked_has_an_unknown_outcome() {
    let redis = Redis::start();
    let hub = node(&redis).await;
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=2).await;
    let mut reader = Reader::back(serving.addr(), "/", &ids[0]).await;
    assert_eq!(reader.next().await, event(&ids[1], 2));

    redis.freeze();
    let error = hub.topic("n").publish(&3).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Append(AppendError::OutcomeUnknown(_))),
        "{error:?}"
    );
    let error = hub.topic("n").publish(&4).await.unwrap_err();
    assert!(matches!(error, PublishError::Append(_)), "{error:?}");
    assert!(!hub.is_ready());
    redis.thaw();
    ready(&hub).await;
    let ids = count(&hub, "n", 5..=5).await;
    // It may have taken what it was asked before it was given up.
    let mut next = reader.next().await;
    for unknown in ["data: 3\n\n", "data: 4\n\n"] {
        if next.ends_with(unknown) {
            next = reader.next().await;
        }
    }
    assert_eq!(next, event(&ids[0], 5));
}

#[actix_web::test]
async fn publishing_waits_for_as_long_as_it_is_told() {
    let mut redis = Redis::durable();
    let log = builder(&redis)
        .publish_wait(Duration::from_secs(30))
        .connect()
        .await
        .unwrap();
    let hub = sse_actix::Hub::builder().log(log.clone()).build().unwrap();
    redis.kill();
    until("it to be missed", async || !hub.is_ready()).await;
    let topic = hub.topic("n");
    let publishing = actix_web::rt::spawn(async move { topic.publish(&1).await });
    until("it to be on its way", async || hub.stats().log.pending == 1).await;
    redis.begin();
    publishing.await.unwrap().unwrap();
    assert_eq!(log.health().pending, 0);
}

#[actix_web::test]
async fn only_so_much_is_on_its_way() {
    let redis = Redis::start();
    let log = builder(&redis).max_pending(2).connect().await.unwrap();
    let hub = sse_actix::Hub::builder().log(log).build().unwrap();
    redis.freeze();
    let publish = || {
        let topic = hub.topic("n");
        actix_web::rt::spawn(async move { topic.publish(&1).await })
    };
    let waiting = [publish(), publish()];
    until("two to be on their way", async || hub.stats().log.pending == 2).await;
    let error = hub.topic("n").publish(&1).await.unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.starts_with("the limit of events that wait for Redis is reached"),
        "{cause}"
    );
    redis.thaw();
    for publishing in waiting {
        publishing.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn connections_that_are_cut_are_made_again() {
    let redis = Redis::start();
    let hub = node_with(&redis, |hub| hub).await;
    let serving = serve_topic(&hub, "n");
    let mut reader = Reader::new(serving.addr(), "/").await;
    followed(&hub).await;
    for n in 1..=20 {
        redis.cut();
        ready(&hub).await;
        let topic = hub.topic("n");
        loop {
            match topic.publish(&n).await {
                Ok(id) => break assert_eq!(reader.next().await, event(&id, n)),
                // Cut before the call was read, so that it was not taken, whatever may be known of it.
                Err(PublishError::Append(AppendError::Refused(_) | AppendError::OutcomeUnknown(_))) => {}
                Err(error) => panic!("{error}"),
            }
            ready(&hub).await;
        }
    }
}
