//! A node that was away catches up over a slow line. What happens now does not wait for it.

use std::{
    cell::{Cell, RefCell},
    env,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sse_actix::{HubBuilder, TopicOptions};
use sse_tests::{
    hub::{Reader, event},
    patience::until,
    redis::Redis,
};
use tokio::time::{interval, timeout};

use crate::harness::{is_gap, node::Node, proxy::Proxy};

/// What the line carries, in bytes a second.
const RATE: u64 = 2_000_000;

const EVENTS: usize = 1_000;
const SIZE: usize = 1_000;

/// A twentieth of the whole, unless more is asked for: `BACKLOG_TOPICS=1000` takes ten minutes.
fn topics() -> usize {
    env::var("BACKLOG_TOPICS").map_or(50, |topics| topics.parse().unwrap())
}

fn hub(hub: HubBuilder) -> HubBuilder {
    hub.topics(
        TopicOptions::log()
            .max_events(2 * EVENTS)
            .max_bytes(4 * EVENTS * SIZE),
    )
}

fn name(n: usize) -> String {
    format!("late{n}")
}

/// What is published now, on topics that have missed nothing, every 20 ms; how long each took to arrive, until the
/// backlog has arrived.
async fn live(here: &Node, there: &Node, readers: &mut [Reader], is_over: &Cell<bool>) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut ticks = interval(Duration::from_millis(20));
    while !is_over.get() {
        ticks.tick().await;
        let at = took.len() % readers.len();
        let began = Instant::now();
        let id = there.publish(&format!("live{at}"), took.len()).await;
        let next = timeout(Duration::from_secs(20), readers[at].next()).await;
        let next = next.unwrap_or_else(|_| {
            let stats = here.hub.stats();
            let topic = stats.topic(&format!("live{at}"));
            panic!(
                "live event {} does not arrive: {:?}, {topic:?}",
                took.len(),
                stats.log
            )
        });
        if took.len() >= readers.len() {
            assert_eq!(next, event(&id, took.len()));
        }
        took.push(began.elapsed());
    }
    took
}

#[actix_web::test]
async fn what_is_published_now_does_not_wait_for_a_backlog() {
    let redis = Redis::start();
    let line = Proxy::to(&redis);
    let here = Node::with(&line.url(), |log| log, hub).await;
    let there = Node::with(&redis.url(), |log| log.max_pending(100_000), hub).await;
    let mut late = Vec::new();
    for n in 0..topics() {
        // It may wait for minutes, which is longer than other readers have patience.
        let mut stream = here.stream(&name(n)).await;
        there.publish(&name(n), "first").await;
        assert_eq!(stream.next().await.unwrap().data, "first");
        late.push(stream);
    }
    let mut healthy = Vec::new();
    for n in 0..10 {
        healthy.push(here.reader(&format!("live{n}")).await);
    }

    line.refuse();
    line.cut();
    until("the node to miss Redis", async || !here.hub.is_ready()).await;
    let backlog = "x".repeat(SIZE);
    for n in 0..topics() {
        let events = (0..EVENTS).map(|_| backlog.clone());
        there.flood(&name(n), events).await;
    }
    let before = line.received();
    line.rate(RATE);
    line.lead_to(&redis);
    let began = Instant::now();

    let is_over = Rc::new(Cell::new(false));
    let arrived = Rc::new(RefCell::new(0));
    let backlog = late.into_iter().map(async |mut stream| {
        for _ in 0..EVENTS {
            let next = stream.next().await.unwrap();
            assert_eq!(next.event, "message", "a gap, and nothing is lost");
            *arrived.borrow_mut() += 1;
        }
    });
    let whole = (topics() * EVENTS * SIZE) as f64 / RATE as f64;
    let catching_up = async {
        let most = Duration::from_secs_f64(whole * 2.0 + 15.0);
        let caught_up = timeout(most, join_all(backlog)).await.is_ok();
        is_over.set(true);
        caught_up
    };
    let ready = until("the node to be back", async || here.hub.is_ready());
    let (caught_up, (), took) = tokio::join!(catching_up, ready, live(&here, &there, &mut healthy, &is_over));
    let elapsed = began.elapsed().as_secs_f64();
    let mut took = took;
    // The first of each topic may have waited for the node to be back.
    took.drain(..10.min(took.len()));
    took.sort_unstable();
    let quantile = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    let carried = (line.received() - before) as f64 / elapsed / RATE as f64;
    let useful = (*arrived.borrow() * SIZE) as f64 / elapsed / RATE as f64;
    println!(
        "measured: {} of {} late events in {elapsed:.1} s, {:.0} % of the line, {:.0} % with what was published; \
         {} live events, p50 {:.1}, p99 {:.1} ms",
        arrived.borrow(),
        topics() * EVENTS,
        carried * 100.0,
        useful * 100.0,
        took.len(),
        quantile(50),
        quantile(99),
    );
    assert!(caught_up, "the backlog does not arrive");
    // The whole is for a machine that does nothing else.
    let (least, most) = if topics() < 1_000 {
        (0.4, 1_000.0)
    } else {
        (0.8, 100.0)
    };
    assert!(carried > least, "the backlog does not use the line");
    assert!(quantile(99) < most, "live events wait for the backlog");
}

/// More is published than the line carries, so that Redis disconnects a subscriber that does not read.
#[actix_web::test]
async fn where_more_is_published_than_the_line_carries_readers_get_events_or_gaps() {
    let redis = Redis::with(&["--save", "", "--client-output-buffer-limit", "pubsub 1mb 256kb 1"]);
    let line = Proxy::to(&redis);
    let small = |hub: HubBuilder| hub.topics(TopicOptions::log().max_events(50));
    let here = Node::with(&line.url(), |log| log, small).await;
    let there = Node::with(&redis.url(), |log| log, small).await;
    let mut reader = here.reader("quotes").await;
    let id = there.publish("quotes", "first").await;
    assert_eq!(reader.next().await, event(&id, "first"));
    line.rate(500_000);
    let (mut published, began) = (0, Instant::now());
    let large = "x".repeat(20_000);
    while began.elapsed() < Duration::from_secs(4) {
        there
            .flood("quotes", (0..20).map(|n| format!("{}/{large}", published + n)))
            .await;
        published += 20;
    }
    let last = there.publish("quotes", "last").await;
    let (mut events, mut gaps, mut expected, mut may_skip) = (0, 0, 0, false);
    loop {
        let next = timeout(Duration::from_secs(30), reader.next()).await;
        let next = next.expect("an event or a gap, and not nothing");
        if is_gap(&next) {
            gaps += 1;
            may_skip = true;
            continue;
        }
        if next == event(&last, "last") {
            break;
        }
        let data = next.split_once("data: ").unwrap().1;
        let number: usize = data.split('/').next().unwrap().parse().unwrap();
        assert!(
            number == expected || may_skip && number > expected,
            "{number} comes for {expected} without a word"
        );
        (expected, may_skip) = (number + 1, false);
        events += 1;
    }
    println!("measured: {published} published, {events} arrived, {gaps} gaps");
}
