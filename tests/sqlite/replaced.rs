//! The file is removed, replaced, or gets a second name: nothing is acknowledged that a restart would not find.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::Connection;
use sse_actix::{AppendError, Log as _, Retention, Start, TopicName};
use sse_actix_sqlite::{OpenError, SqliteLog};
use sse_tests::patience::until;
use tempfile::TempDir;

use super::{append, read_all, record};

const NEWS: TopicName = TopicName::from_static("news");

async fn publish(log: &SqliteLog, data: &str) -> Result<u64, AppendError> {
    let appended = append(log, &NEWS, record(data), &Retention::new(), SystemTime::now()).await;
    appended.map(|position| position.sequence)
}

/// A log in use, with one event.
async fn in_use() -> (TempDir, PathBuf, SqliteLog) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    publish(&log, "before").await.unwrap();
    (folder, path, log)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

async fn is_refused(log: &SqliteLog, path: &Path, case: &str) {
    for _ in 0..3 {
        let Err(AppendError::Refused(refusal)) = publish(log, "lost").await else {
            panic!("{case}: it was acknowledged")
        };
        let told = format!(
            "{} was removed or replaced while the log has it open; put it back, or start the process again",
            path.display()
        );
        assert_eq!(refusal.to_string(), told, "{case}");
    }
    let health = log.health();
    assert!(!health.reachable && !health.accepting, "{case}");
    assert_eq!(health.interruptions, 1, "{case}: it is logged once");
}

#[tokio::test]
async fn publishing_is_refused_once_a_file_of_the_log_was_removed() {
    for suffix in ["", "-wal", "-lock"] {
        let (_folder, path, log) = in_use().await;
        let removed = with_suffix(&path, suffix);
        fs::remove_file(&removed).unwrap();
        is_refused(&log, &removed, suffix).await;
        log.close();
    }
}

#[tokio::test]
async fn publishing_is_refused_once_the_file_was_replaced() {
    let (folder, path, log) = in_use().await;
    let copy = folder.path().join("copy.db");
    let source = Connection::open(&path).unwrap();
    let progress = None::<fn(rusqlite::backup::Progress)>;
    source.backup("main", &copy, progress).unwrap();
    drop(source);
    fs::rename(&copy, &path).unwrap();
    is_refused(&log, &path, "replaced").await;
    log.close();
}

#[tokio::test]
async fn a_log_without_publishers_notices_it_too() {
    let (_folder, path, log) = in_use().await;
    fs::remove_file(&path).unwrap();
    until("the fault", async || !log.health().reachable).await;
    is_refused(&log, &path, "idle").await;
}

#[tokio::test]
async fn a_file_that_was_put_back_is_written_to_again() {
    let (folder, path, log) = in_use().await;
    let away = folder.path().join("away.db");
    fs::rename(&path, &away).unwrap();
    is_refused(&log, &path, "away").await;
    fs::rename(&away, &path).unwrap();
    until("readiness", async || log.health().reachable).await;
    assert_eq!(publish(&log, "after").await.unwrap(), 2);
    log.close();
    let log = SqliteLog::open(&path).unwrap();
    assert_eq!(read_all(&log, &NEWS, Start::Oldest).await, ["before", "after"]);
}

/// The lock has the file's name, so under another name a second process would have a lock of its own.
#[tokio::test]
async fn a_file_with_two_names_is_refused() {
    let (folder, path, log) = in_use().await;
    let link = folder.path().join("link.db");
    fs::hard_link(&path, &link).unwrap();
    let error = SqliteLog::open(&link).unwrap_err();
    assert!(matches!(error, OpenError::HardLink { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "{} has another name, which is a hard link, so another process could write to it unnoticed; \
             delete the other name",
            link.display()
        )
    );
    // The first process has not lost its file.
    assert_eq!(publish(&log, "after").await.unwrap(), 2);
    log.close();
    assert!(matches!(SqliteLog::open(&path), Err(OpenError::HardLink { .. })));
    fs::remove_file(&link).unwrap();
    let log = SqliteLog::open(&path).unwrap();
    assert_eq!(read_all(&log, &NEWS, Start::Oldest).await, ["before", "after"]);
}
