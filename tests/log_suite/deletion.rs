//! A topic is deleted while it is published to and read, on every log.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use actix_web::{
    rt::{spawn, task::JoinHandle},
    web::{self, Data},
};
use sse_actix::{Event, Hub, IdempotencyKey, Position, test::Serving};
use sse_actix_redis::RedisLog;
use sse_actix_sqlite::SqliteLog;
use sse_tests::{
    hub::{POSITION, Reader, gap, id_of, serve_hub},
    patience::until,
    redis::Redis,
};
use tokio::time::sleep;

const PUBLISHERS: usize = 8;
const READERS: usize = 3;
const DELETIONS: usize = 3;

/// What a reader was given since the last gap, and before each gap.
type Epochs = Vec<Vec<(String, String)>>;

/// Publishes, one event after the other, until it is told to stop. Returns ids with data.
fn publish(hub: Hub, who: usize, is_over: Rc<Cell<bool>>) -> JoinHandle<Vec<(String, String)>> {
    spawn(async move {
        let mut published = Vec::new();
        while !is_over.get() {
            let data = format!("{who}/{}", published.len());
            let topic = if who == 0 { "other" } else { "room" };
            let id = hub.raw(topic).publish(Event::data(data.as_str())).await;
            published.push((id.unwrap().to_string(), data));
            sleep(Duration::from_millis(1)).await;
        }
        published
    })
}

/// Reads to the end. Tells how many gaps there were, and how many events since the last one.
fn read(mut reader: Reader, progress: Rc<Cell<(usize, usize)>>) -> JoinHandle<Epochs> {
    spawn(async move {
        let mut by_epoch = vec![Vec::new()];
        loop {
            let next = reader.next().await;
            let id = id_of(&next).to_owned();
            if next.starts_with("event: sse-gap\n") {
                assert_eq!(next, gap(&id, None));
                by_epoch.push(Vec::new());
                progress.set((progress.get().0 + 1, 0));
                continue;
            }
            let data = next.split("data: ").nth(1).unwrap().trim_end().to_owned();
            if data == "end" {
                return by_epoch;
            }
            let (gaps, events) = progress.get();
            progress.set((gaps, events + 1));
            by_epoch.last_mut().unwrap().push((id, data));
        }
    })
}

fn serve(hub: &Hub) -> Serving {
    serve_hub(hub, |app| {
        app.route(
            "/{topic}",
            web::get().to(|hub: Data<Hub>, topic: web::Path<String>| {
                let topic = sse_actix::TopicName::try_from(topic.into_inner()).unwrap();
                std::future::ready(hub.subscribe(topic))
            }),
        );
    })
}

/// A new client that has its position.
async fn reader(serving: &Serving, path: &str) -> Reader {
    let mut reader = Reader::new(serving.addr(), path).await;
    assert!(reader.next_with_positions().await.starts_with(POSITION));
    reader
}

/// Deletes by the first hub again and again, while all publish and read.
async fn deletes_while_eight_publish(hubs: &[Hub]) {
    let servings: Vec<_> = hubs.iter().map(serve).collect();
    let mut reading = Vec::new();
    for nth in 0..READERS {
        let reader = reader(&servings[nth % servings.len()], "/room").await;
        let progress = Rc::new(Cell::new((0, 0)));
        reading.push((read(reader, Rc::clone(&progress)), progress));
    }
    let is_over = Rc::new(Cell::new(false));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|who| publish(hubs[who % hubs.len()].clone(), who, Rc::clone(&is_over)))
        .collect();
    let all_progress = async |gaps: usize| {
        until("all readers to have events of this epoch", async || {
            reading.iter().all(|(_, progress)| progress.get() >= (gaps, 20))
        })
        .await;
    };
    for nth in 0..DELETIONS {
        all_progress(nth).await;
        hubs[0].delete_topic("room").await.unwrap();
    }
    all_progress(DELETIONS).await;
    is_over.set(true);
    let mut published = Vec::new();
    for publisher in publishers {
        published.push(publisher.await.unwrap());
    }
    hubs[0].raw("room").publish(Event::data("end")).await.unwrap();
    let epoch = |id: &str| Position::parse(id).unwrap().epoch.to_string();
    let mut acknowledged: BTreeMap<String, BTreeSet<(u64, String)>> = BTreeMap::new();
    for (id, data) in published[1..].iter().flatten() {
        let sequence = Position::parse(id).unwrap().sequence;
        acknowledged
            .entry(epoch(id))
            .or_default()
            .insert((sequence, data.clone()));
    }
    assert_eq!(acknowledged.len(), DELETIONS + 1, "each deletion begins an epoch");
    let mut old = None;
    for (reading, _) in reading {
        let by_epoch = reading.await.unwrap();
        assert_eq!(by_epoch.len(), DELETIONS + 1, "each deletion is told once");
        for (nth, of_epoch) in by_epoch.iter().enumerate() {
            let epochs: BTreeSet<_> = of_epoch.iter().map(|(id, _)| epoch(id)).collect();
            assert_eq!(epochs.len(), 1, "a gap is before what is of another epoch");
            let all = &acknowledged[epochs.first().unwrap()];
            let got: Vec<_> = of_epoch
                .iter()
                .map(|(id, data)| (Position::parse(id).unwrap().sequence, data.clone()))
                .collect();
            let due: Vec<_> = all.iter().take(got.len()).cloned().collect();
            assert_eq!(got, due, "each once and in order, from the first of the epoch on");
            assert!(
                nth < DELETIONS || got.len() == all.len(),
                "nothing of the last epoch is missing"
            );
        }
        old = by_epoch[0].last().cloned();
    }
    // The other topic has everything.
    let (first, _) = &published[0][0];
    let mut other = Reader::back(servings[0].addr(), "/other", first).await;
    for (id, data) in &published[0][1..] {
        assert_eq!(other.next().await, sse_tests::hub::event(id, data));
    }
    // Who comes back with an id of an epoch that is over is told, on each node.
    let last = acknowledged.values().map(BTreeSet::len).max().unwrap();
    assert!(last > 0);
    for serving in &servings {
        let mut back = Reader::back(serving.addr(), "/room", &old.as_ref().unwrap().0).await;
        let told = back.next().await;
        assert_eq!(told, gap(id_of(&told), None));
        assert!(!back.next().await.starts_with("event: sse-gap"));
    }
}

/// An idempotency key that was used before the deletion is new after it.
async fn keys_go_with_the_topic(hub: &Hub) {
    let key = IdempotencyKey::try_from("7").unwrap();
    let publish = async |text: &'static str| {
        let topic = hub.raw("orders");
        let published = topic.once(&key).publish(Event::data(text)).await;
        published.unwrap().id.to_string()
    };
    let first = publish("a").await;
    assert_eq!(publish("b").await, first);
    hub.delete_topic("orders").await.unwrap();
    let second = publish("c").await;
    assert_ne!(second, first);
    assert_eq!(publish("d").await, second);
    // What nobody has published to is deleted without a word.
    hub.delete_topic("nothing").await.unwrap();
}

#[actix_web::test]
async fn in_memory() {
    let hub = Hub::new().unwrap();
    deletes_while_eight_publish(std::slice::from_ref(&hub)).await;
    keys_go_with_the_topic(&hub).await;
}

#[actix_web::test]
async fn in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = SqliteLog::open(&path).unwrap();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    deletes_while_eight_publish(std::slice::from_ref(&hub)).await;
    keys_go_with_the_topic(&hub).await;
    // It is gone from the file, too.
    hub.raw("orders").publish(Event::data("a secret")).await.unwrap();
    hub.delete_topic("orders").await.unwrap();
    log.close();
    let hub = Hub::builder()
        .log(SqliteLog::open(&path).unwrap())
        .build()
        .unwrap();
    let serving = serve(&hub);
    let mut reader = reader(&serving, "/orders").await;
    let id = hub.raw("orders").publish(Event::data("new")).await.unwrap();
    assert_eq!(reader.next().await, sse_tests::hub::event(&id, "new"));
}

#[actix_web::test]
async fn on_redis_with_two_nodes() {
    let redis = Redis::start();
    let mut hubs = Vec::new();
    for _ in 0..2 {
        let log = RedisLog::connect(&redis.url()).await.unwrap();
        hubs.push(Hub::builder().log(log).build().unwrap());
    }
    deletes_while_eight_publish(&hubs).await;
    keys_go_with_the_topic(&hubs[0]).await;
}
