//! Publishing with idempotency keys, by several nodes and in batches, and what is left of them in Redis.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use redis::cmd;
use sse_actix::{
    AppendError, Hub, HubBuilder, IdempotencyKey, OnceWindow, PublishError, Published, TopicOptions,
};
use sse_actix_redis::RedisLog;
use sse_tests::{hub::count, patience::until, redis::Redis};

use super::{builder, followed, node, node_with};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::try_from(text).unwrap()
}

async fn publish(hub: &Hub, text: &str) -> Published {
    let order = hub.topic("n").once(&key(text));
    order.publish(text).await.unwrap()
}

fn within(window: OnceWindow) -> impl FnOnce(HubBuilder) -> HubBuilder {
    move |hub| hub.topics(TopicOptions::log().once_within(window))
}

/// How many entries there are.
fn entries(redis: &Redis, topic: &str) -> u64 {
    key_of(redis, "topic", topic).map_or(0, |stream| redis.ask(cmd("XLEN").arg(stream)))
}

/// A key of a topic.
fn key_of(redis: &Redis, kind: &str, topic: &str) -> Option<String> {
    let pattern = format!("sse:{kind}:{{*}}:{topic}");
    let keys: Vec<String> = redis.ask(cmd("KEYS").arg(pattern));
    keys.into_iter().next()
}

#[actix_web::test]
async fn nodes_at_the_same_time_publish_once() {
    let redis = Redis::start();
    let nodes = [node(&redis).await, node(&redis).await];
    for round in 0..20 {
        let text = format!("order {round}");
        let published = join_all((0..6).map(|nth| publish(&nodes[nth % 2], &text))).await;
        let first = published.iter().filter(|published| !published.repeated);
        assert_eq!(first.count(), 1, "{published:?}");
        assert!(published.iter().all(|other| other.id == published[0].id));
    }
    assert_eq!(entries(&redis, "n"), 20);
}

/// What waits goes out together: what is new of it is appended, with and without keys of either kind.
#[actix_web::test]
async fn a_batch_leaves_out_what_is_repeated() {
    let redis = Redis::start();
    for topic in ["n", "latest"] {
        let hub = node_with(&redis, |hub| hub.topic("latest", TopicOptions::latest())).await;
        // The key, the id, and whether it is a repetition.
        let publish = async |nth: usize, once: Option<usize>| {
            let (topic, name) = (hub.topic(topic), nth.to_string());
            if let Some(once) = once {
                let order = topic.once(&key(&once.to_string()));
                let published = order.publish_keyed(&name, &nth).await.unwrap();
                return (Some(once), published.id, published.repeated);
            }
            let id = topic.publish_keyed(&name, &nth).await.unwrap();
            (None, id, false)
        };
        let mut known = vec![publish(1_000, Some(3)).await, publish(1_001, Some(7)).await];
        // Ten keys, of which two were there, each five times; and every sixth without one.
        let batch = (0..60).map(|nth| publish(nth, (nth % 6 > 0).then_some(nth / 6 * 7 % 10)));
        known.extend(join_all(batch).await);
        let new: Vec<_> = known.iter().filter(|(.., repeated)| !repeated).collect();
        assert_eq!(new.len(), 20, "ten with a key, and ten without");
        let ids: HashSet<_> = new.iter().map(|(_, id, _)| id).collect();
        assert_eq!(ids.len(), 20);
        for (once, id, _) in known.iter().filter(|(.., repeated)| *repeated) {
            let first = new.iter().find(|(other, ..)| other == once);
            assert_eq!(first.map(|(_, first, _)| first), Some(id));
        }
        assert!(entries(&redis, topic) < 10, "most of them went out together");
        let stats = hub.stats();
        let figures = stats.topic(topic).unwrap();
        assert_eq!((figures.published, figures.repeated), (20, 42));
    }
}

#[actix_web::test]
async fn an_answer_that_was_lost_is_found_again() {
    let redis = Redis::start();
    let hub = node(&redis).await;
    count(&hub, "n", 1..=1).await;
    redis.freeze();
    let orders = hub.topic("n");
    let order = orders.once(&key("order"));
    let unknown = order.publish("first").await.unwrap_err();
    assert!(
        matches!(unknown, PublishError::Append(AppendError::OutcomeUnknown(_))),
        "{unknown}"
    );
    redis.thaw();
    until("what was on its way to be appended", async || {
        entries(&redis, "n") == 2
    })
    .await;
    let mut again = order.publish("again").await;
    while again.is_err() {
        // It may have noticed by now that Redis is away, and not yet that it is back.
        again = order.publish("again").await;
    }
    assert!(again.unwrap().repeated);
    assert_eq!(entries(&redis, "n"), 2);
}

/// A replica that is made primary knows them. What was primary before may lose what it knows, so it does not say.
#[actix_web::test]
async fn keys_go_over_to_another_primary() {
    let redis = Redis::with(&["--save", "", "--repl-diskless-sync-delay", "0"]);
    let replica = Redis::replica_of(&redis, &[]);
    let before = node(&redis).await;
    let published = publish(&before, "order").await;
    until("the replica to have it", async || entries(&replica, "n") == 1).await;
    replica.ask::<()>(cmd("REPLICAOF").arg("NO").arg("ONE"));
    redis.ask::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(replica.port()));
    let refused = before.topic("n").once(&key("order")).publish("order").await;
    assert!(
        matches!(refused, Err(PublishError::Append(AppendError::Refused(_)))),
        "{refused:?}"
    );
    let hub = node(&replica).await;
    let again = publish(&hub, "order").await;
    assert_eq!((again.id, again.repeated), (published.id, true));
    assert!(!publish(&hub, "another").await.repeated);
}

#[actix_web::test]
async fn keys_are_bounded_and_leave_nothing_behind() {
    let redis = Redis::start();
    let age = Duration::from_secs(2);
    let window = OnceWindow::new().max_age(age).max_keys(5);
    let hub = node_with(&redis, within(window)).await;
    let _reader = sse_actix::test::respond(hub.subscribe("n"), actix_web::test::TestRequest::get());
    followed(&hub).await;
    for nth in 0..50 {
        publish(&hub, &nth.to_string()).await;
    }
    // The newest of 50 that go out together, too.
    join_all((50..100).map(async |nth| publish(&hub, &nth.to_string()).await)).await;
    let (once, order) = (
        key_of(&redis, "once", "n").unwrap(),
        key_of(&redis, "once-order", "n").unwrap(),
    );
    let kept: (usize, usize) = (
        redis.ask(cmd("HLEN").arg(&once)),
        redis.ask(cmd("LLEN").arg(&order)),
    );
    assert_eq!(kept, (5, 5));
    let stats = hub.stats();
    let figures = stats.topic("n").unwrap();
    assert_eq!(figures.log.unwrap().once.keys, 5);
    assert!(figures.once_reach < age, "{:?}", figures.once_reach);
    for (key, longest) in [(&once, 2_000), (&order, 3_000)] {
        let left: i64 = redis.ask(cmd("PTTL").arg(key));
        assert!(left <= longest, "{key}: {left}");
    }
    until("the keys to expire", async || {
        key_of(&redis, "once*", "n").is_none()
    })
    .await;
    assert!(!publish(&hub, "99").await.repeated);
}

/// What is in the list of an earlier time of the same key does not take it away.
#[actix_web::test]
async fn a_key_that_comes_again_after_its_time_is_remembered_anew() {
    let redis = Redis::start();
    let age = Duration::from_secs(1);
    let hub = node_with(&redis, within(OnceWindow::new().max_age(age))).await;
    // One call, so that they all are too old at once: more than one call takes out of the list.
    let texts: Vec<_> = (0..2_000).map(|nth| nth.to_string()).collect();
    join_all(texts.iter().map(|text| publish(&hub, text))).await;
    // And one that keeps the list there.
    tokio::time::sleep(age / 2).await;
    publish(&hub, "between").await;
    tokio::time::sleep(age / 2 + Duration::from_millis(50)).await;
    let began = Instant::now();
    let first = publish(&hub, "1999").await;
    assert!(!first.repeated);
    let mut looked = 0;
    while began.elapsed() < age / 2 {
        publish(&hub, &format!("new {looked}")).await;
        let again = publish(&hub, "1999").await;
        let is_in_time = began.elapsed() < age / 2;
        assert!(again.repeated && again.id == first.id || !is_in_time, "{looked}");
        looked += 1;
    }
    let order = key_of(&redis, "once-order", "n").unwrap();
    let oldest: String = redis.ask(cmd("LINDEX").arg(order).arg(0));
    assert!(
        oldest.ends_with(" between") || oldest.ends_with(" 1999") || oldest.contains("new"),
        "{oldest}"
    );
}

#[actix_web::test]
async fn without_keys_nothing_is_asked_of_redis() {
    let redis = Redis::start();
    let hub = node(&redis).await;
    count(&hub, "n", 1..=100).await;
    for command in ["hmget", "rpush", "lrange", "ltrim", "hset", "xdel"] {
        assert_eq!(redis.calls(command), 0, "{command}");
    }
    assert!(key_of(&redis, "once*", "n").is_none());
}

/// A key is remembered if and only if its event is there, so neither is where one of them cannot be.
#[actix_web::test]
async fn what_cannot_be_remembered_is_not_appended() {
    let redis = Redis::start();
    let hub = node(&redis).await;
    publish(&hub, "order").await;
    for kind in ["once", "once-order"] {
        let foreign = key_of(&redis, kind, "n").unwrap();
        redis.ask::<()>(cmd("RENAME").arg(&foreign).arg("aside"));
        redis.ask::<()>(cmd("SET").arg(&foreign).arg("foreign"));
        let refused = hub.topic("n").once(&key("new")).publish("new").await.unwrap_err();
        assert!(
            matches!(&refused, PublishError::Append(AppendError::Refused(_))),
            "{kind}: {refused}"
        );
        redis.ask::<()>(cmd("RENAME").arg("aside").arg(&foreign));
    }
    // A user who may look, and not write.
    let mut call = cmd("ACL");
    call.arg("SETUSER").arg("app").arg("on").arg(">pw").arg("~*");
    call.arg("&*").arg("+@all").arg("-hset");
    redis.ask::<()>(&call);
    let url = format!("redis://app:pw@127.0.0.1:{}/", redis.port());
    let log = RedisLog::connect(&url).await.unwrap();
    let limited = Hub::builder().log(log).build().unwrap();
    let refused = limited.topic("n").once(&key("new")).publish("new").await;
    assert!(
        matches!(refused, Err(PublishError::Append(AppendError::Refused(_)))),
        "{refused:?}"
    );
    assert_eq!(entries(&redis, "n"), 1);
    let log = builder(&redis).connect().await.unwrap();
    let hub = Hub::builder().log(log).build().unwrap();
    assert!(!publish(&hub, "new").await.repeated);
    // Also when the events are gone.
    let stream = key_of(&redis, "topic", "n").unwrap();
    redis.ask::<()>(cmd("DEL").arg(stream));
    for text in ["new", "order"] {
        assert!(publish(&hub, text).await.repeated, "{text}");
    }
    assert!(!publish(&hub, "another").await.repeated);
    assert_eq!(entries(&redis, "n"), 1);
}
