//! No id stands for two events, and an id that Redis has lost is told.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sse_actix::{Event, HubBuilder, TopicOptions};
use sse_tests::{hub::event, patience::until};

use crate::harness::{HEARS_AGAIN, is_gap, node::Node, pair::Pair, promised, proxy::Proxy, reads_gap};

/// By how much the replica's clock is behind, in seconds.
const BEHIND: f64 = -0.8;

/// Publishes for so long, and returns what each id stands for.
async fn publish_for(node: &Node, time: Duration, ids: &mut HashSet<String>) -> String {
    let began = Instant::now();
    let mut last = String::new();
    while began.elapsed() < time {
        let events = (0..200).map(|n: i32| n.to_string());
        for id in node.flood("quotes", events).await {
            last = id.to_string();
            assert!(
                ids.insert(last.clone()),
                "{last} was given twice, after {} ids",
                ids.len()
            );
        }
    }
    last
}

/// The newest events are lost with the old primary, and so is every node that knew them. The new one's clock passes
/// through the same milliseconds once more.
#[actix_web::test]
async fn a_primary_whose_clock_is_behind_gives_no_id_again() {
    let pair = Pair::skewed(BEHIND).await;
    let mut ids = HashSet::new();
    let (first, lost) = {
        let old = Node::at(&pair.primary.url()).await;
        let first = old.publish("quotes", "first").await;
        pair.in_step().await;
        pair.promote();
        let lost = publish_for(&old, Duration::from_millis(400), &mut ids).await;
        (first, lost)
    };
    let given = ids.len();
    let new = Node::at(&pair.replica.url()).await;
    publish_for(&new, Duration::from_millis(1_600), &mut ids).await;
    println!("{given} ids were lost, {} given then", ids.len() - given);

    // A browser still has one that was lost, and one that was not.
    let fresh = Node::at(&pair.replica.url()).await;
    for node in [&new, &fresh] {
        let mut back = node.back("quotes", &lost).await;
        reads_gap(&mut back).await;
        let mut back = node.back("quotes", &first).await;
        let next = back.next().await;
        assert!(is_gap(&next) || next.ends_with("data: 0\n\n"), "{next}");
    }
}

/// A clock that is far ahead, and one that is right after it: ids go on.
#[actix_web::test]
async fn a_primary_whose_clock_was_ahead_is_followed_by_one_that_is_right() {
    let pair = Pair::skewed(5.0).await;
    let mut ids = HashSet::new();
    let old = Node::at(&pair.primary.url()).await;
    publish_for(&old, Duration::from_millis(50), &mut ids).await;
    pair.in_step().await;
    pair.promote();
    drop(old);
    let ahead = Node::at(&pair.replica.url()).await;
    let mut reader = ahead.reader("quotes").await;
    let id = ahead.publish("quotes", "ahead").await;
    while reader.next().await != event(&id, "ahead") {}
    publish_for(&ahead, Duration::from_millis(50), &mut ids).await;
}

/// What the replica never got is lost: whoever has an id of it is told, however the topic is kept.
async fn lost_id(options: impl Fn() -> TopicOptions) {
    let pair = Pair::start().await;
    let hub = |hub: HubBuilder| hub.topic("quotes", options());
    let lost = {
        let old = Node::with(&pair.primary.url(), |log| log, hub).await;
        let topic = old.hub.raw("quotes");
        topic.publish_keyed("k", Event::data("old")).await.unwrap();
        pair.in_step().await;
        pair.promote();
        topic.publish_keyed("k", Event::data("new")).await.unwrap()
    };
    for published in [false, true] {
        let node = Node::with(&pair.replica.url(), |log| log, hub).await;
        if published {
            let topic = node.hub.raw("quotes");
            topic.publish_keyed("k", Event::data("newer")).await.unwrap();
        }
        let mut back = node.back("quotes", &lost).await;
        reads_gap(&mut back).await;
        let kept = if published {
            "data: newer\n\n"
        } else {
            "data: old\n\n"
        };
        while !back.next().await.ends_with(kept) {}
    }
}

#[actix_web::test]
async fn an_id_that_is_lost_is_told_where_every_event_is_kept() {
    lost_id(TopicOptions::log).await;
}

#[actix_web::test]
async fn an_id_that_is_lost_is_told_where_the_newest_of_each_key_is_kept() {
    lost_id(TopicOptions::latest).await;
}

/// A reader that is connected is told too, on a node that lives through the fail-over, and without another event.
async fn told_while_connected(options: impl Fn() -> TopicOptions) {
    let pair = Pair::start().await;
    let line = Proxy::to(&pair.primary);
    let node = Node::with(&line.url(), |log| log, |hub| hub.topic("quotes", options())).await;
    let mut reader = node.reader("quotes").await;
    let topic = node.hub.raw("quotes");
    let id = topic.publish_keyed("k", Event::data("old")).await.unwrap();
    assert_eq!(reader.next().await, event(&id, "old"));
    pair.in_step().await;
    pair.promote();
    let id = topic.publish_keyed("k", Event::data("lost")).await.unwrap();
    assert_eq!(reader.next().await, event(&id, "lost"));
    line.lead_to(&pair.replica);
    line.cut();
    promised(HEARS_AGAIN, "what is lost is told", reads_gap(&mut reader)).await;
}

#[actix_web::test]
async fn readers_are_told_while_they_are_connected_where_every_event_is_kept() {
    told_while_connected(TopicOptions::log).await;
}

#[actix_web::test]
async fn readers_are_told_while_they_are_connected_where_the_newest_of_each_key_is_kept() {
    told_while_connected(TopicOptions::latest).await;
}

/// Two primaries take events at the same time and give equal ids. Readers of one that are led to the other have been shown
/// events that are lost, and are told, though the other one has an entry of the same id.
#[actix_web::test]
async fn two_primaries_at_once_are_told_apart_though_their_ids_are_equal() {
    const TOPICS: usize = 16;
    let pair = Pair::start().await;
    let line = Proxy::to(&pair.primary);
    let old = Node::at(&line.url()).await;
    let name = |n: usize| format!("quotes{n}");
    let mut readers = Vec::new();
    for n in 0..TOPICS {
        let mut reader = old.reader(&name(n)).await;
        let id = old.publish(&name(n), "both").await;
        assert_eq!(reader.next().await, event(&id, "both"));
        readers.push(reader);
    }
    pair.in_step().await;
    pair.promote();
    let new = Node::at(&pair.replica.url()).await;
    let publish = async |node: &Node, who: &str, rounds: usize| {
        for _ in 0..rounds {
            let topics = (0..TOPICS).map(async |n| node.publish(&name(n), who).await);
            join_all(topics).await;
        }
    };
    tokio::join!(publish(&old, "old", 100), publish(&new, "new", 200));
    line.lead_to(&pair.replica);
    line.cut();
    until("the node to be at the other one", async || old.hub.is_ready()).await;
    for (n, reader) in readers.iter_mut().enumerate() {
        let last = old.insist(&name(n), "last").await;
        let mut lost = 0;
        let told = loop {
            let next = reader.next().await;
            if !next.ends_with("data: old\n\n") {
                break is_gap(&next);
            }
            lost += 1;
        };
        assert!(told, "topic {n}: {lost} events were lost, and nobody is told");
        while reader.next().await != event(&last, "last") {}
    }
}
