//! Several topics on one stream, and the one id that resumes all of them.

use actix_web::web;
use sse_actix::{CombineError, EventId, Hub, Position, Positions, Subscription, TopicName, TopicOptions};

use super::{Reader, count, data, event, gap, id_of, serve_hub, sibling};

async fn both(hub: web::Data<Hub>) -> Result<Subscription, CombineError> {
    hub.subscribe("a").and(hub.subscribe("b"))
}

/// What is published, in this order: `a` counts up, `b` down from 100.
async fn publish(hub: &Hub, order: &str) -> Vec<(EventId, String)> {
    let (mut a, mut b) = (0, 100);
    let mut published = Vec::new();
    for topic in order.chars() {
        let (topic, number) = if topic == 'a' {
            a += 1;
            ("a", a)
        } else {
            b -= 1;
            ("b", b)
        };
        let id = hub.topic(topic).publish(&number).await.unwrap();
        published.push((id, number.to_string()));
    }
    published
}

/// As an application would: `a`'s events are small numbers.
fn parts(events: &[String]) -> (Vec<&str>, Vec<&str>) {
    data(events).into_iter().partition(|number| number.len() == 1)
}

#[tokio::test]
async fn one_id_resumes_all_of_them_from_every_place() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
    let mut reader = Reader::new(serving.addr(), "/").await;
    let order = "aabbbabaab";
    let mut received = Vec::new();
    // One at a time, so that they come in this order.
    let published = publish(&hub, order).await;
    received.extend(reader.take(order.len()).await);
    let (of_a, of_b) = parts(&received);
    assert_eq!(of_a, ["1", "2", "3", "4", "5"]);
    assert_eq!(of_b, ["99", "98", "97", "96", "95"]);

    // The last says both.
    let last_of = |topic| order.rfind(topic).map(|at| published[at].0.clone()).unwrap();
    assert_eq!(
        id_of(received.last().unwrap()),
        format!("{},{}", last_of('a'), last_of('b'))
    );

    let mut readers = vec![reader];
    for (seen, event) in received.iter().enumerate() {
        let mut back = Reader::back(serving.addr(), "/", id_of(event)).await;
        let mut both = received[..=seen].to_vec();
        both.extend(back.take(order.len() - seen - 1).await);
        assert_eq!(parts(&both), (of_a.clone(), of_b.clone()), "after {}", seen + 1);
        readers.push(back);
    }
    // And nothing twice.
    let next = hub.topic("b").publish(&94).await.unwrap();
    for mut reader in readers {
        assert_eq!(reader.next().await, event(format!("{},{next}", last_of('a')), 94));
    }
}

#[tokio::test]
async fn an_id_of_one_of_them_makes_the_other_new() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
    let published = publish(&hub, "aabb").await;
    let mut reader = Reader::back(serving.addr(), "/", &published[0].0).await;
    let (a, b) = (&published[1].0, &published[3].0);
    assert_eq!(reader.next().await, event(format!("{a},{b}"), 2));
    let ids = count(&hub, "b", 7..=7).await;
    assert_eq!(reader.next().await, event(format!("{a},{}", ids[0]), 7));
}

#[tokio::test]
async fn what_one_of_them_has_lost_is_told_and_the_others_go_on() {
    let hub = Hub::builder()
        .topic("a", TopicOptions::log().max_events(1))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
    let published = publish(&hub, "abaabab").await;
    let id = format!("{},{}", published[0].0, published[1].0);
    let mut reader = Reader::back(serving.addr(), "/", &id).await;
    let (last_gone, a) = (&published[3].0, &published[5].0);
    let (b1, b2, b3) = (&published[1].0, &published[4].0, &published[6].0);
    assert_eq!(
        reader.take(4).await,
        [
            gap(format!("{last_gone},{b1}"), Some(2)),
            event(format!("{a},{b1}"), 4),
            event(format!("{a},{b2}"), 98),
            event(format!("{a},{b3}"), 97),
        ]
    );
}

#[tokio::test]
async fn a_topic_without_ids_is_in_none() {
    let hub = Hub::builder()
        .topic("b", TopicOptions::transient())
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(both)));
    let mut reader = Reader::new(serving.addr(), "/").await;
    // An event of `b` says where `a` is, and not where it is itself.
    publish(&hub, "b").await;
    let told = reader.next().await;
    assert_eq!(data(std::slice::from_ref(&told)), ["99"]);
    let published = publish(&hub, "a").await;
    assert_eq!(id_of(&told), sibling(&published[0].0, 0));
    assert_eq!(reader.next().await, event(&published[0].0, 1));
    let mut back = Reader::back(serving.addr(), "/", &published[0].0).await;
    let ids = count(&hub, "a", 5..=5).await;
    assert_eq!(back.next().await, event(&ids[0], 5));
}

/// Before the digest of names had a key, these two had the same, so the first position in an id was taken for both topics.
#[tokio::test]
async fn topics_whose_names_once_had_the_same_digest_are_resumed_each_by_its_own_position() {
    const ONE: &str = "room:1336536";
    const OTHER: &str = "room:2398200";
    async fn rooms(hub: web::Data<Hub>) -> Result<Subscription, CombineError> {
        hub.subscribe(ONE).and(hub.subscribe(OTHER))
    }
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(rooms)));
    let mut reader = Reader::new(serving.addr(), "/").await;
    let one = count(&hub, ONE, 1..=2).await;
    assert_eq!(data(&reader.take(2).await), ["1", "2"]);
    let other = count(&hub, OTHER, 3..=3).await;
    let last = reader.next().await;
    assert_eq!(last, event(format!("{},{}", one[1], other[0]), 3));
    drop(reader);

    let one = count(&hub, ONE, 4..=4).await;
    let mut back = Reader::back(serving.addr(), "/", id_of(&last)).await;
    assert_eq!(back.next().await, event(format!("{},{}", one[0], other[0]), 4));
    let other = count(&hub, OTHER, 5..=5).await;
    assert_eq!(back.next().await, event(format!("{},{}", one[0], other[0]), 5));
}

#[test]
fn more_than_an_id_can_say_are_refused_and_so_is_one_twice() {
    let hub = Hub::new().unwrap();
    let topic = |nth: usize| TopicName::try_from(format!("topic {nth}")).unwrap();
    let mut all = hub.subscribe(topic(0));
    for nth in 1..Positions::MAX {
        all = all.and(hub.subscribe(topic(nth))).unwrap();
    }
    let error = all.and(hub.subscribe(topic(Positions::MAX))).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("27"), "{error}");

    let error = hub
        .subscribe("a")
        .and(hub.subscribe("b"))
        .unwrap()
        .and(hub.subscribe("a"))
        .unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("`a`"), "{error}");
}

#[tokio::test]
async fn as_many_as_there_may_be_are_resumed_by_one_header() {
    async fn all(hub: web::Data<Hub>) -> Result<Subscription, CombineError> {
        let mut all = hub.subscribe(topic(0));
        for nth in 1..Positions::MAX {
            all = all.and(hub.subscribe(topic(nth)))?;
        }
        Ok(all)
    }
    fn topic(nth: usize) -> TopicName {
        TopicName::try_from(format!("topic {nth}")).unwrap()
    }
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(all)));
    let mut reader = Reader::new(serving.addr(), "/").await;
    for nth in 0..Positions::MAX {
        hub.topic(topic(nth)).publish(&nth).await.unwrap();
    }
    let events = reader.take(Positions::MAX).await;
    let id = id_of(events.last().unwrap()).to_owned();
    assert!(id.len() <= EventId::MAX_LEN, "{}", id.len());
    assert_eq!(
        id.split(',').filter(|one| Position::parse(one).is_some()).count(),
        Positions::MAX
    );
    drop(reader);

    // One more of each, but two of the last.
    let mut expected = Vec::new();
    for nth in (0..Positions::MAX).chain([Positions::MAX - 1]) {
        hub.topic(topic(nth)).publish(&(100 + nth)).await.unwrap();
        expected.push((100 + nth).to_string());
    }
    let mut back = Reader::back(serving.addr(), "/", &id).await;
    let events = back.take(expected.len()).await;
    let mut received = data(&events);
    received.sort_unstable();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn subscriptions_of_two_hubs_share_no_stream() {
    let [one, other] = [Hub::new().unwrap(), Hub::new().unwrap()];
    let error = one.subscribe("a").and(other.subscribe("b")).unwrap_err();
    assert!(error.to_string().contains("belong to two hubs"), "{error}");
    assert!(one.subscribe("a").and(one.clone().subscribe("b")).is_ok());
}
