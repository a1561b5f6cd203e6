//! Another Redis becomes the primary. Readers of a node that was with the old one hear what is acknowledged by the new one.

use redis::cmd;
use sse_tests::{
    hub::{Reader, event},
    patience::until,
    redis::free_port,
};

use crate::harness::{HEARS_AGAIN, node::Node, pair::Pair, promised, proxy::Proxy, reads_through};

/// Two Redis, a name that leads to the first, and a node that asks by the name, with two readers.
struct Scene {
    pair: Pair,
    name: Proxy,
    here: Node,
    ann: Reader,
    bob: Reader,
}

impl Scene {
    async fn new() -> Self {
        let pair = Pair::start().await;
        let name = Proxy::to(&pair.primary);
        let here = Node::at(&name.url()).await;
        let mut ann = here.reader("quotes?tag=ann").await;
        let mut bob = here.reader("quotes?tag=bob").await;
        let id = here.publish("quotes", 1).await;
        for reader in [&mut ann, &mut bob] {
            assert_eq!(reader.next().await, event(&id, 1));
        }
        pair.in_step().await;
        Self {
            pair,
            name,
            here,
            ann,
            bob,
        }
    }

    /// Whatever is acknowledged by the new primary arrives, and what is revoked there ends.
    async fn moves_on(mut self) {
        let there = Node::at(&self.pair.replica.url()).await;
        let id = there.publish("quotes", 2).await;
        let arrives = async {
            reads_through(&mut self.ann, &id, 2).await;
            reads_through(&mut self.bob, &id, 2).await;
        };
        let what = "an event acknowledged by the new primary";
        promised(HEARS_AGAIN, what, arrives).await;
        until("the node to be ready", async || self.here.hub.is_ready()).await;
        let id = there.publish("quotes", 3).await;
        assert_eq!(self.ann.next().await, event(&id, 3));
        assert_eq!(self.bob.next().await, event(&id, 3));

        there.hub.revoke("ann");
        promised(HEARS_AGAIN, "a revocation", self.ann.rest()).await;
        // And what is published here is taken by the new one.
        let taken = self.here.insist("quotes", 4);
        let id = promised(HEARS_AGAIN, "an event is taken", taken).await;
        assert_eq!(self.bob.next().await, event(&id, 4));
        let mut reader = there.back("quotes", &id).await;
        let id = self.here.publish("quotes", 5).await;
        assert_eq!(reader.next().await, event(&id, 5));
    }
}

#[actix_web::test]
async fn behind_a_name_while_the_old_one_follows_the_new_one() {
    let scene = Scene::new().await;
    scene.pair.promote();
    scene.name.lead_to(&scene.pair.replica);
    scene.pair.demote();
    scene.moves_on().await;
}

/// It still answers, and accepts connections, and hears nothing any more.
#[actix_web::test]
async fn behind_a_name_while_the_old_one_is_a_replica_of_nobody() {
    let scene = Scene::new().await;
    scene.pair.promote();
    scene.name.lead_to(&scene.pair.replica);
    let nobody = free_port();
    let demote = cmd("REPLICAOF").arg("127.0.0.1").arg(nobody).clone();
    scene.pair.primary.ask::<()>(&demote);
    scene.moves_on().await;
}

/// Both take events: those of the old one are lost in the end, which only its own settings can prevent. The node finds
/// out by the name.
#[actix_web::test]
async fn behind_a_name_while_the_old_one_stays_writable() {
    let scene = Scene::new().await;
    scene.pair.promote();
    scene.name.lead_to(&scene.pair.replica);
    scene.moves_on().await;
}

/// Those that wait for what is published stay at the old one.
#[actix_web::test]
async fn behind_a_name_while_connections_that_ask_are_cut() {
    let scene = Scene::new().await;
    scene.pair.promote();
    scene.name.lead_to(&scene.pair.replica);
    let old = &scene.pair.primary;
    let clients: String = old.ask(cmd("CLIENT").arg("LIST").arg("TYPE").arg("normal"));
    // Blocked and subscribed ones wait.
    let waits = |client: &&str| client.contains("flags=b") || client.contains("flags=P");
    for client in clients.lines().filter(|client| !waits(client)) {
        let id = client.strip_prefix("id=").unwrap().split(' ').next();
        // The one that asked is gone.
        let _: i64 = old.ask(cmd("CLIENT").arg("KILL").arg("ID").arg(id));
    }
    scene.moves_on().await;
}

#[actix_web::test]
async fn behind_a_proxy_that_moves() {
    let scene = Scene::new().await;
    scene.pair.promote();
    scene.name.lead_to(&scene.pair.replica);
    scene.name.cut();
    scene.moves_on().await;
}

/// A machine that is gone says nothing: no connection ends.
#[actix_web::test]
async fn behind_a_name_while_the_old_one_is_silent() {
    let scene = Scene::new().await;
    scene.pair.promote();
    scene.pair.primary.freeze();
    scene.name.lead_to(&scene.pair.replica);
    scene.moves_on().await;
}

/// While acknowledged events do not arrive, a node does not say that it is ready.
#[actix_web::test]
async fn a_node_that_hears_nothing_is_not_ready() {
    let scene = Scene::new().await;
    scene.pair.primary.freeze();
    let unready = until("the node to notice", async || !scene.here.hub.is_ready());
    promised(HEARS_AGAIN / 3, "a node that hears nothing is not ready", unready).await;
    scene.pair.primary.thaw();
    until("the node to hear again", async || scene.here.hub.is_ready()).await;
}
