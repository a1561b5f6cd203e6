//! A topic is deleted while a node is cut off, and in a cluster.

use sse_actix::IdempotencyKey;
use sse_tests::{hub::event, patience::until, redis::Redis};

use crate::harness::{
    HEARS_AGAIN,
    cluster::Cluster,
    keys::{keys_of, stream_of},
    node::Node,
    promised,
    proxy::Proxy,
    reads_gap,
};

#[actix_web::test]
async fn a_node_that_was_cut_off_finds_out_when_it_is_back() {
    let redis = Redis::start();
    let line = Proxy::to(&redis);
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&line.url()).await);
    let mut reader = there.reader("room").await;
    let old = here.publish("room", 1).await;
    assert_eq!(reader.next().await, event(&old, 1));
    let mut other = there.reader("other").await;
    line.refuse();
    line.cut();
    until("the node to notice", async || !there.hub.is_ready()).await;
    here.hub.delete_topic("room").await.unwrap();
    let id = here.publish("other", 1).await;
    line.lead_to(&redis);
    promised(HEARS_AGAIN, "the deletion is told", reads_gap(&mut reader)).await;
    assert_eq!(other.next().await, event(&id, 1));
    let id = here.publish("room", 2).await;
    assert_eq!(reader.next().await, event(&id, 2));
    assert_ne!(old.as_str().split('-').next(), id.as_str().split('-').next());
    // Who comes back with an id of the old epoch is told.
    for node in [&here, &there] {
        let mut back = node.back("room", &old).await;
        reads_gap(&mut back).await;
        assert_eq!(back.next().await, event(&id, 2));
    }
}

#[actix_web::test]
async fn nothing_of_a_deleted_topic_is_left_but_that_it_was() {
    let redis = Redis::start();
    let node = Node::at(&redis.url()).await;
    let topic = node.hub.raw("room");
    for n in 0..20 {
        let event = sse_actix::Event::data(format!("a secret {n}"));
        let key = IdempotencyKey::try_from(format!("key {n}")).unwrap();
        topic.once(&key).publish(event).await.unwrap();
    }
    assert!(keys_of(&redis, "room").len() > 1);
    node.hub.delete_topic("room").await.unwrap();
    let stream = stream_of(&redis, "room");
    assert_eq!(keys_of(&redis, "room"), std::slice::from_ref(&stream));
    let entries: Vec<(String, Vec<String>)> = redis.ask(redis::cmd("XRANGE").arg(&stream).arg("-").arg("+"));
    assert_eq!(entries.len(), 1);
    assert!(!format!("{entries:?}").contains("secret"));
    // Deleted again, it stays as it is.
    node.hub.delete_topic("room").await.unwrap();
    let again: Vec<(String, Vec<String>)> = redis.ask(redis::cmd("XRANGE").arg(&stream).arg("-").arg("+"));
    assert_eq!(again, entries);
}

#[actix_web::test]
async fn in_a_cluster_wherever_the_topic_is() {
    let cluster = Cluster::start().await;
    let (here, there) = (Node::at(&cluster.url(0)).await, Node::at(&cluster.url(1)).await);
    for n in 0..6 {
        let topic = format!("room:{n}");
        let mut reader = there.reader(&topic).await;
        let old = here.publish(&topic, 1).await;
        assert_eq!(reader.next().await, event(&old, 1));
        here.hub
            .delete_topic(sse_actix::TopicName::try_from(topic.as_str()).unwrap())
            .await
            .unwrap();
        reads_gap(&mut reader).await;
        let id = here.publish(&topic, 2).await;
        assert_eq!(reader.next().await, event(&id, 2));
    }
}
