//! A reader has a position from its first byte on, and its client knows it.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use actix_web::{
    Error, HttpRequest,
    web::{self, Data, ServiceConfig},
};
use futures_util::StreamExt as _;
use sse_actix::{
    Decoded, Decoder, Event, EventName, Hub, KeepAlive, Subscription, TopicName, TopicOptions, sse_stream,
};
use sse_tests::{patience::within, wire::Wire};

use super::{Reader, count, data, event, serve_hub, slow_log::Slow};

/// What tells a position.
fn position(name: &str, id: &str) -> String {
    format!("event: {name}\nid: {id}\ndata: {{}}\n\n")
}

/// The id in a frame.
fn id_in(frame: &str) -> String {
    let id = frame.lines().find_map(|line| line.strip_prefix("id: "));
    id.unwrap_or_else(|| panic!("no id in {frame:?}")).to_owned()
}

async fn topic(hub: Data<Hub>, name: web::Path<String>) -> Subscription {
    hub.subscribe(TopicName::try_from(name.into_inner()).unwrap())
}

fn routes(app: &mut ServiceConfig) {
    app.route("/of/{topic}", web::get().to(topic));
}

#[tokio::test]
async fn it_leaves_with_the_head_in_one_write() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, routes);
    let mut wire = Wire::get(serving.addr(), "/of/n").await;
    let head = wire.head().await;
    assert_eq!(head.values("sse-keep-alive"), ["15000"]);
    let chunk = wire.chunk().await.unwrap();
    let id = id_in(str::from_utf8(&chunk).unwrap());
    assert!(id.ends_with("-0"), "{id}");
    assert_eq!(chunk, format!("retry: 3000\n{}", position("sse-position", &id)));
    drop(wire);

    // Nothing is lost of what is published while the client is away, though it had no event.
    let ids = count(&hub, "n", 1..=2).await;
    let mut reader = Reader::back(serving.addr(), "/of/n", &id).await;
    let both: Vec<_> = (1..).zip(&ids).map(|(number, id)| event(id, number)).collect();
    assert_eq!(
        [
            reader.next_with_positions().await,
            reader.next_with_positions().await
        ],
        both[..]
    );
    // A client that knows where it is need not be told.
    let mut reader = Reader::back(serving.addr(), "/of/n", &ids[1]).await;
    let ids = count(&hub, "n", 3..=3).await;
    assert_eq!(reader.next_with_positions().await, event(&ids[0], 3));
}

#[tokio::test]
async fn it_can_be_renamed_and_turned_off_and_transient_topics_have_none() {
    let hub = Hub::builder()
        .topic("renamed", TopicOptions::log().position_event("here"))
        .topic("off", TopicOptions::log().positions(false))
        .topic("transient", TopicOptions::transient())
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        routes(app);
        app.route(
            "/silent",
            web::get().to(async |hub: Data<Hub>| hub.subscribe("n").positions(false)),
        )
        .route(
            "/both",
            web::get().to(async |hub: Data<Hub>| hub.subscribe("transient").and(hub.subscribe("n")).unwrap()),
        );
    });
    let mut renamed = Reader::new(serving.addr(), "/of/renamed").await;
    let told = renamed.next_with_positions().await;
    assert_eq!(told, position("here", &id_in(&told)));
    for (path, topic) in [
        ("/of/off", "off"),
        ("/silent", "n"),
        ("/of/transient", "transient"),
    ] {
        let mut reader = Reader::new(serving.addr(), path).await;
        super::until_reads(&hub, topic).await;
        hub.raw(topic).publish(Event::data("one")).await.unwrap();
        let first = reader.next_with_positions().await;
        assert!(first.ends_with("data: one\n\n"), "{first:?}");
    }
    // Only of the topic that has one.
    let mut both = Reader::new(serving.addr(), "/both").await;
    let told = both.next_with_positions().await;
    assert_eq!(told, position("sse-position", &id_in(&told)));
    assert!(!id_in(&told).contains(','), "{told}");
}

/// Whatever a stream may begin with, where that turns out to be nothing.
#[tokio::test]
async fn it_is_told_where_history_and_snapshot_show_nothing() {
    let hub = Hub::new().unwrap();
    count(&hub, "n", 1..=3).await;
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/snapshot",
            web::get().to(async |hub: Data<Hub>| hub.subscribe("n").snapshot(async |_| Vec::<Event>::new())),
        )
        .route(
            "/hidden-history",
            web::get()
                .to(async |hub: Data<Hub>| hub.subscribe("n").history(9).filter(|number: &u64| *number > 3)),
        )
        .route(
            "/hidden-names",
            web::get()
                .to(async |hub: Data<Hub>| hub.subscribe("n").history(9).filter_names(|name| name.is_some())),
        )
        .route(
            "/since",
            web::get().to(async |hub: Data<Hub>| {
                hub.subscribe("n")
                    .history(9)
                    .since(SystemTime::now() + Duration::from_secs(60))
            }),
        );
    });
    for path in ["/snapshot", "/hidden-history", "/hidden-names", "/since"] {
        let mut reader = Reader::new(serving.addr(), path).await;
        let told = reader.next_with_positions().await;
        let id = id_in(&told);
        assert_eq!(told, position("sse-position", &id), "{path}");
        assert!(id.ends_with("-3"), "{path}: {id}");
    }
}

/// Only what is 0.
async fn nothing(hub: Data<Hub>) -> Subscription {
    hub.subscribe("n")
        .filter(|number: &u64| *number == 0)
        .keep_alive(KeepAlive::comment(Duration::from_millis(200)))
}

#[tokio::test]
async fn a_keep_alive_tells_a_position_that_has_moved_past_what_is_hidden() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(100))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        routes(app);
        app.route("/", web::get().to(nothing)).route(
            "/named",
            web::get().to(async |hub: Data<Hub>| {
                let every = KeepAlive::event(Duration::from_millis(200), EventName::from_static("ping"));
                nothing(hub).await.keep_alive(every)
            }),
        );
    });
    for (path, name) in [("/", "sse-position"), ("/named", "ping")] {
        let mut probe = Reader::new(serving.addr(), "/of/n").await;
        let mut reader = Reader::new(serving.addr(), path).await;
        let mut told = id_in(&reader.next_with_positions().await);
        let silent = if name == "ping" {
            "event: ping\ndata:\n\n"
        } else {
            ":\n"
        };
        assert_eq!(reader.next_with_positions().await, silent, "nothing has moved");
        for keep_alive in 1..=3 {
            let mut last = String::new();
            for first in (0..3_350).step_by(50) {
                let ids = count(&hub, "n", first + 1..=first + 50).await;
                last = ids.last().unwrap().to_string();
                // The other reader on this worker has them, so that this one is not overtaken.
                while id_in(&probe.next().await) != last {}
            }
            // One may have been due in the midst.
            while told != last {
                let next = reader.next_with_positions().await;
                if next != silent {
                    assert!(next.starts_with(&format!("event: {name}\nid: ")), "{next:?}");
                    told = id_in(&next);
                }
            }
            assert_eq!(reader.next_with_positions().await, silent, "after {keep_alive}");
        }
        drop(reader);
        // Nothing that retention has taken was for it.
        count(&hub, "n", 1..=50).await;
        let mut reader = Reader::back(serving.addr(), path, &told).await;
        let shown = hub.topic("n").publish(&0).await.unwrap();
        let next = reader.next().await;
        assert_eq!(next, event(&shown, 0));
    }
}

#[sse_stream]
async fn inside(request: HttpRequest, hub: Data<Hub>) -> Result<(), Error> {
    let hidden = hub
        .subscribe("n")
        .filter(|number: &u64| *number == 0)
        .keep_alive(KeepAlive::comment(Duration::from_millis(200)));
    let mut events = hidden.on(&request);
    while let Some(event) = events.next().await {
        emit!(event?);
    }
    Ok(())
}

#[tokio::test]
async fn inside_a_generator_it_is_told_too() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(inside)));
    let mut reader = Reader::new(serving.addr(), "/").await;
    let first = reader.next_with_positions().await;
    assert_eq!(first, position("sse-position", &id_in(&first)));
    let ids = count(&hub, "n", 1..=9).await;
    let next = reader.next_with_positions().await;
    assert_eq!(next, position("sse-position", ids[8].as_str()));
}

#[tokio::test]
async fn of_several_topics_it_tells_all() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: Data<Hub>| {
                let hidden = hub.subscribe("n").filter(|number: &u64| *number == 0);
                let both = hidden.and(hub.subscribe("m")).unwrap();
                both.keep_alive(KeepAlive::comment(Duration::from_millis(200)))
            }),
        );
    });
    let mut reader = Reader::new(serving.addr(), "/").await;
    let first = id_in(&reader.next_with_positions().await);
    assert_eq!(first.split(',').count(), 2, "{first}");
    let n = count(&hub, "n", 1..=3).await;
    let m = first.split(',').nth(1).unwrap();
    let moved = position("sse-position", &format!("{},{m}", n[2]));
    assert_eq!(reader.next_with_positions().await, moved);
    let m = count(&hub, "m", 1..=1).await;
    assert_eq!(
        reader.next_with_positions().await,
        format!("id: {},{}\ndata: 1\n\n", n[2], m[0])
    );
}

/// A client whose id says nothing is told of a gap of each topic. If it loses its connection among them, it is told
/// again, and of all.
#[tokio::test]
async fn an_id_never_says_of_one_topic_that_another_is_new() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: Data<Hub>| {
                let three = hub.subscribe("a").and(hub.subscribe("b")).unwrap();
                three.and(hub.subscribe("c")).unwrap()
            }),
        );
    });
    for topic in ["a", "b", "c"] {
        count(&hub, topic, 1..=2).await;
    }
    let mut reader = Reader::back(serving.addr(), "/", "garbage").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let gap = reader.next_with_positions().await;
        assert!(gap.starts_with("event: sse-gap\n"), "{gap}");
        ids.push(super::id_of(&gap).to_owned());
    }
    assert_eq!(ids[..2], ["", ""], "its client still has the id that it brought");
    assert_eq!(ids[2].split(',').count(), 3, "{ids:?}");
    // What was kept follows, each once, and so it does for who comes back with the first id.
    let all = reader.take(6).await;
    assert_eq!(data(&all).len(), 6);
    let mut back = Reader::back(serving.addr(), "/", &ids[2]).await;
    assert_eq!(back.take(6).await.len(), 6);
}

/// Nor does a position, where topics answer one after another.
#[tokio::test]
async fn a_position_of_several_topics_waits_for_all() {
    for seed in 1..=9 {
        let hub = Hub::builder().log(Slow::new(seed, 9, 0)).build().unwrap();
        let serving = serve_hub(&hub, |app| {
            app.route(
                "/",
                web::get().to(async |hub: Data<Hub>| hub.subscribe("a").and(hub.subscribe("b")).unwrap()),
            );
        });
        let mut reader = Reader::new(serving.addr(), "/").await;
        count(&hub, "a", 1..=3).await;
        let first = reader.next_with_positions().await;
        assert_eq!(id_in(&first).split(',').count(), 2, "{first}");
    }
}

/// What a client has of an answer that was cut: its last id, and its events.
fn client(answer: &[u8]) -> (String, Vec<String>) {
    let mut decoder = Decoder::new();
    if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
        let mut chunks = &answer[at + 4..];
        while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
            chunks = &chunks[end + 2..];
            decoder.feed(chunks[..size.min(chunks.len())].to_vec());
            chunks = chunks.get(size + 2..).unwrap_or_default();
        }
    }
    let mut events = Vec::new();
    for decoded in &mut decoder {
        if let Ok(Decoded::Message(message)) = decoded
            && message.event != "sse-position"
        {
            events.push(format!("{} {}", message.event, message.data));
        }
    }
    (decoder.last_event_id().to_owned(), events)
}

/// A conversation of a position and three events is cut at every byte from the first of the head on; then the
/// client comes back.
pub(crate) async fn cut_everywhere(hub: &Hub) {
    let serving = serve_hub(hub, routes);
    let addr = serving.addr();
    let (mut new, mut resumed) = (0, 0);
    for cut in 1.. {
        // Names of one length, so that all conversations are of one length.
        let topic = TopicName::try_from(format!("cut-{cut:04}")).unwrap();
        let path = format!("/of/{topic}");
        let mut wire = Wire::get(addr, &path).await;
        let mut answer = Vec::new();
        let mut publishes = 1..=3;
        while !answer.ends_with(b"data: 3\n\n\r\n") {
            answer.extend_from_slice(&wire.exactly(1).await);
            if answer.ends_with(b"\n\n\r\n")
                && let Some(number) = publishes.next()
            {
                hub.topic(topic.clone()).publish(&number).await.unwrap();
            }
        }
        drop(wire);
        let Some(had) = answer.get(..cut) else { break };
        let is_new = continue_with(hub, addr, &path, &topic, had).await;
        if is_new { new += 1 } else { resumed += 1 }
    }
    assert!(new > 0 && resumed > 0, "{new} new, {resumed} resumed");
    println!("measured: {new} new clients, {resumed} that resumed");
}

/// Comes back with what a client has of an answer that was cut. Whether it is a new one.
async fn continue_with(hub: &Hub, addr: SocketAddr, path: &str, topic: &TopicName, answer: &[u8]) -> bool {
    let (id, mut events) = client(answer);
    let header = if id.is_empty() {
        Vec::new()
    } else {
        super::last_event_id(id.as_bytes())
    };
    let mut reader = Reader::with(addr, path, &header).await;
    if id.is_empty() {
        // A new client, whose place is known once it is told.
        reader.next_with_positions().await;
    }
    hub.topic(topic.clone()).publish(&4).await.unwrap();
    within("the last event", async {
        while events.last().is_none_or(|last| last != "message 4") {
            let frame = reader.next().await;
            events.push(format!("message {}", data(&[frame])[0]));
        }
    })
    .await;
    let numbers = if id.is_empty() { 4..=4 } else { 1..=4 };
    let expected: Vec<_> = numbers.map(|number| format!("message {number}")).collect();
    assert_eq!(events, expected, "cut after {} bytes", answer.len());
    id.is_empty()
}

#[tokio::test]
async fn cut_at_every_byte_in_memory() {
    cut_everywhere(&Hub::new().unwrap()).await;
}

#[tokio::test]
async fn cut_at_every_byte_on_a_slow_log() {
    let log = Slow::new(7, 2, 0);
    cut_everywhere(&Hub::builder().log(log).build().unwrap()).await;
}

/// The position of a slow log leaves as soon as the log has answered, and before any event.
#[tokio::test]
async fn a_slow_logs_position_leaves_before_any_event() {
    let hub = Hub::builder().log(Slow::new(7, 20, 0)).build().unwrap();
    let serving = serve_hub(&hub, routes);
    let mut wire = Wire::get(serving.addr(), "/of/n").await;
    wire.head().await;
    let mut answer = wire.chunk().await.unwrap().to_vec();
    while !answer.ends_with(b"\n\n") {
        answer.extend_from_slice(&wire.chunk().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(
        answer,
        format!("retry: 3000\n{}", position("sse-position", &id_in(&answer)))
    );
}
