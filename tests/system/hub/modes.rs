//! The three modes of a topic.

use sse_actix::{Event, Hub, TopicOptions};
use sse_tests::patience::until;

use super::{Reader, count, event, gap, id_of, serve_topic, sibling};

fn hub() -> Hub {
    Hub::builder()
        .topic("latest", TopicOptions::latest().max_events(3))
        .topic("transient", TopicOptions::transient())
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_latest_of_each_key_is_what_a_new_or_late_reader_gets() {
    let hub = hub();
    let serving = serve_topic(&hub, "latest");
    let prices = hub.topic("latest");
    let mut ids = Vec::new();
    for (key, price) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
        ids.push(prices.publish_keyed(key, &price).await.unwrap());
    }
    let (b, a) = (event(&ids[1], 2), event(&ids[3], 4));
    let mut reader = Reader::new(serving.addr(), "/").await;
    assert_eq!(reader.take(2).await, [b, a.clone()]);
    for seen in [1, 2] {
        // What was replaced in between is not missed.
        let mut back = Reader::back(serving.addr(), "/", &ids[seen]).await;
        assert_eq!(back.next().await, a);
    }
    let five = prices.publish_keyed("c", &5).await.unwrap();
    assert_eq!(reader.next().await, event(&five, 5));

    // Beyond its bounds it forgets keys, and says so.
    let mut more = Vec::new();
    for (key, price) in [("d", 6), ("e", 7)] {
        more.push(prices.publish_keyed(key, &price).await.unwrap());
    }
    let mut back = Reader::back(serving.addr(), "/", &ids[2]).await;
    assert_eq!(
        back.take(4).await,
        [
            gap(&ids[3], None),
            event(&five, 5),
            event(&more[0], 6),
            event(&more[1], 7)
        ]
    );
}

/// A state that a newer one has replaced is not missed. So the numbers between do not say how many are.
#[tokio::test]
async fn states_that_were_replaced_are_not_counted_as_missed() {
    let hub = Hub::builder()
        .topic("latest", TopicOptions::latest().max_events(2))
        .build()
        .unwrap();
    let serving = serve_topic(&hub, "latest");
    let topic = hub.topic("latest");
    let seen = topic.publish_keyed("seen", &0).await.unwrap();
    let mut last_of_many = None;
    for state in 1..=100 {
        last_of_many = Some(topic.publish_keyed("many", &state).await.unwrap());
    }
    // Nothing is gone yet but what was replaced.
    let mut back = Reader::back(serving.addr(), "/", &seen).await;
    assert_eq!(back.next().await, event(last_of_many.as_ref().unwrap(), 100));

    // One state is gone that this client has not seen.
    let b = topic.publish_keyed("b", &101).await.unwrap();
    let c = topic.publish_keyed("c", &102).await.unwrap();
    let mut back = Reader::back(serving.addr(), "/", &seen).await;
    assert_eq!(
        back.take(3).await,
        [gap(last_of_many.unwrap(), None), event(&b, 101), event(&c, 102)]
    );
}

/// One that does not read for a while: of each key it gets what it was sent before, and the newest.
#[tokio::test]
async fn a_slow_reader_skips_what_was_replaced() {
    const LARGE: usize = 60_000;
    let hub = Hub::builder()
        .topic("latest", TopicOptions::latest())
        .build()
        .unwrap();
    let serving = serve_topic(&hub, "latest");
    let mut reader = Reader::new(serving.addr(), "/").await;
    let topic = hub.raw("latest");
    for n in 0..500 {
        let key = if n % 2 == 0 { "even" } else { "odd" };
        let state = Event::data(format!("{n:LARGE$}"));
        topic.publish_keyed(key, state).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&499) {
        let event = reader.next().await;
        let number: u64 = event.rsplit(' ').next().unwrap().trim().parse().unwrap();
        assert!(seen.last().is_none_or(|last| *last < number), "in order");
        seen.push(number);
    }
    assert!(seen.contains(&498), "the newest of the other key");
    println!("measured: a slow reader was given {} of 500 states", seen.len());
    assert!(seen.len() < 450, "{}", seen.len());
    assert_eq!(hub.stats().topic("latest").unwrap().gaps, 0);
}

#[tokio::test]
async fn a_transient_event_has_no_id_and_is_not_replayed() {
    let hub = hub();
    let serving = serve_topic(&hub, "transient");
    let ids = count(&hub, "transient", 1..=2).await;
    let mut readers = vec![Reader::new(serving.addr(), "/").await];
    // Whatever it brings.
    for id in [ids[0].as_str(), "17", &sibling(&ids[0], 99)] {
        readers.push(Reader::back(serving.addr(), "/", id).await);
    }
    count(&hub, "transient", 3..=4).await;
    for mut reader in readers {
        assert_eq!(reader.take(2).await, ["data: 3\n\n", "data: 4\n\n"]);
    }
}

/// A key is for topics that keep the latest; in others it takes nothing away, however fast events come.
#[tokio::test]
async fn every_event_is_delivered_where_every_event_is_kept_with_a_key_or_without() {
    let hub = hub();
    let serving = serve_topic(&hub, "log");
    let mut reader = Reader::new(serving.addr(), "/").await;
    until("the reader to read", async || hub.stats().streams == 1).await;
    let topic = hub.topic("log");
    let mut expected = Vec::new();
    // More than one worker's look takes in.
    for n in 0..2_000_u64 {
        let id = topic.publish_keyed("the same", &n).await.unwrap();
        expected.push(event(&id, n));
    }
    assert_eq!(reader.take(2_000).await, expected);
    let mut back = Reader::back(serving.addr(), "/", id_of(&expected[0])).await;
    assert_eq!(back.take(1_999).await, expected[1..]);
}
