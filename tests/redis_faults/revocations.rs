//! Revocations in bulk, and before anything that was published later.

use std::time::{Duration, Instant};

use sse_tests::{
    hub::{Reader, event},
    patience::{until, within},
    redis::Redis,
};

use crate::harness::{node::Node, proxy::Proxy};

/// The end of a stream that was revoked, or of one whose node cannot tell when it was admitted: its client comes back, to
/// be asked again.
fn is_end(rest: &str) -> bool {
    let asked_again = rest
        .strip_prefix("retry: ")
        .and_then(|rest| rest.strip_suffix('\n'));
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    rest == "event: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n"
        || asked_again.is_some_and(is_number)
}

/// Revokes many tags of nobody, then these. The last one's stream is on another node; waits until it has ended.
async fn revoke(node: &Node, many: usize, tags: &[&str], mut stream: Reader) {
    for tag in 0..many {
        node.hub.revoke(&format!("tag{tag}"));
    }
    for tag in tags {
        node.hub.revoke(tag);
    }
    let rest = within("the end", stream.rest()).await;
    assert!(is_end(&rest), "{rest}");
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
    let calls = || {
        redis
            .info("stats", "total_commands_processed")
            .parse::<u64>()
            .unwrap()
    };
    let (before, began) = (calls(), Instant::now());
    revoke(&here, TAGS - 1, &["ann"], ann).await;
    let (calls, took) = (calls() - before, began.elapsed());
    println!(
        "measured: {TAGS} tags: {calls} calls, {:.0} ms",
        took.as_secs_f64() * 1_000.0
    );
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
    revoke(&here, 3_000, &["ann", "last"], last).await;
    let mut ids = Vec::new();
    for n in 2..=4 {
        ids.push(here.publish("quotes", n).await);
    }
    line.lead_to(&redis);
    let rest = within("the end", ann.rest()).await;
    assert!(is_end(&rest), "{rest}");
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
        while ann.next().await != event(&id, "before") {}
        revoke(&here, 10, &[&tag, "last"], last).await;
        here.publish("quotes", "after").await;
        let rest = within("the end", ann.rest()).await;
        assert!(is_end(&rest), "{rest}");
    }
}

/// A revocation that can be awaited: once it has returned, nothing that is published later is shown to its stream, by
/// whatever node it is published.
#[actix_web::test]
async fn once_it_is_awaited_a_revocation_comes_before_whatever_is_published() {
    let redis = Redis::start();
    let far = Proxy::to(&redis);
    far.round_trip(Duration::from_millis(20));
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&far.url()).await);
    let other = Node::at(&redis.url()).await;
    for round in 0..20 {
        let tag = format!("ann{round}");
        let mut ann = there.reader(&format!("quotes?tag={tag}")).await;
        let id = here.publish("quotes", "before").await;
        while ann.next().await != event(&id, "before") {}
        here.hub.revoke_everywhere(&tag).await.unwrap();
        other.publish("quotes", "after").await;
        let rest = within("the end", ann.rest()).await;
        assert!(is_end(&rest), "{rest}");
    }
}
