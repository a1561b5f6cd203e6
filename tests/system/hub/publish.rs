//! What is published, as it arrives, and what comes after an id.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    thread,
    time::Duration,
};

use actix_web::{Error, HttpRequest, test::TestRequest, web};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use sse_actix::{Event, Hub, LastEventId, Position, PublishError, TopicOptions, sse_stream, test::respond};
use sse_tests::{http2::Http2, patience::until};
use tokio::time::sleep;

use super::{
    Reader, count, data, event, hooked_log::Hooked, serve_hub, serve_topic, sibling, without_positions,
};

#[derive(Debug, Serialize, Deserialize)]
struct Tick {
    price: f64,
}

#[tokio::test]
async fn every_byte_of_a_stream() {
    let hub = Hub::builder()
        .topic("ticks", TopicOptions::log().event("tick"))
        .build()
        .unwrap();
    let serving = serve_topic(&hub, "ticks");
    let mut reader = Reader::new(serving.addr(), "/").await;
    let mut client = Http2::connect(serving.addr()).await;
    let mut answer = client.get("/").await;
    let frame = answer.frame().await.unwrap();
    assert_eq!(
        without_positions(str::from_utf8(&frame).unwrap()),
        "retry: 3000\n"
    );

    let ticks = hub.topic("ticks");
    let a = ticks.publish(&Tick { price: 1.5 }).await.unwrap();
    let b = hub.raw("ticks").publish(Event::data("two\nlines")).await.unwrap();
    let c = hub
        .raw("ticks")
        .publish(Event::data("").event("other"))
        .await
        .unwrap();
    let expected = [
        format!("id: {a}\nevent: tick\ndata: {{\"price\":1.5}}\n\n"),
        format!("id: {b}\nevent: tick\ndata: two\ndata: lines\n\n"),
        format!("id: {c}\nevent: other\ndata:\n\n").replace("data:\n", &empty_data()),
    ];
    assert_eq!(reader.take(3).await, expected);
    let mut received = String::new();
    while received.len() < expected.concat().len() {
        received += str::from_utf8(&answer.frame().await.unwrap()).unwrap();
    }
    assert_eq!(received, expected.concat());

    let positions = [&a, &b, &c].map(|id| Position::parse(id.as_str()).unwrap());
    assert_eq!(positions.map(|position| position.sequence), [1, 2, 3]);
    assert_eq!(positions[0].epoch, positions[2].epoch);
}

/// How an event of no data is written elsewhere.
fn empty_data() -> String {
    let frame = sse_actix::Frame::from(Event::data(""));
    str::from_utf8(&frame).unwrap().trim_end().to_owned() + "\n"
}

#[tokio::test]
async fn who_comes_back_gets_exactly_what_is_later() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route("/", web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n")))
            .route(
                "/again",
                web::get().to(async |hub: web::Data<Hub>, last: LastEventId| hub.subscribe("n").resume(last)),
            );
    });
    // More than one read from the log returns.
    let ids = count(&hub, "n", 1..=2_500).await;
    let mut all: Vec<_> = ids.iter().zip(1..).map(|(id, n)| event(id, n)).collect();
    let before = sibling(&ids[0], 0);
    for (seen, id) in [
        (0, before.as_str()),
        (1, ids[0].as_str()),
        (2_499, ids[2_498].as_str()),
    ] {
        for path in ["/", "/again"] {
            let mut reader = Reader::back(serving.addr(), path, id).await;
            assert_eq!(reader.take(2_500 - seen).await, all[seen..]);
        }
    }
    let mut by_query = Reader::new(serving.addr(), &format!("/?lastEventId={}", ids[2_497])).await;
    assert_eq!(by_query.take(2).await, all[2_498..]);

    // And then what comes.
    let mut up_to_date = Reader::back(serving.addr(), "/", &ids[2_499]).await;
    let mut new = Reader::new(serving.addr(), "/").await;
    let more = count(&hub, "n", 2_501..=2_502).await;
    all = more.iter().zip(2_501..).map(|(id, n)| event(id, n)).collect();
    assert_eq!(up_to_date.take(2).await, all);
    assert_eq!(new.take(2).await, all);
    assert_eq!(by_query.take(2).await, all);
}

#[tokio::test]
async fn what_is_refused_has_no_place() {
    let hub = Hub::builder()
        .topic("latest", TopicOptions::latest())
        .topic("small", TopicOptions::log().max_bytes(1_000))
        .build()
        .unwrap();

    let error = hub.raw("n").publish(Event::data("x").id(7)).await.unwrap_err();
    assert!(matches!(error, PublishError::OwnId(_)));
    assert!(
        error.to_string().starts_with("the event has an id of its own"),
        "{error}"
    );

    let error = hub.topic("latest").publish(&1).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the event has none; publish it with a key"),
        "{error}"
    );
    let error = hub.topic("small").publish(&"x".repeat(1_000)).await.unwrap_err();
    assert!(error.to_string().contains("its topic may keep 1000"), "{error}");
    let no_json = HashMap::from([((1, 2), 3)]);
    let error = hub.topic("n").publish(&no_json).await.unwrap_err();
    assert!(matches!(error, PublishError::Json(_)));

    for topic in ["n", "latest", "small"] {
        let published = hub.stats().topic(topic).map(|stats| (stats.published, stats.log));
        assert_eq!(published, Some((0, None)), "{topic}");
    }
}

/// What a handler with its own first event goes on with.
#[tokio::test]
async fn a_topic_inside_a_stream() {
    #[sse_stream]
    async fn greeting(request: HttpRequest, hub: web::Data<Hub>) -> Result<(), Error> {
        emit!("hello");
        let mut numbers = hub.subscribe("n").on(&request);
        while let Some(frame) = numbers.next().await {
            emit!(frame?);
        }
        Ok(())
    }
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(greeting)));
    let ids = count(&hub, "n", 1..=3).await;
    let mut reader = Reader::back(serving.addr(), "/", &ids[0]).await;
    assert_eq!(reader.next().await, "data: hello\n\n");
    assert_eq!(data(&reader.take(2).await), ["2", "3"]);
    let ids = count(&hub, "n", 4..=4).await;
    assert_eq!(reader.next().await, event(&ids[0], 4));
}

/// Wakers that are woken again as soon as they were heard do not keep the thread from its other tasks.
#[actix_web::test]
async fn publishers_that_never_pause_leave_others_their_turn() {
    let log = Hooked::new();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let mut readers: Vec<_> = ["a", "b", "n"]
        .map(|topic| respond(hub.subscribe(topic), TestRequest::get()))
        .into();
    until("three readers", async || hub.stats().streams == 3).await;
    let wakers = log.wakers();
    assert_eq!(wakers.len(), 3);
    let goes_on = Arc::new(AtomicBool::new(true));
    let rings = Arc::clone(&goes_on);
    let ringing = thread::spawn(move || {
        while rings.load(Ordering::SeqCst) {
            wakers.iter().for_each(Waker::wake_by_ref);
        }
    });
    for n in 0..50 {
        sleep(Duration::from_millis(1)).await;
        count(&hub, "n", [n]).await;
        assert_eq!(&*readers[2].next().await.unwrap().data, n.to_string());
    }
    goes_on.store(false, Ordering::SeqCst);
    ringing.join().unwrap();
}
