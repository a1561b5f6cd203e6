//! Everything at once, by a seed: faults of Redis, of its network, of operators and other programs, while nodes publish
//! and readers move between nodes. A checker looks at what each reader was given.

mod checker;
mod client;
mod faults;

use std::{
    cell::Cell,
    collections::HashMap,
    env,
    rc::Rc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::future::join_all;
use sse_actix::{AppendError, HubBuilder, PublishError, TopicOptions};
use sse_tests::patience::within;
use tokio::time::sleep;

use self::{
    checker::{LAST, Outcome, Seen, Truth, check},
    client::read,
    faults::World,
};
use crate::harness::node::Node;

const TOPICS: [&str; 2] = ["small", "large"];
/// What is there before anybody reads.
const BEGIN: &str = "begin/0";

const READERS: usize = 40;
const PUBLISHERS: usize = 2;

fn options(hub: HubBuilder) -> HubBuilder {
    hub.topics(TopicOptions::log().max_events(1_000_000).max_bytes(256 << 20))
}

/// What follows the publisher and the number in an event's data.
fn padding(topic: &str) -> &'static str {
    static LARGE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| " ".repeat(100_000));
    if topic == "large" { &LARGE } else { "" }
}

/// Publishes one after the other, through any node.
async fn publish(world: Rc<World>, topic: &'static str, who: usize, mut rng: Rng) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    while !world.is_over.get() {
        let data = format!("{topic}{who}/{}", outcomes.len());
        let node = world.node(rng.usize(..));
        let published = node.try_publish(topic, format!("{data}{}", padding(topic))).await;
        outcomes.push((
            data,
            match published {
                Ok(id) => Outcome::Acknowledged(id.to_string()),
                Err(PublishError::Append(AppendError::Refused(_))) => Outcome::Refused,
                Err(_) => Outcome::Unknown,
            },
        ));
        let pause = if topic == "large" { 100..300 } else { 1..15 };
        sleep(Duration::from_millis(rng.u64(pause))).await;
    }
    outcomes
}

async fn last(world: &World, topic: &'static str) -> String {
    within("the last event to be taken", async {
        loop {
            let node = world.node(0);
            if let Ok(id) = node.try_publish(topic, LAST).await {
                return id.to_string();
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[actix_web::test]
async fn each_acknowledged_event_once_and_in_order_or_a_gap() {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seed = number("REDIS_FAULTS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let seconds = number("REDIS_FAULTS_SECONDS").unwrap_or(20);
    println!("REDIS_FAULTS_SEED={seed} REDIS_FAULTS_SECONDS={seconds}");
    let mut rng = Rng::with_seed(seed);
    let world = Rc::new(World::start().await);

    let is_reading = Rc::new(Cell::new(0_usize));
    let readers = (0..READERS).map(|n| {
        let topic = TOPICS[usize::from(n % 8 == 0)];
        is_reading.set(is_reading.get() + 1);
        let reading = read(Rc::clone(&world), topic, rng.fork());
        let is_reading = Rc::clone(&is_reading);
        (
            topic,
            actix_web::rt::spawn(async move {
                let record = reading.await;
                is_reading.set(is_reading.get() - 1);
                record
            }),
        )
    });
    let readers: Vec<_> = readers.collect();
    let publishers: Vec<_> = TOPICS
        .into_iter()
        .flat_map(|topic| (0..PUBLISHERS).map(move |who| (topic, who)))
        .map(|(topic, who)| {
            let publishing = publish(Rc::clone(&world), topic, who, rng.fork());
            (topic, actix_web::rt::spawn(publishing))
        })
        .collect();

    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        sleep(Duration::from_millis(rng.u64(50..400))).await;
        let is_later = began.elapsed() > Duration::from_secs(seconds / 2);
        world.fault(&mut rng, is_later).await;
    }
    world.heal().await;
    world.is_over.set(true);

    let mut truths: HashMap<&str, Truth> = HashMap::new();
    for (topic, publisher) in publishers {
        let truth = truths.entry(topic).or_default();
        for (data, outcome) in publisher.await.unwrap() {
            truth.published(data, outcome);
        }
    }
    truths
        .entry("small")
        .or_default()
        .published(BEGIN.to_owned(), Outcome::Unknown);
    for (topic, truth) in &mut truths {
        let id = last(&world, topic).await;
        truth.published(LAST.to_owned(), Outcome::Acknowledged(id));
    }
    let records = join_all(
        readers
            .into_iter()
            .map(async |(topic, reader)| (topic, reader.await)),
    );
    let records = tokio::time::timeout(Duration::from_secs(45), records).await;
    let records = records.unwrap_or_else(|_| panic!("{} readers hear nothing any more", is_reading.get()));

    // What the topics hold in the end, as a node shows it that was not there.
    let fresh = Node::with(&world.url(), |log| log, options).await;
    for (topic, truth) in &mut truths {
        for data in client::history(&fresh, topic).await {
            truth.kept(data);
        }
    }
    let (mut events, mut gaps) = (0, 0);
    let mut ids: HashMap<&str, HashMap<String, String>> = HashMap::new();
    for (n, (topic, record)) in records.into_iter().enumerate() {
        let record = record.unwrap();
        gaps += record.iter().filter(|seen| **seen == Seen::Gap).count();
        events += record.len();
        if let Err(fault) = check(&truths[topic], &record, ids.entry(topic).or_default()) {
            let (at, what) = fault;
            let around = &record[at.saturating_sub(5)..(at + 3).min(record.len())];
            panic!(
                "reader {n} of {topic}: {what}; at {at} of {}: {around:#?}",
                record.len()
            );
        }
    }
    println!(
        "measured: {} events acknowledged, {events} received by {READERS} readers, {gaps} gaps told; faults: {:?}",
        truths.values().map(Truth::acknowledged).sum::<usize>(),
        world.counts(),
    );
}
