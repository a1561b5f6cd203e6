//! Other programs write to a topic's keys. That topic's readers lose nothing of ours without a word, and other topics go on.

use std::time::Duration;

use redis::cmd;
use sse_actix::{Event, TopicOptions};
use sse_tests::{
    hub::{Reader, event},
    logged::Log,
    patience::until,
    redis::Redis,
};
use tokio::time::sleep;

use crate::harness::{
    HEARS_AGAIN,
    keys::{append, faulty, keys_of, newest, replace, stream_of},
    node::Node,
    promised, reads_through,
};

/// Everything that Redis was asked so far.
fn calls(redis: &Redis) -> u64 {
    redis.info("stats", "total_commands_processed").parse().unwrap()
}

/// An entry of somebody else's is skipped: the next event of ours follows, nobody is told of a gap, and it costs
/// nothing to speak of.
#[actix_web::test]
async fn an_entry_of_somebody_else_is_skipped() {
    let log = Log::start_everywhere();
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let mut reader = here.reader("quotes").await;
    let mut other = here.reader("other").await;
    let first = here.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&first, 1));

    let stream = stream_of(&redis, "quotes");
    append(&redis, &stream, &vec![(b"hello".to_vec(), b"world".to_vec())]);
    let id = there.publish("other", 1).await;
    assert_eq!(other.next().await, event(&id, 1));
    let before = calls(&redis);
    log.take();
    sleep(Duration::from_secs(1)).await;
    let calls = calls(&redis) - before;
    assert!(calls < 300, "{calls} calls in a second");
    let lines = log.take();
    assert!(lines.len() < 20, "{} lines in a second", lines.len());

    let second = there.publish("quotes", 2).await;
    let followed = reader.next();
    assert_eq!(
        promised(HEARS_AGAIN, "the next event", followed).await,
        event(&second, 2)
    );
    // Nothing of ours is missing: neither for who comes back, nor on a node that was not there.
    let fresh = Node::at(&redis.url()).await;
    for node in [&here, &there, &fresh] {
        let mut back = node.back("quotes", &first).await;
        assert_eq!(back.next().await, event(&second, 2));
    }
}

/// An entry that looks like ours and cannot be read may be one of ours: its readers may be told of a gap, and go on.
#[actix_web::test]
async fn a_faulty_entry_is_told_at_most_and_the_next_one_arrives() {
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let mut reader = here.reader("quotes").await;
    let first = here.publish("quotes", 0).await;
    assert_eq!(reader.next().await, event(&first, 0));
    let stream = stream_of(&redis, "quotes");
    let copies = faulty(&newest(&redis, &stream));
    println!("{} faulty entries", copies.len());
    for (n, copy) in copies.iter().enumerate() {
        append(&redis, &stream, copy);
        let shown: Vec<_> = copy
            .iter()
            .map(|(field, value)| (field.escape_ascii().to_string(), value.escape_ascii().to_string()))
            .collect();
        println!("{shown:?}");
        let id = there.publish("quotes", n + 1).await;
        reads_through(&mut reader, &id, n + 1).await;
    }
    let fresh = Node::at(&redis.url()).await;
    let mut back = fresh.back("quotes", &first).await;
    let id = here.publish("quotes", "last").await;
    loop {
        let next = back.next().await;
        if next == event(&id, "last") {
            break;
        }
    }
}

async fn goes_on(reader: &mut Reader, here: &Node, there: &Node, n: usize) {
    let id = there.publish("other", n).await;
    let arrives = reads_through(reader, &id, n);
    let told = promised(HEARS_AGAIN, "an event of another topic", arrives).await;
    assert!(!told, "readers of another topic are told of a gap");
    assert!(here.hub.is_ready(), "the node hears");
}

/// Whether the node says that something is wrong with a topic.
fn is_faulty(node: &Node, topic: &str) -> bool {
    let faults = node.hub.stats().faults;
    faults.iter().any(|fault| fault.topic.as_str() == topic)
}

/// A key holds what is no stream, or no hash: its topic alone stops.
#[actix_web::test]
async fn a_key_of_another_type_stops_its_topic_alone() {
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let mut reader = here.reader("other").await;
    let id = there.publish("other", 0).await;
    assert_eq!(reader.next().await, event(&id, 0));
    let topic = here.hub.raw("keyed");
    topic.publish_keyed("k", Event::data("1")).await.unwrap();
    let keys = keys_of(&redis, "keyed");
    let mut n = 0;
    for key in &keys {
        for kind in ["string", "hash", "list", "set"] {
            let is_kind = redis.ask::<String>(cmd("TYPE").arg(key)) == kind;
            if is_kind {
                continue;
            }
            // One that follows it all the time, and one that comes to it.
            let _before = here.unplaced_reader("keyed").await;
            replace(&redis, key, kind);
            let _after = here.unplaced_reader("keyed").await;
            let _ = there.hub.raw("keyed").publish_keyed("k", Event::data("2")).await;
            n += 1;
            goes_on(&mut reader, &here, &there, n).await;
            let named = until("the fault to be named", async || is_faulty(&here, "keyed"));
            promised(HEARS_AGAIN, "the fault of the topic is named", named).await;
            assert!(!is_faulty(&here, "other"));
            redis.ask::<()>(cmd("DEL").arg(key));
        }
    }
    assert!(n >= 3, "{keys:?}");
    // Once it is away, the topic works again.
    let mut keyed = here.unplaced_reader("keyed").await;
    let back = async {
        while there
            .hub
            .raw("keyed")
            .publish_keyed("k", Event::data("last"))
            .await
            .is_err()
        {
            sleep(Duration::from_millis(20)).await;
        }
        while !keyed.next().await.ends_with("data: last\n\n") {}
    };
    promised(HEARS_AGAIN, "the topic itself, once its keys are sound", back).await;
}

/// The node's user may not touch one topic's keys.
#[actix_web::test]
async fn a_key_that_is_forbidden_stops_its_topic_alone() {
    let redis = Redis::start();
    let admin = Node::with(
        &redis.url(),
        |log| log,
        |hub| hub.topic("keyed", TopicOptions::latest()),
    )
    .await;
    admin
        .hub
        .raw("keyed")
        .publish_keyed("k", Event::data("1"))
        .await
        .unwrap();
    admin.publish("other", 0).await;
    let mut call = cmd("ACL");
    call.arg("SETUSER")
        .arg("app")
        .arg("on")
        .arg(">pw")
        .arg("+@all")
        .arg("allchannels");
    let all: Vec<String> = redis.ask(cmd("KEYS").arg("*"));
    let forbidden = keys_of(&redis, "keyed");
    for key in all.iter().filter(|key| !forbidden.contains(key)) {
        call.arg(format!("~{key}"));
    }
    // What it makes by itself, beside the topics.
    for shared in ["sse:presence*", "sse:revoked*", "sse:node*", "sse:heartbeat*"] {
        call.arg(format!("~{shared}"));
    }
    redis.ask::<()>(&call);

    let url = format!("redis://app:pw@127.0.0.1:{}/", redis.port());
    let keyed = |hub: sse_actix::HubBuilder| hub.topic("keyed", TopicOptions::latest());
    let here = Node::with(&url, |log| log, keyed).await;
    let _keyed = here.unplaced_reader("keyed").await;
    let mut reader = here.reader("other").await;
    here.hub
        .raw("keyed")
        .publish_keyed("k", Event::data("2"))
        .await
        .unwrap_err();
    for n in 1..=3 {
        goes_on(&mut reader, &here, &admin, n).await;
    }
    let named = until("the fault to be named", async || is_faulty(&here, "keyed"));
    promised(HEARS_AGAIN, "the fault of the topic is named", named).await;
}

#[actix_web::test]
async fn a_fault_that_is_mended_is_named_no_more() {
    let redis = Redis::start();
    let often = Duration::from_millis(300);
    let node = Node::with(&redis.url(), |log| log.check_interval(often), |hub| hub).await;
    let mut reader = node.reader("quotes").await;
    let id = node.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&id, 1));
    let stream = stream_of(&redis, "quotes");
    replace(&redis, &stream, "string");
    until("the fault to be named", async || is_faulty(&node, "quotes")).await;
    redis.ask::<()>(cmd("DEL").arg(&stream));
    until("the fault to be named no more", async || {
        !is_faulty(&node, "quotes")
    })
    .await;
}
