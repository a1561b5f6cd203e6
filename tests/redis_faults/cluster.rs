//! A Redis Cluster: topics at several primaries, slots that move, primaries that die.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use actix_web::rt::{spawn, task::JoinHandle};
use futures_util::future::join_all;
use redis::cmd;
use sse_actix::{AppendError, EventId, Position, PublishError};
use sse_actix_redis::{ConnectError, RedisLog};
use sse_tests::{
    hub::{Reader, event, id_of},
    patience::{until, within},
    redis::Redis,
};
use tokio::time::sleep;

use crate::harness::{HEARS_AGAIN, cluster::Cluster, is_gap, node::Node, promised};

/// As documented for a user of a cluster.
pub(crate) const RIGHTS: &str = "~sse:* resetchannels &sse:* -@all +@connection +subscribe +unsubscribe +publish +info +time +set +xadd \
    +xread +xrange +xrevrange +xtrim +xdel +exists +eval +evalsha +script|load +pexpire +del +hset +hgetall +hdel +hmget +zadd \
    +zrange +zcard +zrem +rpush +lrange +ltrim +ssubscribe +sunsubscribe +spublish +cluster|nodes";

/// What a publisher has published, and what became of it.
#[derive(Default)]
struct Published {
    taken: Vec<(EventId, String)>,
    unknown: usize,
    refused: usize,
}

/// Publishes numbers through a node, one after the other, until it is told to stop.
fn publish(node: &Rc<Node>, topic: String, who: usize, is_over: &Rc<Cell<bool>>) -> JoinHandle<Published> {
    let (node, is_over) = (Rc::clone(node), Rc::clone(is_over));
    spawn(async move {
        let mut published = Published::default();
        for n in 0.. {
            if is_over.get() {
                break;
            }
            let data = format!("{who}/{n}");
            match node.try_publish(&topic, &data).await {
                Ok(id) => published.taken.push((id, data)),
                Err(PublishError::Append(AppendError::Refused(_))) => published.refused += 1,
                Err(_) => published.unknown += 1,
            }
            sleep(Duration::from_millis(2)).await;
        }
        published
    })
}

/// Reads until this event. Returns what came, and how many gaps were told.
fn read(mut reader: Reader, last: &'static str) -> JoinHandle<(Vec<(String, String)>, usize)> {
    spawn(async move {
        let (mut events, mut gaps) = (Vec::new(), 0);
        loop {
            let next = reader.next().await;
            if is_gap(&next) {
                gaps += 1;
                continue;
            }
            let data = next.split("data: ").nth(1).unwrap().trim_end().to_owned();
            if data == last {
                return (events, gaps);
            }
            events.push((id_of(&next).to_owned(), data));
        }
    })
}

/// Publishes a last event to a topic, by whichever node takes it.
async fn end(node: &Node, topic: &str) {
    node.insist(topic, "end").await;
}

/// Each event once, in the order of their positions.
fn check_order(events: &[(String, String)]) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (id, data) in events {
        assert!(seen.insert(data), "{data} comes twice");
        let (who, n) = data.split_once('/').unwrap();
        let n: u64 = n.parse().unwrap();
        let before = last.insert(who.to_owned(), n);
        assert!(
            before.is_none_or(|before| before < n),
            "{data} of {id} comes after {before:?}"
        );
        Position::parse(id).unwrap();
    }
}

#[actix_web::test]
async fn any_node_publishes_to_readers_of_every_node_and_one_call_goes_to_each_slot() {
    let cluster = Cluster::start().await;
    cluster.let_in("app", "secret", RIGHTS);
    let login = |url: String| url.replacen("://", "://app:secret@", 1);
    let (here, there) = (
        Node::at(&login(cluster.url(0))).await,
        Node::at(&login(cluster.url(4))).await,
    );
    assert!(here.hub.is_ready() && there.hub.is_ready());
    let topics: Vec<String> = (0..30).map(|n| format!("orders:{n}")).collect();
    let mut readers = Vec::new();
    for topic in &topics {
        readers.push(there.reader(&format!("{topic}?tag=ann")).await);
    }
    let ids = join_all(topics.iter().map(|topic| here.publish(topic, topic))).await;
    let mut count = [0; 3];
    for ((topic, id), reader) in topics.iter().zip(&ids).zip(&mut readers) {
        assert_eq!(reader.next().await, event(id, topic));
        count[cluster.owner(&cluster.stream_of(topic).0)] += 1;
    }
    println!("measured: of 30 topics, {count:?} are at the three primaries");
    assert!(count.iter().all(|topics| *topics >= 4), "{count:?}");
    // What waits for a slot goes out in one call.
    let calls = |cluster: &Cluster| -> u64 { cluster.nodes.iter().map(|node| node.calls("evalsha")).sum() };
    let before = calls(&cluster);
    let many = here.flood("orders:0", (0..50).map(|n| n.to_string())).await;
    let of_publishing = calls(&cluster) - before;
    println!("measured: 50 events of a topic took {of_publishing} calls");
    assert!(of_publishing < 10, "{of_publishing} calls");
    for (n, id) in many.iter().enumerate() {
        assert_eq!(readers[0].next().await, event(id, n));
    }
    // Whoever comes back goes on, at another node.
    let mut back = here.back("orders:0", &ids[0]).await;
    assert_eq!(back.next().await, event(&many[0], 0));

    // A revocation is everywhere before what is published later, at whichever primary.
    here.hub.revoke_everywhere("ann").await.unwrap();
    join_all(topics.iter().map(|topic| here.publish(topic, "later"))).await;
    for mut reader in readers {
        let rest = within("the end", reader.rest()).await;
        assert!(!rest.contains("later"), "{rest}");
    }
    let mut reader = there.reader("orders:1").await;
    let id = here.publish("orders:1", "again").await;
    assert_eq!(reader.next().await, event(&id, "again"));
}

#[actix_web::test]
async fn a_slot_moves_while_events_are_published_and_nothing_is_lost_or_repeated() {
    let cluster = Cluster::start().await;
    let here = Rc::new(Node::at(&cluster.url(0)).await);
    let there = Rc::new(Node::at(&cluster.url(1)).await);
    here.publish("moving", "first").await;
    let (stream, slot) = cluster.stream_of("moving");
    let reader = there.reader("moving").await;
    let other = there.reader("staying").await;
    let is_over = Rc::new(Cell::new(false));
    let publishers: Vec<_> = [(&here, "moving"), (&there, "moving"), (&here, "staying")]
        .into_iter()
        .enumerate()
        .map(|(who, (node, topic))| publish(node, topic.to_owned(), who, &is_over))
        .collect();
    let reading = [read(reader, "end"), read(other, "end")];
    let home = cluster.owner(&stream);
    let ways = [
        (home, (home + 1) % 3),
        ((home + 1) % 3, (home + 2) % 3),
        ((home + 2) % 3, home),
    ];
    for (from, to) in ways {
        cluster.reshard(slot, from, to).await;
        assert_eq!(cluster.owner(&stream), to);
        // What is published now arrives.
        let mut fresh = there.reader("moving").await;
        promised(HEARS_AGAIN, "an event after a slot has moved", fresh.next()).await;
    }
    is_over.set(true);
    let published: Vec<_> = join_all(publishers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    end(&here, "moving").await;
    end(&here, "staying").await;
    let [moving, staying] = reading;
    let read = [moving.await.unwrap(), staying.await.unwrap()];
    let taken: Vec<_> = published.iter().map(|published| published.taken.len()).collect();
    let refused: usize = published.iter().map(|published| published.refused).sum();
    println!(
        "measured: {taken:?} events taken, {refused} refused; read {} and {}",
        read[0].0.len(),
        read[1].0.len()
    );
    for (events, gaps) in &read {
        assert_eq!(*gaps, 0);
        check_order(events);
    }
    let of = |events: &[(String, String)]| events.iter().cloned().collect::<BTreeSet<_>>();
    let expected = |published: &[Published]| {
        let all = published.iter().flat_map(|published| &published.taken);
        all.map(|(id, data)| (id.to_string(), data.clone()))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(of(&read[0].0), expected(&published[..2]));
    assert_eq!(of(&read[1].0), expected(&published[2..]));
    assert!(published.iter().all(|published| published.unknown == 0));
    until("both to be ready", async || {
        here.hub.is_ready() && there.hub.is_ready()
    })
    .await;
}

#[actix_web::test]
async fn a_primary_dies_under_load_and_its_replica_takes_over() {
    takes_over(Redis::kill).await;
}

/// It answers nobody, and closes no connection.
#[actix_web::test]
async fn a_primary_freezes_under_load_and_its_replica_takes_over() {
    takes_over(|primary| primary.freeze()).await;
}

async fn takes_over(fail: impl FnOnce(&mut Redis)) {
    let mut cluster = Cluster::start().await;
    let here = Rc::new(Node::at(&cluster.url(0)).await);
    let there = Rc::new(Node::at(&cluster.url(1)).await);
    let topics: Vec<String> = (0..12).map(|n| format!("orders:{n}")).collect();
    let is_over = Rc::new(Cell::new(false));
    let mut reading = Vec::new();
    for topic in &topics {
        reading.push(read(there.reader(topic).await, "end"));
    }
    let mut ann = there.reader("orders:0?tag=ann").await;
    let publishers: Vec<_> = topics
        .iter()
        .enumerate()
        .map(|(who, topic)| publish(&here, topic.clone(), who, &is_over))
        .collect();
    sleep(Duration::from_millis(300)).await;
    fail(&mut cluster.nodes[0]);
    let unready = until("the nodes to notice", async || {
        !there.hub.is_ready() && !here.hub.is_ready()
    });
    promised(
        HEARS_AGAIN,
        "a node is not ready while a primary is gone",
        unready,
    )
    .await;
    cluster.promoted(3).await;
    let ready = until("the nodes to be ready", async || {
        there.hub.is_ready() && here.hub.is_ready()
    });
    promised(HEARS_AGAIN, "both nodes hear the replica", ready).await;
    // A revocation reaches the new primary as well.
    here.hub.revoke_everywhere("ann").await.unwrap();
    within("the end", ann.rest()).await;
    sleep(Duration::from_millis(300)).await;
    is_over.set(true);
    let published: Vec<_> = join_all(publishers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for topic in &topics {
        end(&here, topic).await;
    }
    let (mut lost, mut told) = (0, 0);
    for ((reading, published), topic) in reading.into_iter().zip(&published).zip(&topics) {
        let (events, gaps) = within("the last event", reading).await.unwrap();
        check_order(&events);
        let read: BTreeSet<_> = events.iter().map(|(id, _)| id.clone()).collect();
        let missing = published
            .taken
            .iter()
            .filter(|(id, _)| !read.contains(id.as_str()))
            .count();
        assert!(
            missing == 0 || gaps > 0,
            "{topic}: {missing} are missing, and nobody was told"
        );
        lost += missing;
        told += gaps;
    }
    let taken: usize = published.iter().map(|published| published.taken.len()).sum();
    let unknown: usize = published.iter().map(|published| published.unknown).sum();
    println!("measured: {taken} events taken, {unknown} unknown; {lost} missing, {told} gaps told");
}

/// The minority of a cluster takes no events. A node that only reaches that says so, and goes on when it reaches the others.
#[actix_web::test]
async fn a_node_that_is_cut_off_from_one_primary_is_not_ready_and_reads_on_later() {
    let cluster = Cluster::start().await;
    let (here, there) = (Node::at(&cluster.url(0)).await, Node::at(&cluster.url(1)).await);
    let topics: Vec<String> = (0..9).map(|n| format!("orders:{n}")).collect();
    let mut readers = Vec::new();
    for topic in &topics {
        readers.push(there.reader(topic).await);
    }
    // All connections of all nodes to this primary are cut again and again.
    for _ in 0..5 {
        let ids = join_all(topics.iter().map(|topic| here.insist(topic, "before"))).await;
        cluster.nodes[1].cut();
        let _: i64 = cluster.nodes[1].ask(cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub"));
        let later = join_all(topics.iter().map(|topic| here.insist(topic, "after"))).await;
        for ((reader, before), after) in readers.iter_mut().zip(&ids).zip(&later) {
            let mut next = within("an event", reader.next()).await;
            assert_eq!(next, event(before, "before"));
            next = within("an event", reader.next()).await;
            // An event whose outcome was unknown may be there twice: the test has published it again.
            while next != event(after, "after") {
                assert!(next.ends_with("data: after\n\n"), "{next:?}");
                next = within("an event", reader.next()).await;
            }
        }
    }
    until("both to be ready", async || {
        here.hub.is_ready() && there.hub.is_ready()
    })
    .await;
}

#[actix_web::test]
async fn the_address_says_whether_there_is_a_cluster() {
    let redis = Redis::start();
    let url = redis.url().replace("redis://", "redis+cluster://");
    let error = RedisLog::connect(url.trim_end_matches('/')).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoCluster(_)), "{error:?}");
}
