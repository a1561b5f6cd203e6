//! Deleting a topic of a log in a file.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use sse_actix::{Limit, Log as _, Position, Resume, Retention, Start, TopicName};
use sse_actix_sqlite::SqliteLog;
use sse_tests::patience::until;

use super::{append, read, read_all, record};

const HOUR: Duration = Duration::from_secs(3_600);
static LARGE: TopicName = TopicName::from_static("large");
static OTHER: TopicName = TopicName::from_static("other");
static EMPTY: TopicName = TopicName::from_static("empty");

fn number(path: &Path, sql: &str) -> i64 {
    let file = Connection::open(path).unwrap();
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

async fn head(log: &SqliteLog, topic: &TopicName, now: SystemTime) -> Position {
    read(log, topic, Start::Head, Limit::DEFAULT, now)
        .await
        .unwrap()
        .end
}

async fn publish(log: &SqliteLog, topic: &TopicName, text: &str, now: SystemTime) -> Position {
    append(log, topic, record(text), &Retention::new(), now)
        .await
        .unwrap()
}

/// A file whose topic `large` has so many events.
async fn written(path: &Path, events: u32) -> Position {
    let log = SqliteLog::open(path).unwrap();
    let first = publish(&log, &LARGE, "first", SystemTime::now()).await;
    log.close();
    let file = Connection::open(path).unwrap();
    let sql = "WITH RECURSIVE numbers (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
        INSERT INTO events SELECT (SELECT id FROM topics) << 40 | n, (SELECT at FROM events), NULL, 'data: x' || char(10, 10)
        FROM numbers";
    file.execute(sql, [events]).unwrap();
    first
}

/// To free space, one has to be able to delete.
#[tokio::test]
async fn a_topic_is_deleted_although_the_file_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::builder(&path).max_file_bytes(1 << 20).open().unwrap();
    let now = SystemTime::now();
    let text = "x".repeat(10_000);
    publish(&log, &OTHER, "kept", now).await;
    while append(&log, &LARGE, record(&text), &Retention::new(), now)
        .await
        .is_ok()
    {}
    assert!(!log.health().accepting);
    log.delete(&LARGE, now).await.unwrap();
    assert_eq!(read_all(&log, &LARGE, Start::Oldest).await, Vec::<String>::new());
    until("room", async || {
        append(&log, &OTHER, record("after"), &Retention::new(), now)
            .await
            .is_ok()
    })
    .await;
    assert!(log.health().accepting);
    assert_eq!(read_all(&log, &OTHER, Start::Oldest).await, ["kept", "after"]);
}

/// Events of a deleted topic that are still in the file, when the log is closed or its process ends, do not come back.
#[tokio::test]
async fn what_a_large_topic_has_left_when_the_log_ends_does_not_come_back() {
    const EVENTS: u32 = 50_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let old = written(&path, EVENTS).await;
    let log = SqliteLog::open(&path).unwrap();
    log.delete(&LARGE, SystemTime::now()).await.unwrap();
    log.close();
    let left = number(&path, "SELECT count(*) FROM events");
    assert!(left > 0, "it is deleted in more than one transaction");

    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    // Another topic does not get the place of the deleted one.
    publish(&log, &OTHER, "other", now).await;
    let new = publish(&log, &LARGE, "new", now).await;
    assert!(new.epoch != old.epoch && new.sequence == 1);
    for (topic, text) in [(&OTHER, "other"), (&LARGE, "new")] {
        assert_eq!(read_all(&log, topic, Start::Oldest).await, [text]);
    }
    let batch = read(&log, &LARGE, Start::After(old), Limit::DEFAULT, now).await;
    assert_eq!(batch.unwrap().resume, Resume::Unknown);
    until("the end of its events", async || {
        number(&path, "SELECT count(*) FROM events") == 2
    })
    .await;
    for (topic, text) in [(&OTHER, "other"), (&LARGE, "new")] {
        assert_eq!(read_all(&log, topic, Start::Oldest).await, [text]);
    }
    // Then its place is free.
    publish(&log, &EMPTY, "empty", now).await;
    assert_eq!(number(&path, "SELECT id FROM topics WHERE name = 'empty'"), 0);
}

/// The clients of another topic have missed nothing: not before its first event, and not after a restart.
#[tokio::test]
async fn clients_of_topics_without_events_are_told_of_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    let before = head(&log, &EMPTY, now).await;
    let before_large = head(&log, &LARGE, now).await;
    publish(&log, &LARGE, "1", now).await;
    log.delete(&LARGE, now).await.unwrap();
    // So that the topic is not in memory.
    log.close();
    let log = SqliteLog::open(&path).unwrap();
    publish(&log, &EMPTY, "first", now).await;
    publish(&log, &LARGE, "2", now).await;
    let resume = async |log: &SqliteLog, topic: &TopicName, position| {
        let batch = read(log, topic, Start::After(position), Limit::DEFAULT, now).await;
        let batch = batch.unwrap();
        (batch.resume, batch.entries.len())
    };
    assert_eq!(resume(&log, &EMPTY, before).await, (Resume::Complete, 1));
    // Who came to the deleted topic before its first event has missed that.
    assert_eq!(resume(&log, &LARGE, before_large).await, (Resume::Unknown, 1));
    log.close();
    let log = SqliteLog::open(&path).unwrap();
    assert_eq!(resume(&log, &EMPTY, before).await, (Resume::Complete, 1));
    assert_eq!(resume(&log, &LARGE, before_large).await, (Resume::Unknown, 1));
}

/// Nothing is left of a deleted topic after a week, and it does not begin in an epoch that it has had.
#[tokio::test]
async fn a_deleted_topic_is_remembered_for_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    let old = publish(&log, &LARGE, "1", now).await;
    log.delete(&LARGE, now).await.unwrap();
    let new = head(&log, &LARGE, now).await;
    let rows = || number(&path, "SELECT count(*) FROM deleted");
    assert_eq!(rows(), 1);
    for (days, remembered) in [(6, 1), (8, 0)] {
        let later = now + HOUR * 24 * days;
        log.maintain(later);
        until("the number of deleted topics", async || rows() == remembered).await;
    }
    let later = now + HOUR * 24 * 9;
    let newest = publish(&log, &LARGE, "2", later).await;
    assert_ne!(newest.epoch, old.epoch);
    let batch = read(&log, &LARGE, Start::After(new), Limit::DEFAULT, later).await;
    let batch = batch.unwrap();
    assert_eq!(batch.entries.len(), 1);
}

/// All times are the callers', so that a test can set them.
#[tokio::test]
async fn times_in_the_file_are_those_of_the_callers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let then = SystemTime::UNIX_EPOCH + HOUR * 24 * 365;
    let log = SqliteLog::open(&path).unwrap();
    for topic in [&OTHER, &LARGE] {
        publish(&log, topic, "1", then).await;
    }
    log.close();
    let log = SqliteLog::open(&path).unwrap();
    let later = then + HOUR * 5;
    let is_later = |sql: &str| {
        let millis = u64::try_from(number(&path, sql)).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        at >= later && at < later + HOUR
    };
    head(&log, &OTHER, later).await;
    let used = "SELECT used_at FROM topics WHERE name = 'other'";
    let before = number(&path, used);
    until("a note that it is read", async || {
        head(&log, &OTHER, later).await;
        number(&path, used) != before
    })
    .await;
    assert!(is_later(used), "{}", number(&path, used));
    log.delete(&LARGE, later).await.unwrap();
    assert!(is_later("SELECT at FROM deleted"));
}
