//! Redis answers, and takes nothing: publishing is refused with the cause, and reading goes on.

use std::{fs, time::Duration};

use redis::cmd;
use sse_actix::{AppendError, PublishError};
use sse_tests::{hub::event, patience::until, redis::Redis};

use crate::harness::{HEARS_AGAIN, node::Node, promised, said};

async fn refused_with(cause: &str, begin: impl AsyncFnOnce(&Redis), end: impl AsyncFnOnce(&Redis)) {
    let redis = Redis::start();
    let (here, there) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let mut reader = here.reader("quotes").await;
    let first = there.publish("quotes", 1).await;
    let second = there.publish("quotes", 2).await;
    assert_eq!(reader.next().await, event(&first, 1));
    assert_eq!(reader.next().await, event(&second, 2));

    begin(&redis).await;
    for node in [&here, &there] {
        let error = node.try_publish("quotes", 3).await.unwrap_err();
        assert!(
            matches!(error, PublishError::Append(AppendError::Refused(_))),
            "{error:?}"
        );
        let said = said(&error);
        assert!(said.contains(cause), "{cause}: {said}");
    }
    // Whether the node hears and whether Redis takes events are two questions.
    let tells_apart = until("the node to say that nothing is taken", async || {
        let health = here.hub.stats().log;
        health.reachable && !health.accepting
    });
    promised(
        HEARS_AGAIN / 3,
        "the node says that nothing is taken",
        tells_apart,
    )
    .await;
    // Who comes back is served, and a node that begins now too.
    let mut back = here.back("quotes", &first).await;
    assert_eq!(back.next().await, event(&second, 2));
    assert_eq!(here.hub.stats().log.interruptions, 0, "the connection is sound");

    end(&redis).await;
    let third = there.insist("quotes", 3).await;
    for reader in [&mut reader, &mut back] {
        assert_eq!(reader.next().await, event(&third, 3));
    }
    until("the node to say that events are taken", async || {
        here.hub.is_ready() && here.hub.stats().log.accepting
    })
    .await;
}

#[actix_web::test]
async fn for_want_of_memory() {
    let begin = async |redis: &Redis| redis.set("maxmemory", "1");
    let end = async |redis: &Redis| redis.set("maxmemory", "0");
    refused_with("OOM", begin, end).await;
}

#[actix_web::test]
async fn for_want_of_replicas() {
    let begin = async |redis: &Redis| redis.set("min-replicas-to-write", "1");
    let end = async |redis: &Redis| redis.set("min-replicas-to-write", "0");
    refused_with("NOREPLICAS", begin, end).await;
}

#[actix_web::test]
async fn for_want_of_a_disk() {
    let begin = async |redis: &Redis| {
        redis.set("save", "3600 1");
        // It finds no folder to write to.
        fs::remove_dir_all(redis.folder()).unwrap();
        redis.ask::<()>(&cmd("BGSAVE"));
        until("the save to fail", async || {
            redis.info("persistence", "rdb_last_bgsave_status") == "err"
        })
        .await;
    };
    let end = async |redis: &Redis| redis.set("stop-writes-on-bgsave-error", "no");
    refused_with("MISCONF", begin, end).await;
}

/// The node's user may neither announce events nor hear them: they are found all the same.
#[actix_web::test]
async fn events_that_nobody_may_announce_are_found() {
    let redis = Redis::start();
    let mut call = cmd("ACL");
    call.arg("SETUSER").arg("app").arg("on").arg(">pw");
    call.arg("+@all").arg("~*").arg("resetchannels");
    for channel in ["&sse:node:*", "&sse:presence", "&sse:revoked"] {
        call.arg(channel);
    }
    redis.ask::<()>(&call);
    let url = format!("redis://app:pw@127.0.0.1:{}/", redis.port());
    let often = Duration::from_millis(500);
    let node = Node::with(&url, |log| log.check_interval(often), |hub| hub).await;
    let mut reader = node.reader("quotes").await;
    for n in 0..3 {
        let id = node.publish("quotes", n).await;
        let next = promised(HEARS_AGAIN, "an event without a notice", reader.next()).await;
        assert_eq!(next, event(&id, n));
    }
}
