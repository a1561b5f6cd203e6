//! What a node does with the primaries of a cluster: how it starts, and what does not end its session with one of them.

use std::{collections::HashSet, fs, time::Duration};

use redis::cmd;
use sse_actix::{AppendError, Hub, PublishError};
use sse_actix_redis::RedisLog;
use sse_tests::{
    hub::{Reader, event},
    logged::Log,
    patience::{until, within},
    redis::{Redis, free_port},
};
use tokio::time::sleep;

use crate::{
    cluster::RIGHTS,
    harness::{HEARS_AGAIN, cluster::Cluster, node::Node, promised},
};

/// The connections that subscribe at this primary, by their ids: each session has one.
fn subscribing(redis: &Redis) -> HashSet<String> {
    let mut call = cmd("CLIENT");
    let clients: String = redis.ask(call.arg("LIST").arg("TYPE").arg("pubsub"));
    let ids = clients.lines().filter_map(|client| client.split(' ').next());
    ids.map(str::to_owned).collect()
}

/// A topic with an event at this primary.
async fn topic_at(cluster: &Cluster, node: &Node, primary: usize) -> String {
    for n in 0..100 {
        let topic = format!("orders:{n}");
        node.publish(&topic, "first").await;
        if cluster.owner(&cluster.stream_of(&topic).0) == primary {
            return topic;
        }
    }
    panic!("no topic is there");
}

async fn gets(node: &Node, reader: &mut Reader, topic: &str, data: &str) {
    let id = node.insist(topic, data).await;
    let next = promised(HEARS_AGAIN, "an event", reader.next()).await;
    assert_eq!(next, event(&id, data));
}

/// It has no streams yet, so nothing of what was revoked before concerns it, at whichever primary.
#[actix_web::test]
async fn a_node_that_starts_reads_none_of_the_revocations_before() {
    let cluster = Cluster::start().await;
    let here = Node::at(&cluster.url(0)).await;
    for n in 0..100 {
        here.hub.revoke_everywhere(&format!("user:{n}")).await.unwrap();
    }
    let pages = || -> u64 { cluster.nodes.iter().map(|node| node.calls("xrange")).sum() };
    let before = pages();
    let there = Node::at(&cluster.url(1)).await;
    let read = pages() - before;
    println!("measured: a start read {read} pages of revocations");
    assert!(read <= 3, "{read} pages");
    // What is revoked from then on it hears.
    let mut reader = there.reader("orders?tag=ann").await;
    here.hub.revoke_everywhere("ann").await.unwrap();
    within("the end", reader.rest()).await;
}

/// New connections are refused, and those that there are go on.
#[actix_web::test]
async fn a_session_whose_renewal_fails_goes_on() {
    let cluster = Cluster::start().await;
    cluster.let_in("app", "secret", RIGHTS);
    let login = |url: String| url.replacen("://", "://app:secret@", 1);
    let (here, there) = (
        Node::at(&login(cluster.url(0))).await,
        Node::at(&login(cluster.url(1))).await,
    );
    let staying = topic_at(&cluster, &here, 1).await;
    let moving = topic_at(&cluster, &here, 0).await;
    let mut of_staying = there.reader(&staying).await;
    let mut of_moving = there.reader(&moving).await;
    let password = |word: &str| {
        let mut call = cmd("ACL");
        call.arg("SETUSER").arg("app").arg("resetpass").arg(word);
        cluster.nodes[1].ask::<()>(&call);
    };
    password(">other");
    let before = subscribing(&cluster.nodes[1]);
    assert!(before.len() >= 2, "{before:?}");
    let (_, slot) = cluster.stream_of(&moving);
    cluster.reshard(slot, 0, 1).await;
    // Both nodes notice that this primary holds more now, and try to begin another session.
    for n in 0..20 {
        gets(&here, &mut of_staying, &staying, &n.to_string()).await;
        sleep(Duration::from_millis(100)).await;
    }
    assert!(before.is_subset(&subscribing(&cluster.nodes[1])));
    assert!(
        !there.hub.is_ready(),
        "it does not hear the topics that have moved"
    );
    password(">secret");
    until("both to be ready", async || {
        here.hub.is_ready() && there.hub.is_ready()
    })
    .await;
    gets(&here, &mut of_moving, &moving, "moved").await;
    gets(&here, &mut of_staying, &staying, "stayed").await;
}

/// The node that a slot is on its way to takes no writes. Its source is not to blame.
#[actix_web::test]
async fn a_fault_of_the_target_of_a_moving_slot_does_not_end_the_session_of_its_source() {
    let log = Log::start_everywhere();
    let cluster = Cluster::start().await;
    let here = Node::at(&cluster.url(0)).await;
    let moving = topic_at(&cluster, &here, 0).await;
    let (_, slot) = cluster.stream_of(&moving);
    cluster.begin_reshard(slot, 0, 1).await;
    let before = subscribing(&cluster.nodes[0]);
    assert!(!before.is_empty());
    let mut pause = cmd("CLIENT");
    cluster.nodes[1].ask::<()>(pause.arg("PAUSE").arg(1_800).arg("WRITE"));
    let error = here.try_publish(&moving, "late").await.unwrap_err();
    assert!(
        matches!(error, PublishError::Append(AppendError::OutcomeUnknown(_))),
        "{error:?}"
    );
    sleep(Duration::from_millis(500)).await;
    assert!(
        before.is_subset(&subscribing(&cluster.nodes[0])),
        "{:?}",
        log.take()
    );
    here.insist(&moving, "later").await;
    assert!(
        before.is_subset(&subscribing(&cluster.nodes[0])),
        "{:?}",
        log.take()
    );
}

/// A cluster of one primary, whose certificate is of its name and not of its address.
#[actix_web::test]
async fn through_tls_with_a_password() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.pem();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert, &certificate).unwrap();
    fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let (tls, bus) = (free_port().to_string(), free_port().to_string());
    let redis = Redis::with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-announce-hostname",
        "localhost",
        "--tls-port",
        &tls,
        "--tls-cert-file",
        cert.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-ca-cert-file",
        cert.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
        "--tls-cluster",
        "yes",
    ]);
    let mut slots = cmd("CLUSTER");
    redis.ask::<()>(slots.arg("ADDSLOTSRANGE").arg(0).arg(16_383));
    until("the cluster", async || {
        let info: String = redis.ask(cmd("CLUSTER").arg("INFO"));
        info.contains("cluster_state:ok")
    })
    .await;
    let mut user = cmd("ACL");
    user.arg("SETUSER").arg("app").arg("on").arg(">secret");
    redis.ask::<()>(user.arg(RIGHTS.split_whitespace().collect::<Vec<_>>()));

    let at = |login: &str| {
        let url = format!("rediss+cluster://{login}@localhost:{tls}");
        let wait = Duration::from_secs(5);
        let log = RedisLog::builder(&url).tls_root(certificate.as_str());
        log.connect_timeout(wait).connect()
    };
    let log = at("app:secret").await.unwrap();
    let node = Node::of(Hub::builder().log(log).build().unwrap());
    let mut reader = node.reader("orders").await;
    gets(&node, &mut reader, "orders", "one").await;
    // All its connections are made again.
    redis.cut();
    let _: i64 = redis.ask(cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub"));
    gets(&node, &mut reader, "orders", "two").await;

    let error = at("app:wrong").await.unwrap_err();
    println!("measured: {error:?}");
    assert!(!format!("{error:?} {error}").contains("wrong:"), "{error:?}");
}
