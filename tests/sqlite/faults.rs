//! A disk that is full or fails: publishing says so, streams stay open, and it recovers by itself.

use std::path::{Path, PathBuf};

use sse_tests::patience::until;
use tempfile::TempDir;

use super::{
    server::{Server, request, until_received},
    shim::Shim,
};

fn disk() -> (TempDir, PathBuf, Shim) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let shim = Shim::new(folder.path(), &path);
    (folder, path, shim)
}

fn size(path: &Path) -> u64 {
    ["", "-wal", "-reserve"]
        .map(|suffix| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |file| file.len())
        })
        .iter()
        .sum()
}

#[tokio::test]
async fn a_full_disk_refuses_events_until_there_is_room() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    let mut reader = server.reader().await;
    assert_eq!(server.publish("before").await.0, 200);
    until_received(&mut reader, "data: before\n").await;

    shim.limit(size(&path) + 200_000);
    let event = "x".repeat(20_000);
    let mut taken = 0;
    let refused = loop {
        let (status, answer) = server.publish(&event).await;
        if status != 200 {
            break (status, answer);
        }
        taken += 1;
    };
    assert!(taken > 0);
    assert_eq!(refused, (503, "the disk is full; make room".to_owned()));
    assert!(!server.is_ready().await);
    // Reading goes on, also for those who come now.
    let mut late = server.reader().await;
    until_received(&mut late, "data: before\n").await;

    shim.limit(1 << 40);
    until("readiness", async || server.is_ready().await).await;
    assert_eq!(server.publish("after").await.0, 200);
    let rest = until_received(&mut reader, "data: after\n").await;
    assert_eq!(
        rest.matches(&event).count(),
        taken,
        "what was refused is not there"
    );
}

/// Deleting a topic makes room on a full disk: the log accepts events again although nobody else has made room.
#[tokio::test]
async fn a_topic_is_deleted_on_a_full_disk_and_makes_room() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    shim.limit(size(&path) + 6_000_000);
    let event = "x".repeat(20_000);
    while server.publish(&event).await.0 == 200 {}
    assert!(!server.is_ready().await);
    assert_eq!(
        request(server.addr, "POST /delete", "").await,
        Some((200, String::new()))
    );
    until("readiness", async || server.is_ready().await).await;
    let (status, answer) = server.publish("after").await;
    assert_eq!(status, 200, "{answer}");
    let received = until_received(&mut server.reader().await, "data: after\n").await;
    assert!(!received.contains(&event), "it is deleted");
}

/// SQLite calls it an error of writing, and to the log it is a full disk. The first event may have an unknown outcome.
#[tokio::test]
async fn a_quota_that_is_used_up_is_a_full_disk() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    assert_eq!(server.publish("before").await.0, 200);
    shim.set("quota", true);
    // Even without the reserve there is not room for it again.
    shim.limit(size(&path) - 600_000);
    let event = "x".repeat(20_000);
    until("the cause", async || {
        server.publish(&event).await == (503, "the disk is full; make room".to_owned())
    })
    .await;
    assert!(!server.is_ready().await);
    until_received(&mut server.reader().await, "data: before\n").await;

    shim.limit(1 << 40);
    until("readiness", async || server.is_ready().await).await;
    assert_eq!(server.publish("after").await.0, 200);
}

/// A file system that becomes read-only, as Linux does with one that fails.
#[tokio::test]
async fn a_file_that_becomes_read_only_can_be_read() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    let mut reader = server.reader().await;
    assert_eq!(server.publish("before").await.0, 200);
    until_received(&mut reader, "data: before\n").await;
    shim.set("read-only", true);
    let (status, answer) = server.publish("refused").await;
    assert!(status == 503 || status == 504, "{status} {answer}");
    assert!(!server.is_ready().await);
    let (status, answer) = server.publish("refused too").await;
    assert_eq!((status, answer.as_str()), (503, "SQLite failed"));
    let mut late = server.reader().await;
    until_received(&mut late, "data: before\n").await;

    shim.set("read-only", false);
    until("readiness", async || server.is_ready().await).await;
    assert_eq!(server.publish("after").await.0, 200);
    let rest = until_received(&mut reader, "data: after\n").await;
    assert!(
        !rest.contains("refused too") && !rest.contains("sse-gap"),
        "{rest}"
    );
}

/// A full disk does not keep a server from coming back: what it holds in reserve is enough to open the file.
#[tokio::test]
async fn a_server_starts_on_a_full_disk() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    assert_eq!(server.publish("before").await.0, 200);
    drop(server);
    // Even without the reserve there is not room for it again.
    shim.limit(size(&path) - 600_000);
    let server = Server::start(&path, &shim);
    until_received(&mut server.reader().await, "data: before\n").await;
    assert_eq!(server.publish("refused").await.0, 503);
    assert!(!server.is_ready().await);

    shim.limit(1 << 40);
    until("readiness", async || server.is_ready().await).await;
    assert_eq!(server.publish("after").await.0, 200);
}

#[tokio::test]
async fn a_failed_sync_leaves_the_outcome_unknown_and_nothing_in_doubt_is_acknowledged() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    let mut reader = server.reader().await;
    let (status, first) = server.publish("one").await;
    assert_eq!(status, 200);
    until_received(&mut reader, "data: one\n").await;

    shim.set("sync-fails", true);
    let (status, answer) = server.publish("doubtful").await;
    assert_eq!(
        (
            status,
            answer.starts_with("it is unknown whether the log has stored the event")
        ),
        (504, true),
        "{answer}"
    );
    assert!(!server.is_ready().await);
    // While syncing fails, nothing is acknowledged.
    assert_ne!(server.publish("refused").await.0, 200);

    shim.set("sync-fails", false);
    until("readiness", async || server.is_ready().await).await;
    let (status, second) = server.publish("two").await;
    assert_eq!(status, 200);
    let received = until_received(&mut reader, "data: two\n").await;
    assert!(
        !received.contains("sse-gap") && !received.contains("refused"),
        "{received}"
    );
    // The ids are as the file has them, with the doubtful event or without it.
    let sequence = |id: &str| id.split('-').nth(1).unwrap().parse::<u64>().unwrap();
    let between = received.matches("data: doubtful").count() as u64;
    assert_eq!(sequence(&second), sequence(&first) + between + 1, "{received}");

    // A restart shows the same.
    drop(server);
    let server = Server::start(&path, &shim);
    let again = until_received(&mut server.reader().await, "data: two\n").await;
    assert_eq!(again.matches("data: doubtful").count() as u64, between, "{again}");
}

#[tokio::test]
async fn an_error_of_the_disk_refuses_events_until_it_is_over() {
    let (_folder, path, shim) = disk();
    let server = Server::start(&path, &shim);
    assert_eq!(server.publish("one").await.0, 200);
    shim.set("writes-fail", true);
    let (status, _) = server.publish("refused").await;
    assert!(status == 503 || status == 504, "{status}");
    assert!(!server.is_ready().await);
    let mut reader = server.reader().await;
    until_received(&mut reader, "data: one\n").await;
    shim.set("writes-fail", false);
    until("readiness", async || server.is_ready().await).await;
    assert_eq!(server.publish("two").await.0, 200);
    until_received(&mut reader, "data: two\n").await;
}
