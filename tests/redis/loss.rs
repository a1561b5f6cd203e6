//! Redis has lost something: everybody is told, and nobody waits for ever.

use redis::cmd;
use sse_actix::{Event, Hub, Position, TopicOptions};
use sse_tests::{
    patience::{until, within},
    redis::Redis,
};

use super::{followed, node, node_with};
use sse_tests::hub::{Reader, count, event, gap, id_of, last_event_id, serve_topic};

/// The stream of the topic `n`.
const STREAM: &str = "sse:topic:{73}:n";

/// The gap that tells that nothing is known of what was missed.
async fn told(reader: &mut Reader) -> String {
    let next = within("a gap", reader.next()).await;
    let id = id_of(&next).to_owned();
    assert_eq!(next, gap(&id, None));
    id
}

async fn after_loss(lose: impl AsyncFnOnce(&mut Redis)) {
    let mut redis = Redis::start();
    let (here, there) = (node(&redis).await, node(&redis).await);
    let serving = [serve_topic(&here, "n"), serve_topic(&there, "n")];
    let ids = count(&here, "n", 1..=3).await;
    let mut readers = Vec::new();
    for serving in &serving {
        let mut reader = Reader::back(serving.addr(), "/", &ids[1]).await;
        assert_eq!(reader.next().await, event(&ids[2], 3));
        readers.push(reader);
    }
    lose(&mut redis).await;
    until("Redis to be back", async || here.is_ready() && there.is_ready()).await;
    // Whoever comes back, to whichever node, and whoever never left.
    for serving in &serving {
        readers.push(Reader::back(serving.addr(), "/", &ids[2]).await);
    }
    for reader in &mut readers {
        let id = told(reader).await;
        let epoch = |id: &str| Position::parse(id).unwrap().epoch;
        assert_ne!(epoch(&id), epoch(ids[0].as_str()), "another epoch");
    }
    let ids = count(&there, "n", 4..=4).await;
    for reader in &mut readers {
        assert_eq!(within("what comes then", reader.next()).await, event(&ids[0], 4));
    }
}

#[actix_web::test]
async fn its_memory_by_a_restart() {
    after_loss(async |redis| {
        redis.kill();
        redis.begin();
    })
    .await;
}

#[actix_web::test]
async fn its_memory_without_a_word() {
    after_loss(async |redis| redis.ask::<()>(&cmd("FLUSHALL"))).await;
}

#[actix_web::test]
async fn one_topic() {
    after_loss(async |redis| redis.ask::<()>(cmd("DEL").arg(STREAM))).await;
}

/// A replica that lagged was made primary: the newest events are gone, and others come in their place.
#[actix_web::test]
async fn the_newest_events() {
    let redis = Redis::with(&["--save", "", "--enable-debug-command", "yes"]);
    let hub = node(&redis).await;
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=2).await;
    let mut reader = Reader::back(serving.addr(), "/", &ids[0]).await;
    assert_eq!(reader.next().await, event(&ids[1], 2));
    let lagging: Vec<u8> = redis.ask(cmd("DUMP").arg(STREAM));
    let lost = count(&hub, "n", 3..=4).await;
    assert_eq!(reader.take(2).await, [event(&lost[0], 3), event(&lost[1], 4)]);

    redis.ask::<()>(cmd("RESTORE").arg(STREAM).arg(0).arg(lagging).arg("REPLACE"));
    redis.ask::<()>(cmd("DEBUG").arg("CHANGE-REPL-ID"));
    // By a node that has not seen what is gone.
    let other = node(&redis).await;
    let new = count(&other, "n", 5..=5).await;
    told(&mut reader).await;
    // Who comes back with what is gone is told as well, wherever it comes to.
    let elsewhere = serve_topic(&other, "n");
    let mut back = Reader::back(elsewhere.addr(), "/", &lost[1]).await;
    told(&mut back).await;
    let later = count(&other, "n", 6..=6).await;
    for reader in [&mut reader, &mut back] {
        let mut next = within("what comes then", reader.next()).await;
        if next == event(&new[0], 5) {
            next = reader.next().await;
        }
        assert!(next.ends_with("data: 6\n\n"), "{next} is not {}", later[0]);
    }
}

#[actix_web::test]
async fn what_a_reader_has_not_read_yet() {
    let redis = Redis::start();
    let options = || TopicOptions::log().max_events(5);
    let hub = node_with(&redis, |hub| hub.topic("n", options())).await;
    let first = count(&hub, "n", 1..=1).await;
    let ids = count(&hub, "n", 2..=300).await;
    // A node that was not there then.
    let other = node_with(&redis, |hub| hub.topic("n", options())).await;
    let serving = serve_topic(&other, "n");
    let mut back = Reader::back(serving.addr(), "/", &first[0]).await;
    assert_eq!(back.next().await, gap(&ids[ids.len() - 6], None));
    let kept = back.take(5).await;
    assert_eq!(kept[4], event(&ids[ids.len() - 1], 300));
    let length: usize = redis.ask(cmd("XLEN").arg(STREAM));
    assert!(length < 300, "Redis keeps them too: {length}");
}

/// Ids that were never given, and of topics that are not read.
#[actix_web::test]
async fn ids_that_cannot_be_meant_are_decisions() {
    let redis = Redis::start();
    let hub = node(&redis).await;
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=2).await;
    let other = count(&hub, "secret", 1..=1).await;
    let epoch = Position::parse(ids[0].as_str()).unwrap().epoch;
    let never = |sequence| Position { epoch, sequence }.to_string();
    for id in [
        never(1),
        never(u64::MAX),
        "0000000000000000-7".to_owned(),
        "sse:topic:secret".to_owned(),
        other[0].to_string(),
    ] {
        let mut reader = Reader::back(serving.addr(), "/", &id).await;
        told(&mut reader).await;
        assert_eq!(
            reader.take(2).await,
            [event(&ids[0], 1), event(&ids[1], 2)],
            "{id}"
        );
    }
    assert!(last_event_id(b"7").ends_with(b"\r\n"));
}

/// Another program writes where it should not: what it writes is left out, and nothing of ours is missing.
#[actix_web::test]
async fn what_others_write_is_not_sent() {
    let redis = Redis::start();
    let hub: Hub = node(&redis).await;
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=1).await;
    let mut reader = Reader::new(serving.addr(), "/").await;
    followed(&hub).await;
    redis.ask::<()>(cmd("XADD").arg(STREAM).arg("*").arg("b").arg("data: evil\n\n"));
    let next = count(&hub, "n", 2..=2).await;
    assert_eq!(reader.next().await, event(&next[0], 2));
    let mut back = Reader::back(serving.addr(), "/", &ids[0]).await;
    assert_eq!(back.next().await, event(&next[0], 2));
    let other = node(&redis).await;
    let elsewhere = serve_topic(&other, "n");
    let mut back = Reader::back(elsewhere.addr(), "/", &ids[0]).await;
    assert_eq!(back.next().await, event(&next[0], 2));
    until("the fault to be told", async || {
        let faults = other.stats().faults;
        faults.iter().any(|fault| {
            fault.topic.as_str() == "n" && fault.cause == "an entry was not written by sse-actix"
        })
    })
    .await;

    redis.ask::<()>(cmd("SET").arg("sse:topic:{263}:m").arg("a string"));
    let error = hub.raw("m").publish(Event::data("2")).await.unwrap_err();
    assert_eq!(error.to_string(), "the log did not store the event");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("delete the key, or give this application its own prefix"),
        "{cause}"
    );
}
