//! Redis is found by its Sentinels, and found again after they have failed over.

use sse_tests::{hub::event, patience::until};

use crate::harness::{HEARS_AGAIN, node::Node, promised, reads_through, sentinel::Watched};

#[actix_web::test]
async fn a_primary_that_dies_is_followed_by_the_one_that_is_made() {
    let mut watched = Watched::start().await;
    let (here, there) = (Node::at(&watched.url()).await, Node::at(&watched.url()).await);
    let mut reader = here.reader("quotes").await;
    let first = there.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&first, 1));
    watched.pair.in_step().await;
    watched.pair.primary.kill();
    watched.failed_over().await;
    moves_on(reader, &here, &there).await;
    // Nothing was lost, and a node that begins now finds the way as well.
    let fresh = Node::at(&watched.url()).await;
    let mut back = fresh.back("quotes", &first).await;
    while !back.next().await.ends_with("data: 3\n\n") {}
}

/// Operators exchange them for an update: nothing dies, and the old primary becomes a replica.
#[actix_web::test]
async fn primaries_that_are_exchanged_while_they_live() {
    let watched = Watched::start().await;
    let (here, there) = (Node::at(&watched.url()).await, Node::at(&watched.url()).await);
    let mut reader = here.reader("quotes").await;
    let first = there.publish("quotes", 1).await;
    assert_eq!(reader.next().await, event(&first, 1));
    watched.pair.in_step().await;
    watched.fail_over().await;
    watched.failed_over().await;
    moves_on(reader, &here, &there).await;
}

async fn moves_on(mut reader: sse_tests::hub::Reader, here: &Node, there: &Node) {
    let back = until("both nodes to be ready", async || {
        here.hub.is_ready() && there.hub.is_ready()
    });
    promised(HEARS_AGAIN, "both nodes are ready", back).await;
    for n in 2..=3 {
        let id = there.insist("quotes", n).await;
        let arrives = reads_through(&mut reader, &id, n);
        promised(HEARS_AGAIN, "an event of the new primary", arrives).await;
    }
}
