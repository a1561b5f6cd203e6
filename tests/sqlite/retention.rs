//! What is kept on disk, for how long, and how large the file becomes.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use sse_actix::{AppendError, Keep, Limit, Log as _, Resume, Retention, Start, TopicName};
use sse_actix_sqlite::{SqliteLog, Synchronous};
use sse_tests::patience::until;

use super::{append, read, record};

const HOUR: Duration = Duration::from_secs(3_600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

fn name(number: u32) -> TopicName {
    TopicName::try_from(format!("topic:{number}")).unwrap()
}

/// A number that a query gives.
fn number(path: &Path, sql: &str) -> i64 {
    let reader = Connection::open(path).unwrap();
    reader.query_row(sql, [], |row| row.get(0)).unwrap()
}

async fn publish(log: &SqliteLog, topic: &TopicName, events: usize, retention: &Retention, now: SystemTime) {
    let appends = (0..events).map(|_| append(log, topic, record(&"x".repeat(100)), retention, now));
    for appended in futures_util::future::join_all(appends).await {
        appended.unwrap();
    }
}

#[tokio::test]
async fn the_file_keeps_little_more_than_the_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    let by_count = Retention::new().max_events(200);
    publish(&log, &name(0), 1_000, &by_count, now).await;
    let by_bytes = Retention::new().max_bytes(100_000);
    publish(&log, &name(1), 2_000, &by_bytes, now).await;
    let of = |id: u32| {
        number(
            &path,
            &format!("SELECT count(*) FROM events WHERE id >> 40 = {id}"),
        )
    };
    assert!((200..212).contains(&of(0)), "{}", of(0));
    let bytes = number(
        &path,
        "SELECT sum(octet_length(frame)) FROM events WHERE id >> 40 = 1",
    );
    assert!(bytes < 100_000, "{bytes}");
    assert!(of(1) > 200, "{}", of(1));
    // Readers see the bound to the event.
    let limit = Limit {
        events: 10_000.try_into().unwrap(),
        bytes: 1 << 20,
    };
    let batch = read(&log, &name(0), Start::Oldest, limit, now).await.unwrap();
    assert_eq!((batch.entries.len(), batch.more), (200, false));
}

#[tokio::test]
async fn age_empties_topics_that_nobody_uses_and_their_sequence_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    let retention = Retention::new();
    for number in 0..300 {
        publish(&log, &name(number), 3, &retention, now).await;
    }
    let first = append(&log, &name(7), record("last"), &retention, now)
        .await
        .unwrap();
    log.close();

    let log = SqliteLog::open(&path).unwrap();
    log.maintain(now + HOUR * 2);
    until("no events", async || {
        number(&path, "SELECT count(*) FROM events") == 0
    })
    .await;
    assert_eq!(number(&path, "SELECT count(*) FROM topics"), 300);
    let later = append(&log, &name(7), record("next"), &retention, now + HOUR * 2)
        .await
        .unwrap();
    assert_eq!((later.epoch, later.sequence), (first.epoch, 5));
    let batch = read(
        &log,
        &name(7),
        Start::After(first),
        Limit::DEFAULT,
        now + HOUR * 2,
    )
    .await
    .unwrap();
    assert_eq!((batch.resume, batch.entries.len()), (Resume::Complete, 1));
}

#[tokio::test]
async fn a_topic_that_is_not_used_for_a_week_is_forgotten_and_its_number_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    let retention = Retention::new();
    publish(&log, &name(0), 1, &retention, now).await;
    let old = append(&log, &name(1), record("x"), &retention, now)
        .await
        .unwrap();
    publish(&log, &name(2), 1, &retention, now).await;
    log.close();

    let log = SqliteLog::open(&path).unwrap();
    // These two are used, one is read and one published to.
    let later = now + WEEK - HOUR;
    read(&log, &name(0), Start::Oldest, Limit::DEFAULT, later)
        .await
        .unwrap();
    publish(&log, &name(2), 1, &retention, later).await;
    log.maintain(now + WEEK + HOUR);
    until("one less", async || {
        number(&path, "SELECT count(*) FROM topics") == 2
    })
    .await;
    assert_eq!(
        number(&path, "SELECT count(*) FROM topics WHERE name = 'topic:1'"),
        0
    );
    let later = now + WEEK + HOUR;
    publish(&log, &name(3), 1, &retention, later).await;
    assert_eq!(number(&path, "SELECT id FROM topics WHERE name = 'topic:3'"), 1);
    let new = append(&log, &name(1), record("x"), &retention, later)
        .await
        .unwrap();
    assert_ne!(new.epoch, old.epoch);
    let batch = read(&log, &name(1), Start::After(old), Limit::DEFAULT, later)
        .await
        .unwrap();
    assert_eq!(batch.resume, Resume::Unknown);
}

/// Although the row of a topic is written seldom, it is not forgotten what was published since.
#[tokio::test]
async fn a_topic_that_is_published_to_seldom_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let retention = Retention::new();
    let day = HOUR * 24;
    let mut now = SystemTime::now();
    let log = SqliteLog::open(&path).unwrap();
    let first = append(&log, &name(0), record("x"), &retention, now)
        .await
        .unwrap();
    log.close();
    for _ in 0..3 {
        now += day * 5;
        let log = SqliteLog::open(&path).unwrap();
        let next = append(&log, &name(0), record("x"), &retention, now)
            .await
            .unwrap();
        assert_eq!(next.epoch, first.epoch);
        log.close();
        let log = SqliteLog::open(&path).unwrap();
        log.maintain(now + day * 5);
        until("no events", async || {
            number(&path, "SELECT count(*) FROM events") == 0
        })
        .await;
        assert_eq!(number(&path, "SELECT count(*) FROM topics"), 1);
        log.close();
    }
}

#[tokio::test]
async fn the_newest_of_each_key_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    let retention = Retention::new().keep(Keep::LatestPerKey);
    for round in 0..50 {
        for key in ["a", "b", "c"] {
            let record = record(&round.to_string()).key(key);
            append(&log, &name(0), record, &retention, now).await.unwrap();
        }
    }
    assert_eq!(number(&path, "SELECT count(*) FROM events"), 3);
    log.close();
    let log = SqliteLog::open(&path).unwrap();
    let batch = read(&log, &name(0), Start::Oldest, Limit::DEFAULT, now)
        .await
        .unwrap();
    let kept: Vec<_> = batch
        .entries
        .iter()
        .map(|entry| (entry.key().unwrap(), entry.data()))
        .collect();
    assert_eq!(
        kept,
        [
            ("a", "49".to_owned()),
            ("b", "49".to_owned()),
            ("c", "49".to_owned())
        ]
    );
    assert!(
        append(&log, &name(0), record("x"), &retention, now)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn space_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::builder(&path)
        .synchronous(Synchronous::Off)
        .open()
        .unwrap();
    let now = SystemTime::now();
    let retention = Retention::new().max_events(100_000).max_bytes(1 << 30);
    for _ in 0..60 {
        publish(&log, &name(0), 1_000, &retention, now).await;
    }
    let size = || {
        number(
            &path,
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        )
    };
    let full = size();
    assert!(full > 7_000_000, "{full}");
    log.maintain(now + HOUR * 2);
    until("a smaller file", async || size() < 5_000_000).await;
    log.close();
    let after = fs::metadata(&path).unwrap().len();
    assert!(after < 5_000_000, "{after}");
}

#[tokio::test]
async fn beyond_its_limit_the_file_takes_no_more_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::builder(&path).max_file_bytes(1 << 20).open().unwrap();
    let now = SystemTime::now();
    let retention = Retention::new();
    let error = loop {
        if let Err(error) = append(&log, &name(0), record(&"x".repeat(10_000)), &retention, now).await {
            break error;
        }
    };
    let AppendError::Refused(cause) = error else {
        panic!("{error:?}")
    };
    assert!(
        cause.to_string().contains("`max_file_bytes` is 1048576"),
        "{cause}"
    );
    let health = log.health();
    assert!(health.reachable && !health.accepting, "{health:?}");
    let used = number(
        &path,
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    );
    assert!(used < 1_100_000, "{used}");
    assert!(
        !read(&log, &name(0), Start::Oldest, Limit::DEFAULT, now)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    log.maintain(now + HOUR * 2);
    until("room", async || {
        append(&log, &name(0), record("x"), &retention, now + HOUR * 2)
            .await
            .is_ok()
    })
    .await;
    assert!(log.health().accepting);
}

/// A hub that keeps less than before, of a topic to which nobody publishes any more.
#[tokio::test]
async fn smaller_bounds_hold_without_a_publisher() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    let now = SystemTime::now();
    publish(&log, &name(0), 1_000, &Retention::new(), now).await;
    log.close();

    let log = SqliteLog::open(&path).unwrap();
    let watch = log.watch(&name(0), std::task::Waker::noop().clone(), now);
    log.prepare(&name(0), &Retention::new().max_events(100));
    until("what is beyond to be deleted", async || {
        number(&path, "SELECT count(*) FROM events") <= 106
    })
    .await;
    let batch = read(&log, &name(0), Start::Oldest, Limit::DEFAULT, now)
        .await
        .unwrap();
    assert_eq!(batch.entries.len(), 100);
    assert_eq!(number(&path, "SELECT max_events FROM topics"), 100);
    drop(watch);
}

/// What may wait is bounded; beyond it publishing waits, and is then refused.
#[tokio::test]
async fn the_queue_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention::new();
    let now = SystemTime::now();
    let flood = async |wait: Duration| {
        let path = folder.path().join(format!("{wait:?}.db"));
        let log = SqliteLog::builder(path)
            .max_pending(8)
            .publish_wait(wait)
            .open()
            .unwrap();
        let topic = name(0);
        let appends = (0..1_000).map(|_| append(&log, &topic, record("x"), &retention, now));
        let all = futures_util::future::join_all(appends).await;
        assert_eq!(log.health().pending, 0);
        all.into_iter().filter_map(Result::err).collect::<Vec<_>>()
    };
    let refused = flood(Duration::ZERO).await;
    assert!(!refused.is_empty());
    for error in refused {
        let AppendError::Refused(cause) = error else {
            panic!("{error:?}")
        };
        assert!(cause.to_string().starts_with("8 events of "), "{cause}");
    }
    assert_eq!(flood(Duration::from_secs(60)).await.len(), 0);
}

/// All that an event has in memory counts, its keys too.
#[tokio::test]
async fn the_queue_is_bounded_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::builder(folder.path().join("events.db"))
        .max_pending_bytes(4_000)
        .open()
        .unwrap();
    let (topic, retention, now) = (name(0), Retention::new(), SystemTime::now());
    let key = "k".repeat(200);
    let appends = (0..100).map(|_| append(&log, &topic, record("x").key(&key), &retention, now));
    let all = futures_util::future::join_all(appends).await;
    assert!(all.iter().any(Result::is_err), "all of 20,000 bytes wait");
}
