//! No id is given to two events, and no reader gets what it did not ask for, whatever fails and whatever is forgotten.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, ErrorCode};
use sse_actix::{Limit, Log as _, Position, Resume, Retention, Start, TopicName};
use sse_actix_sqlite::SqliteLog;
use sse_tests::patience::until;

use super::{append, read, read_all, record};

const HOUR: Duration = Duration::from_secs(3_600);
static A: TopicName = TopicName::from_static("a");
static B: TopicName = TopicName::from_static("b");
static FILLER: TopicName = TopicName::from_static("filler");

fn execute(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// How many topics have this name in the file.
fn rows(path: &Path, topic: &TopicName) -> u32 {
    let sql = "SELECT count(*) FROM topics WHERE name = ?1";
    let file = Connection::open(path).unwrap();
    file.query_row(sql, [topic.as_str()], |row| row.get(0)).unwrap()
}

async fn publish(log: &SqliteLog, topic: &TopicName, text: &str, now: SystemTime) -> Position {
    let retention = Retention::new().max_age(HOUR * 24);
    append(log, topic, record(text), &retention, now).await.unwrap()
}

async fn head(log: &SqliteLog, topic: &TopicName) -> Position {
    let batch = read(log, topic, Start::Head, Limit::DEFAULT, SystemTime::now()).await;
    batch.unwrap().end
}

/// A topic that was read while the file took nothing has no place in it until its first event. Its older events are read
/// from that place, and not from another topic's.
#[tokio::test]
async fn a_topic_that_began_while_the_file_was_full_has_its_own_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::builder(&path)
        .max_file_bytes(1 << 20)
        .topic_memory(600)
        .open()
        .unwrap();
    let now = SystemTime::now();
    for number in 0..100 {
        publish(&log, &A, &format!("a {number}"), now).await;
    }
    let soon_gone = Retention::new().max_age(HOUR);
    let large = "x".repeat(10_000);
    while append(&log, &FILLER, record(&large), &soon_gone, now)
        .await
        .is_ok()
    {}
    let before = head(&log, &B).await;
    assert_eq!(rows(&path, &B), 0);

    let later = now + HOUR * 2;
    log.maintain(later);
    until("room", async || {
        append(&log, &FILLER, record("x"), &soon_gone, later)
            .await
            .is_ok()
    })
    .await;
    let mut expected = Vec::new();
    for number in 0..100 {
        let text = format!("b {number}");
        let given = publish(&log, &B, &text, later).await;
        assert_eq!((given.epoch, given.sequence), (before.epoch, number + 1));
        expected.push(text);
    }
    assert_eq!(read_all(&log, &B, Start::After(before)).await, expected);
}

/// The clock is set back between two keys, and the log opened again before it shows the first time again.
#[tokio::test]
async fn idempotency_keys_survive_a_clock_that_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let window = sse_actix::OnceWindow::new().max_age(HOUR * 2);
    let retention = Retention::new().max_age(HOUR * 24).once_within(window);
    let now = SystemTime::now();
    let append = async |log: &SqliteLog, key: &str, now: SystemTime| {
        let key = sse_actix::IdempotencyKey::try_from(key).unwrap();
        let record = record("x").once(key);
        let appended = log.append(&A, record, &retention, now).await.unwrap();
        (appended.position.sequence, appended.repeated)
    };
    let log = SqliteLog::open(&path).unwrap();
    assert_eq!(append(&log, "first", now).await, (1, false));
    assert_eq!(append(&log, "second", now - HOUR).await, (2, false));
    log.close();
    let log = SqliteLog::open(&path).unwrap();
    assert_eq!(append(&log, "first", now - HOUR / 2).await, (1, true));
    assert_eq!(append(&log, "second", now - HOUR / 2).await, (2, true));
    // Both are as old as the time to which the clock was set.
    assert_eq!(append(&log, "first", now + HOUR + HOUR / 2).await, (3, false));
}

/// Somebody comes back to a topic while it is being forgotten.
#[tokio::test]
async fn a_topic_that_is_read_while_it_is_forgotten_begins_anew() {
    let week = HOUR * 24 * 7;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        let log = SqliteLog::open(&path).unwrap();
        let long_ago = SystemTime::now() - week * 2;
        let retention = Retention::new();
        let old = append(&log, &A, record("old"), &retention, long_ago)
            .await
            .unwrap();
        append(&log, &B, record("old"), &retention, long_ago)
            .await
            .unwrap();
        log.close();
        // Forgetting the second topic takes a while, after the first and in the same transaction.
        execute(
            &path,
            "CREATE TRIGGER slow AFTER DELETE ON topics WHEN old.name = 'b' BEGIN
                 DELETE FROM meta WHERE name = (WITH RECURSIVE numbers (n) AS
                     (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000) SELECT max(n) FROM numbers);
             END",
        );
        let log = SqliteLog::open(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        until("forgetting", async || {
            match other.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
                Err(error) => error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy),
                Ok(()) => false,
            }
        })
        .await;
        head(&log, &A).await;
        let came_in_time = rows(&path, &A) == 1;
        until("the end of it", async || rows(&path, &B) == 0).await;
        // It came before the topic was looked at, or after it was gone.
        if !came_in_time || rows(&path, &A) == 1 {
            log.close();
            continue;
        }
        let new = append(&log, &A, record("new"), &retention, SystemTime::now())
            .await
            .unwrap();
        assert_ne!(new.epoch, old.epoch);
        let batch = read(&log, &A, Start::After(old), Limit::DEFAULT, SystemTime::now()).await;
        let batch = batch.unwrap();
        assert_eq!((batch.resume, batch.entries.len()), (Resume::Unknown, 1));
        return;
    }
}

/// A name that is only read takes no place in the file, and a position in it is good for as long as a topic is remembered.
#[tokio::test]
async fn reading_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let names: Vec<_> = (0..100)
        .map(|number| TopicName::try_from(format!("only read {number}")).unwrap())
        .collect();
    let mut seen = Vec::new();
    for name in &names {
        seen.push(head(&log, name).await);
    }
    log.close();
    let topics: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM topics", [], |row| row.get(0))
        .unwrap();
    assert_eq!(topics, 0);

    // Six days later, in another process, after others have published.
    let log = SqliteLog::open(&path).unwrap();
    let day = HOUR * 24;
    let numbers = || -> String {
        let file = Connection::open(&path).unwrap();
        let sql = "SELECT value FROM meta WHERE name = 'unpublished'";
        file.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let resumed = async |number: usize, later: Duration| {
        let (now, before) = (SystemTime::now() + later, numbers());
        until("another shared number of topics without events", async || {
            log.maintain(now);
            numbers() != before
        })
        .await;
        publish(&log, &names[number], "first", now).await;
        let start = Start::After(seen[number]);
        let batch = read(&log, &names[number], start, Limit::DEFAULT, now)
            .await
            .unwrap();
        assert_eq!(batch.entries.len(), 1);
        batch.resume
    };
    assert_eq!(resumed(0, day * 6).await, Resume::Complete);
    // In eight days a whole topic may have come and gone.
    assert_eq!(resumed(1, day * 8).await, Resume::Unknown);
    // A position that nobody was given.
    let foreign = Position {
        epoch: sse_actix_core::Epoch::new(&names[2], 7),
        sequence: 0,
    };
    let batch = read(
        &log,
        &names[2],
        Start::After(foreign),
        Limit::DEFAULT,
        SystemTime::now(),
    )
    .await;
    assert_eq!(batch.unwrap().resume, Resume::Unknown);
}

/// A topic that ends has an epoch that those do not know who came when it was gone.
#[tokio::test]
async fn a_forgotten_topic_does_not_begin_in_the_epoch_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut now = SystemTime::now();
    let mut epochs = Vec::new();
    for _ in 0..5 {
        let log = SqliteLog::open(&path).unwrap();
        log.maintain(now);
        until("the end of the topic", async || rows(&path, &A) == 0).await;
        let before = read(&log, &A, Start::Head, Limit::DEFAULT, now)
            .await
            .unwrap()
            .end;
        let first = publish(&log, &A, "x", now).await;
        assert_eq!((first.epoch, first.sequence), (before.epoch, 1));
        assert!(!epochs.contains(&first.epoch), "{first:?} of {epochs:?}");
        epochs.push(first.epoch);
        log.close();
        now += HOUR * 24 * 9;
    }
}
