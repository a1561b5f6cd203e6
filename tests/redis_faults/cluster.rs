//! Topics are spread over a Cluster, whose primaries die and whose slots move.

use std::{cell::Cell, rc::Rc};

use sse_tests::{
    hub::event,
    patience::{until, within},
};

use crate::harness::{HEARS_AGAIN, cluster::Cluster, node::Node, promised, reads_through};

const TOPICS: usize = 60;

fn name(n: usize) -> String {
    format!("quotes{n}")
}

/// The primaries that hold the topics' streams.
fn owners(cluster: &Cluster) -> Vec<usize> {
    let mut owners = Vec::new();
    for at in cluster.primaries() {
        let keys: usize = cluster.nodes[at].ask(&redis::cmd("DBSIZE"));
        owners.extend((keys > 0).then_some(at));
    }
    owners
}

#[actix_web::test]
#[ignore = "Redis Cluster is not supported yet"]
async fn topics_and_revocations_reach_every_node_and_survive_a_primary() {
    let mut cluster = Cluster::start().await;
    let (here, there) = (Node::at(&cluster.url()).await, Node::at(&cluster.url()).await);
    let mut readers = Vec::new();
    for n in 0..TOPICS {
        let mut reader = here.reader(&format!("{}?tag=user{n}", name(n))).await;
        let id = there.publish(&name(n), 1).await;
        assert_eq!(reader.next().await, event(&id, 1));
        readers.push(reader);
    }
    assert_eq!(owners(&cluster).len(), 3, "topics are spread");

    let victim = cluster.primaries()[1];
    cluster.nodes[victim].kill();
    until("another to take its place", async || {
        cluster.primaries().len() == 3
    })
    .await;
    let back = until("both nodes to be ready", async || {
        here.hub.is_ready() && there.hub.is_ready()
    });
    promised(HEARS_AGAIN, "both nodes are ready", back).await;
    for (n, reader) in readers.iter_mut().enumerate() {
        let id = there.insist(&name(n), 2).await;
        promised(HEARS_AGAIN, "its arrival", reads_through(reader, &id, 2)).await;
    }
    // Each ends, whichever primary its topic is on.
    for n in 0..TOPICS {
        there.hub.revoke(&format!("user{n}"));
    }
    for reader in &mut readers {
        let rest = within("the end", reader.rest()).await;
        assert!(rest.contains("\"reason\":\"ended\""), "{rest}");
    }
}

/// Slots move while events are published and read: none is lost, and none repeated.
#[actix_web::test]
#[ignore = "Redis Cluster is not supported yet"]
async fn slots_that_move_under_load_lose_nothing() {
    let cluster = Cluster::start().await;
    let (here, there) = (Node::at(&cluster.url()).await, Node::at(&cluster.url()).await);
    let mut readers = Vec::new();
    for n in 0..TOPICS {
        let mut reader = here.reader(&name(n)).await;
        let id = there.publish(&name(n), "first").await;
        assert_eq!(reader.next().await, event(&id, "first"));
        readers.push(reader);
    }
    let is_over = Rc::new(Cell::new(false));
    let over = Rc::clone(&is_over);
    let publishing = actix_web::rt::spawn(async move {
        let mut acknowledged = vec![Vec::new(); TOPICS];
        let mut rounds = 0;
        while !over.get() || rounds < 5 {
            for (n, acknowledged) in acknowledged.iter_mut().enumerate() {
                // What is refused while a slot moves may be published again.
                if let Ok(id) = there.try_publish(&name(n), rounds).await {
                    acknowledged.push((id, rounds));
                }
            }
            rounds += 1;
        }
        acknowledged
    });
    let [from, to, ..] = cluster.primaries()[..] else {
        panic!("three primaries")
    };
    let cluster = std::thread::spawn(move || {
        cluster.reshard(from, to, 300);
        cluster
    });
    until("the slots to have moved", async || cluster.is_finished()).await;
    let _cluster = cluster.join().unwrap();
    is_over.set(true);
    let acknowledged = publishing.await.unwrap();
    let events: usize = acknowledged.iter().map(Vec::len).sum();
    println!("measured: {events} acknowledged events while slots moved");
    for (reader, acknowledged) in readers.iter_mut().zip(&acknowledged) {
        for (id, round) in acknowledged {
            reads_through(reader, id, round).await;
        }
    }
}
