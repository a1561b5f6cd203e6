//! What cannot be given, and ids that cannot be meant.

use sse_actix::{Hub, OnGap, TopicOptions};
use sse_tests::patience::until;

use super::{Reader, count, data, event, gap, id_of, last_event_id, serve_topic, sibling};

/// A hub whose topic `n` keeps so many events.
fn keeping(events: usize, options: fn(TopicOptions) -> TopicOptions) -> Hub {
    let n = options(TopicOptions::log().max_events(events));
    Hub::builder().topic("n", n).build().unwrap()
}

#[tokio::test]
async fn who_comes_back_too_late_is_told_how_much_is_gone() {
    let hub = keeping(3, |options| options);
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=10).await;
    let kept: Vec<_> = ids.iter().zip(1..).map(|(id, n)| event(id, n)).skip(7).collect();

    for (seen, missed) in [(0, 7), (1, 6), (5, 2), (6, 1)] {
        let mut reader = Reader::back(serving.addr(), "/", sibling(&ids[0], seen)).await;
        assert_eq!(reader.next().await, gap(&ids[6], Some(missed)), "{seen} seen");
        assert_eq!(reader.take(3).await, kept);
    }
    // Told once: the gap's own id is a place to go on from, and so is the last before what is kept.
    let mut told = Reader::back(serving.addr(), "/", &ids[6]).await;
    assert_eq!(told.take(3).await, kept);
    assert_eq!(hub.stats().topic("n").unwrap().gaps, 4);
}

#[tokio::test]
async fn the_gaps_name_is_as_it_was_set() {
    let hub = keeping(1, |options| options.gap_event("lost").event("tick"));
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=3).await;
    let mut reader = Reader::back(serving.addr(), "/", &ids[0]).await;
    assert_eq!(
        reader.take(2).await.concat(),
        format!(
            "event: lost\nid: {}\ndata: {{\"missed\":1}}\n\nid: {}\nevent: tick\ndata: 3\n\n",
            ids[1], ids[2]
        )
    );
}

/// What a client reads that has left so much unread that the kernel took no more.
async fn overtaken(hub: &Hub, reader: &mut Reader) -> Vec<String> {
    const LARGE: usize = 60_000;
    let topic = hub.raw("n");
    for n in 0..400 {
        topic
            .publish(sse_actix::Event::data(format!("{n:LARGE$}")))
            .await
            .unwrap();
        // So that it takes what it can, and stands.
        tokio::task::yield_now().await;
    }
    until("the reader to stand", async || {
        let delivered = || hub.stats().topic("n").unwrap().delivered;
        let before = delivered();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        before == delivered()
    })
    .await;
    let mut events = vec![reader.next().await];
    while !events.last().unwrap().starts_with("event: sse-gap")
        && !events.last().unwrap().starts_with("retry")
    {
        events.push(reader.next().await);
    }
    events
}

#[tokio::test]
async fn a_reader_that_was_overtaken_is_told_and_goes_on() {
    let hub = keeping(20, |options| options.max_bytes(64 << 20));
    let serving = serve_topic(&hub, "n");
    let mut reader = Reader::new(serving.addr(), "/").await;
    let mut events = overtaken(&hub, &mut reader).await;
    let told = events.pop().unwrap();
    let missed = 380 - events.len() as u64;
    assert!(missed > 0);
    assert_eq!(told, gap(id_of(&told), Some(missed)));
    assert!(id_of(&told).ends_with("-380"), "{}", id_of(&told));
    for (n, event) in events.iter().enumerate() {
        assert!(event.trim_end().ends_with(&format!(" {n}")));
    }
    let kept = reader.take(20).await;
    let numbers: Vec<_> = data(&kept).iter().map(|text| text.trim().to_owned()).collect();
    let expected: Vec<_> = (380..400).map(|n| n.to_string()).collect();
    assert_eq!(numbers, expected);
    assert_eq!(hub.stats().topic("n").unwrap().gaps, 1);
}

#[tokio::test]
async fn a_reader_that_was_overtaken_is_sent_back_where_that_was_asked_for() {
    let hub = keeping(20, |options| options.max_bytes(64 << 20).on_gap(OnGap::End));
    let serving = serve_topic(&hub, "n");
    let mut reader = Reader::new(serving.addr(), "/").await;
    let mut events = overtaken(&hub, &mut reader).await;
    assert_eq!(reader.rest().await, "");
    let retry = events.pop().unwrap();
    assert!(retry.starts_with("retry: "), "{retry}");
    let last = id_of(events.last().unwrap()).to_owned();
    let stats = hub.stats();
    let stats = stats.topic("n").unwrap();
    assert_eq!(
        (stats.evictions.overtaken, stats.subscribers, stats.gaps),
        (1, 0, 0)
    );

    // Who comes back is told, and not sent back for ever.
    let mut back = Reader::back(serving.addr(), "/", &last).await;
    let missed = 380 - events.len() as u64;
    let told = back.next().await;
    assert_eq!(told, gap(id_of(&told), Some(missed)));
    assert!(data(&back.take(20).await)[19].ends_with(" 399"));
}

/// Whatever it is: 200, a gap of unknown size, and what is kept of this topic.
#[tokio::test]
async fn an_id_that_makes_no_sense_is_a_decision_and_never_an_error() {
    let hub = Hub::new().unwrap();
    let serving = serve_topic(&hub, "n");
    let ids = count(&hub, "n", 1..=3).await;
    let others = count(&hub, "secret", 100..=110).await;
    let restarted = count(&Hub::new().unwrap(), "n", 1..=2).await;
    let id = ids[0].as_str();

    let senseless: Vec<Vec<u8>> = vec![
        others[0].as_str().into(),
        restarted[1].as_str().into(),
        sibling(&ids[0], 4).into(),
        sibling(&ids[0], u64::MAX).into(),
        format!("{id}0000000000000000000").into(),
        format!("x{id}").into(),
        id.to_uppercase().into(),
        "17".into(),
        "-".into(),
        ",".into(),
        ",".repeat(900).into(),
        "null".into(),
        "../../etc/passwd".into(),
        "x".repeat(1_024).into(),
        format!("{id},").repeat(200).into(),
        "\u{1f600}".into(),
        b"\xFF\xFE".to_vec(),
        [id.as_bytes(), b"\xFF"].concat(),
    ];
    for id in senseless {
        let mut reader = Reader::with(serving.addr(), "/", &last_event_id(&id)).await;
        let told = [gap(sibling(&ids[0], 0), None)];
        let all = ids.iter().zip(1..).map(|(id, n)| event(id, n));
        let expected: Vec<_> = told.into_iter().chain(all).collect();
        assert_eq!(reader.take(4).await, expected, "{}", id.escape_ascii());
    }
    // Beside what makes none, what makes sense is found.
    for id in [
        format!("17,{}", ids[1]),
        format!("{},{}", others[3], ids[1]),
        format!("{},nonsense", ids[1]),
        format!("{},,", ids[1]),
    ] {
        let mut reader = Reader::back(serving.addr(), "/", &id).await;
        assert_eq!(reader.next().await, event(&ids[2], 3), "{id}");
    }
    // None is none.
    let mut new = Reader::back(serving.addr(), "/", "").await;
    let ids = count(&hub, "n", 4..=4).await;
    assert_eq!(new.next().await, event(&ids[0], 4));
}

/// A topic of which nothing was ever published has a place to come back to, too.
#[tokio::test]
async fn an_id_that_makes_no_sense_where_there_is_nothing() {
    let hub = Hub::new().unwrap();
    let serving = serve_topic(&hub, "n");
    let mut reader = Reader::back(serving.addr(), "/", "17").await;
    let told = reader.next().await;
    assert_eq!(told, gap(id_of(&told), None));
    let ids = count(&hub, "n", 1..=2).await;
    assert_eq!(id_of(&told), sibling(&ids[0], 0));
    assert_eq!(reader.next().await, event(&ids[0], 1));
    let mut back = Reader::back(serving.addr(), "/", id_of(&told)).await;
    assert_eq!(back.next().await, event(&ids[0], 1));
}
