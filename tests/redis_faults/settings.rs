//! Settings at their limits, users with few rights, and addresses that hold secrets.

use std::{collections::BTreeSet, time::Duration};

use redis::cmd;
use sse_actix::{AppendError, Event, Hub, HubBuilder, PublishError, TopicOptions};
use sse_actix_redis::{ConnectError, RedisLog, RedisLogBuilder};
use sse_tests::{hub::event, redis::Redis};
use tokio::time::sleep;

use crate::harness::{node::Node, said};

#[actix_web::test]
async fn limits_without_an_end_are_limits() {
    let redis = Redis::start();
    let endless = |options: TopicOptions| {
        let options = options.max_events(usize::MAX).max_bytes(usize::MAX);
        options.max_age(Duration::MAX)
    };
    for (name, options) in [
        ("log", endless(TopicOptions::log())),
        ("latest", endless(TopicOptions::latest())),
        ("transient", endless(TopicOptions::transient())),
        ("none", TopicOptions::log().max_events(0)),
    ] {
        let node = Node::with(
            &redis.url(),
            |log| log.topic_ttl(Duration::MAX).publish_wait(Duration::MAX),
            |hub| hub.topic(name, options),
        )
        .await;
        let topic = node.hub.raw(name);
        let publish = async |n: usize| {
            topic
                .publish_keyed("k", Event::data(n.to_string()))
                .await
                .unwrap()
        };
        let mut reader = node.unplaced_reader(name).await;
        // The reader of a topic that keeps nothing cannot tell from when on it reads.
        let heard = async {
            let first = reader.next_with_positions().await;
            println!("{name}: {first:?}");
        };
        let published = async {
            loop {
                publish(0).await;
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = heard => {}
            () = published => {}
        }
        publish(1).await;
        while !reader.next().await.ends_with("data: 1\n\n") {}
    }
}

type Change = fn(RedisLogBuilder) -> RedisLogBuilder;

/// What can never work is said at the start, and times that never end are times like others.
#[actix_web::test]
async fn a_setting_that_makes_no_sense_is_refused_with_what_to_write() {
    let redis = Redis::start();
    let zeros: [(&str, Change); 4] = [
        ("connect_timeout", |log| log.connect_timeout(Duration::ZERO)),
        ("response_timeout", |log| log.response_timeout(Duration::ZERO)),
        ("check_interval", |log| log.check_interval(Duration::ZERO)),
        ("max_pending", |log| log.max_pending(0)),
    ];
    for (name, zero) in zeros {
        let error = zero(RedisLog::builder(&redis.url())).connect().await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("`{name}` cannot be zero; write ")),
            "{error}"
        );
    }
    let endless = |log: RedisLogBuilder| {
        let log = log.connect_timeout(Duration::MAX).response_timeout(Duration::MAX);
        log.check_interval(Duration::MAX)
    };
    let node = Node::with(&redis.url(), endless, |hub| hub).await;
    let mut reader = node.reader("quotes").await;
    let id = node.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&id, 1));
}

/// A service that gives tokens and does not answer holds nothing up for longer than connecting may take.
#[actix_web::test]
async fn credentials_that_never_come_are_no_connection() {
    let redis = Redis::start();
    let log = RedisLog::builder(&redis.url()).connect_timeout(Duration::from_millis(100));
    let error = log.credentials(std::future::pending).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}

/// The commands that a log uses.
fn used(redis: &Redis) -> BTreeSet<String> {
    let stats: String = redis.ask(cmd("INFO").arg("commandstats"));
    let names = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    names
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect()
}

fn hub(hub: HubBuilder) -> HubBuilder {
    hub.topic("latest", TopicOptions::latest())
}

async fn publish(hub: &Hub, topic: &'static str, data: &str) -> Result<(), PublishError> {
    // A key of its own, so that no later event takes its place.
    let published = hub.raw(topic).publish_keyed(data, Event::data(data)).await;
    published.map(drop)
}

/// Whether an event that was refused is there is asked of a node that may do everything.
#[actix_web::test]
async fn what_is_refused_for_want_of_a_right_was_not_appended() {
    let redis = Redis::start();
    let admin = Node::with(&redis.url(), |log| log, hub).await;
    let mut readers = [admin.reader("quotes").await, admin.reader("latest").await];
    for topic in ["quotes", "latest"] {
        publish(&admin.hub, topic, "first").await.unwrap();
    }
    for reader in &mut readers {
        assert!(reader.next().await.ends_with("data: first\n\n"));
    }
    let mut refused = Vec::new();
    for command in used(&redis) {
        if ["config", "acl", "client", "auth", "hello"]
            .iter()
            .any(|known| command.starts_with(known))
        {
            continue;
        }
        let mut call = cmd("ACL");
        call.arg("SETUSER").arg("app").arg("reset").arg("on").arg(">pw");
        call.arg("~*").arg("&*").arg("+@all").arg(format!("-{command}"));
        redis.ask::<()>(&call);
        let url = format!("redis://app:pw@127.0.0.1:{}/", redis.port());
        let log = RedisLog::builder(&url).response_timeout(Duration::from_secs(1));
        let Ok(log) = log.connect().await else {
            refused.push(format!("{command}: at connect"));
            continue;
        };
        let limited = hub(Hub::builder().log(log)).build().unwrap();
        for (topic, reader) in ["quotes", "latest"].into_iter().zip(&mut readers) {
            let data = format!("without {command}");
            let outcome = publish(&limited, topic, &data).await;
            let marker = format!("after {command}");
            publish(&admin.hub, topic, &marker).await.unwrap();
            let (data, marker) = (format!("data: {data}\n\n"), format!("data: {marker}\n\n"));
            let mut arrived = false;
            loop {
                let next = reader.next().await;
                arrived |= next.ends_with(&data);
                if next.ends_with(&marker) {
                    break;
                }
            }
            match outcome {
                Ok(()) => assert!(arrived, "{command}, {topic}: acknowledged, and lost"),
                Err(PublishError::Append(AppendError::Refused(why))) => {
                    assert!(!arrived, "{command}, {topic}: appended, and refused: {why}");
                    refused.push(format!("{command}: {topic}"));
                }
                Err(_) => refused.push(format!("{command}: {topic}, outcome unknown")),
            }
        }
    }
    println!("{refused:#?}");
}

/// Whatever is wrong with an address, no piece of its password is said.
#[actix_web::test]
async fn an_address_that_cannot_be_read_is_not_printed() {
    let pieces = ["hunter", "s3cret", "1234"];
    for url in [
        "redis://:hunter#s3cret@127.0.0.1:1/0",
        "redis://hunter:s3cret#x@127.0.0.1:1/0",
        "redis://:hunter/s3cret@127.0.0.1:1/0",
        "redis://:hunter?s3cret@127.0.0.1:1/0",
        "redis://:hunter s3cret@127.0.0.1:1/0",
        "redis://:hunter@s3cret@127.0.0.1:bad/0",
        "redis://:hunter%zzs3cret@127.0.0.1:99999999/0",
        "redis://:hunter[s3cret@127.0.0.1:1/0",
        "redis://127.0.0.1:1/s3cret",
        "redis://127.0.0.1:1/0?password=hunter",
        "redis//:hunter:s3cret@127.0.0.1:1",
        "hunter:s3cret@127.0.0.1",
        "s3cret://hunter",
        "redis+sentinel://:hunter#s3cret@127.0.0.1:1/main",
        "redis+sentinel://:hunter#s3cret@127.0.0.1:1,127.0.0.1:2/main",
        "redis+cluster://:hunter#s3cret@127.0.0.1:1",
        "redis+unix:///nowhere?pass=hunter",
        // A user, a password that begins with digits, and what would be a fragment.
        "redis://hunter:1234#s3cret@127.0.0.1:1/0",
    ] {
        let builder = RedisLog::builder(url).connect_timeout(Duration::from_millis(300));
        let shown = format!("{builder:?}");
        let Err(error) = builder.connect().await else {
            panic!("{url} leads nowhere")
        };
        let said = format!("{shown} {}", said(&error));
        for piece in pieces {
            assert!(!said.contains(piece), "{url}: {said}");
        }
    }
}

/// Keys of a topic's states are data, whatever Redis makes of such characters elsewhere.
#[actix_web::test]
async fn states_of_keys_with_any_characters_arrive() {
    let redis = Redis::start();
    let node = Node::with(&redis.url(), |log| log, hub).await;
    let mut reader = node.reader("latest").await;
    let topic = node.hub.raw("latest");
    for key in [
        " ",
        "a b",
        "a\nb",
        "{tag}",
        "*",
        "\u{0}",
        "\u{1f600}",
        &"k".repeat(10_000),
    ] {
        let id = topic.publish_keyed(key, Event::data("x")).await.unwrap();
        assert_eq!(reader.next().await, event(&id, "x"), "{key:?}");
    }
}
