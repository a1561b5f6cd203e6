//! Revocations in bulk, and before anything that was published later.

use std::time::{Duration, Instant};

use sse_tests::{
    hub::{Reader, event},
    patience::{until, within},
    redis::Redis,
};

use crate::harness::{node::Node, proxy::Proxy};

const ENDED: &str = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n";

/// Revokes many, the last of whom has a stream at `watch`, and waits until that has ended.
async fn revoke(node: &Node, tags: usize, last: &str, mut stream: Reader) {
    for tag in 1..tags {
        node.hub.revoke(&format!("tag{tag}"));
    }
    node.hub.revoke(last);
    assert_eq!(within("the end", stream.rest()).await, ENDED);
}

/// As many messages as there are tags would take a hundred seconds.
#[actix_web::test]
async fn twenty_thousand_tags_take_few_messages_over_a_long_line() {
    const TAGS: usize = 20_000;
    let redis = Redis::start();
    let lines = [Proxy::to(&redis), Proxy::to(&redis)];
    for line in &lines {
        line.round_trip(Duration::from_millis(5));
    }
    let (here, there) = (Node::at(&lines[0].url()).await, Node::at(&lines[1].url()).await);
    let ann = there.reader("quotes?tag=ann").await;
    until("the node to have listened", async || there.hub.is_ready()).await;
    let calls = || redis.info("stats", "total_commands_processed").parse::<u64>().unwrap();
    let (before, began) = (calls(), Instant::now());
    revoke(&here, TAGS, "ann", ann).await;
    let (calls, took) = (calls() - before, began.elapsed());
    println!("measured: {TAGS} tags: {calls} calls, {:.0} ms", took.as_secs_f64() * 1_000.0);
    assert!(calls < 1_000, "{calls} calls");
}

#[actix_web::test]
async fn a_node_that_was_cut_off_shows_a_revoked_stream_nothing_that_came_later() {
    let redis = Redis::start();
    let line = Proxy::to(&redis);
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&line.url()).await);
    let witness = Node::at(&redis.url()).await;
    let mut ann = there.reader("quotes?tag=ann").await;
    let mut bob = there.reader("quotes?tag=bob").await;
    let id = here.publish("quotes", 1).await;
    for reader in [&mut ann, &mut bob] {
        assert_eq!(reader.next().await, event(&id, 1));
    }

    line.refuse();
    line.cut();
    until("the node to miss Redis", async || !there.hub.is_ready()).await;
    let last = witness.reader("other?tag=last").await;
    here.hub.revoke("ann");
    revoke(&here, 3_001, "last", last).await;
    let mut ids = Vec::new();
    for n in 2..=4 {
        ids.push(here.publish("quotes", n).await);
    }
    line.lead_to(&redis);
    assert_eq!(within("the end", ann.rest()).await, ENDED);
    for (id, n) in ids.iter().zip(2..) {
        assert_eq!(bob.next().await, event(id, n));
    }
}

/// The order holds while nothing is wrong, too: a revocation that everybody has been told comes before every event that
/// is published then, by whatever node.
#[actix_web::test]
async fn what_is_published_after_a_revocation_is_not_shown_to_its_stream() {
    let redis = Redis::start();
    let far = Proxy::to(&redis);
    far.round_trip(Duration::from_millis(20));
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&far.url()).await);
    let witness = Node::at(&redis.url()).await;
    for round in 0..20 {
        let tag = format!("ann{round}");
        let mut ann = there.reader(&format!("quotes?tag={tag}")).await;
        let last = witness.reader("other?tag=last").await;
        let id = here.publish("quotes", "before").await;
        assert_eq!(ann.next().await, event(&id, "before"));
        here.hub.revoke(&tag);
        revoke(&here, 10, "last", last).await;
        here.publish("quotes", "after").await;
        let rest = within("the end", ann.rest()).await;
        assert!(!rest.contains("after"), "{rest}");
    }
}
