//! What whoever is on call is told.

use futures_util::future::join;
use sse_actix::{Event, Hub, TopicOptions};
use sse_tests::patience::{until, within};
use tokio::task::yield_now;

use super::{Reader, count, serve_hub, serve_topic};
use actix_web::web;

#[tokio::test]
async fn what_is_published_kept_and_delivered() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(4))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
            .route(
                "/even",
                web::get()
                    .to(async |hub: web::Data<Hub>| hub.subscribe("n").filter(|n: &u64| n.is_multiple_of(2))),
            );
    });
    assert_eq!(hub.stats().topics, []);
    let ids = count(&hub, "n", 1..=6).await;
    let mut all = Reader::back(serving.addr(), "/", &ids[0]).await;
    let mut even = Reader::back(serving.addr(), "/even", &ids[3]).await;
    count(&hub, "n", 7..=8).await;
    // The gap, what was kept or came, and what is even of it.
    all.take(1 + 6).await;
    even.take(2).await;

    let topic = || hub.stats().topic("n").cloned().unwrap();
    until("the figures", async || topic().delivered == 8).await;
    until("no lag", async || topic().lag == 0).await;
    let stats = topic();
    assert_eq!((stats.subscribers, stats.published, stats.gaps), (2, 8, 1));
    let log = stats.log.unwrap();
    assert_eq!(
        (log.head, log.oldest, log.events, log.deleted),
        (8, Some(5), 4, 4)
    );
    assert!(log.bytes > 0 && log.bytes < 4_000);
    assert_eq!(hub.stats().streams, 2);
    drop(all);
    until("one to be gone", async || {
        topic().subscribers == 1 && hub.stats().streams == 1
    })
    .await;
    drop(even);
    until("both to be gone", async || topic().subscribers == 0).await;
    // What was told stays.
    assert_eq!((topic().published, topic().delivered, topic().lag), (8, 8, 0));
}

/// Code that waits for a reader may publish as soon as it is counted.
#[tokio::test]
async fn what_is_published_once_a_stream_is_counted_reaches_it() {
    for round in 0..200 {
        let hub = Hub::new().unwrap();
        let serving = serve_topic(&hub, "n");
        let reads = async {
            let mut reader = Reader::new(serving.addr(), "/").await;
            reader.next().await
        };
        let publishes = async {
            let counted: fn(&Hub) -> usize = if round % 2 == 0 {
                |hub| hub.stats().streams
            } else {
                |hub| hub.stats().topic("n").map_or(0, |topic| topic.subscribers)
            };
            while counted(&hub) == 0 {
                yield_now().await;
            }
            hub.raw("n").publish(Event::data("x")).await.unwrap()
        };
        let (event, id) = within("an event", join(reads, publishes)).await;
        assert_eq!(event, format!("id: {id}\ndata: x\n\n"));
    }
}

#[tokio::test]
async fn how_far_the_slowest_is_behind() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_bytes(64 << 20))
        .build()
        .unwrap();
    let serving = serve_topic(&hub, "n");
    let mut slow = Reader::new(serving.addr(), "/").await;
    let mut fast = Reader::new(serving.addr(), "/").await;
    for n in 0..400 {
        let large = Event::data(format!("{n:60000}"));
        hub.raw("n").publish(large).await.unwrap();
        fast.next().await;
    }
    let topic = || hub.stats().topic("n").cloned().unwrap();
    until("a lag, and the other's deliveries", async || {
        (1..400).contains(&topic().lag) && topic().delivered >= 400
    })
    .await;
    slow.take(400).await;
    until("all to be told", async || {
        (topic().lag, topic().delivered) == (0, 800)
    })
    .await;
}
