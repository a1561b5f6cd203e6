//! What the writer does when it, or the disk below it, fails.

use std::time::SystemTime;

use sse_actix_core::{Appended, DeleteError, Event, Limit, Record, Retention, Start, TopicName};
use tempfile::TempDir;
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};

use super::*;
use crate::{
    queue::{Admission, Append, Delete},
    settings::Settings,
    topic::WaitingRead,
};

const NEWS: TopicName = TopicName::from_static("news");

fn open(folder: &TempDir, set: impl FnOnce(&mut Settings)) -> Writer {
    let mut settings = Settings::new(folder.path().join("events.db"));
    settings.reserve_bytes = 0;
    set(&mut settings);
    let lock = FileLock::acquire(&settings.path, Duration::ZERO).unwrap();
    Writer::open(Arc::new(Shared::new(settings)), lock).unwrap()
}

type Answer = Receiver<Result<Appended, AppendError>>;

/// An event, and the answer that its publisher gets.
fn event(shared: &Shared) -> (Command, Answer) {
    let Admission::Open(permit) = shared.queue.enter(1) else {
        panic!("there is room")
    };
    let (reply, answer) = oneshot::channel();
    let append = Append {
        topic: shared.topic(&NEWS),
        record: Record::event(&Event::data("x"), None).unwrap(),
        retention: Retention::new(),
        now: SystemTime::now(),
        reply,
        permit,
    };
    (Command::Append(append), answer)
}

/// Writes one event.
fn append(writer: &mut Writer) -> Result<Appended, AppendError> {
    let (command, mut answer) = event(&writer.shared);
    writer.write(vec![command]);
    answer.try_recv().unwrap()
}

/// When the writer panics, it is dropped with what waits for it.
#[test]
fn what_waits_for_a_writer_that_ends_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let writer = open(&folder, |_| {});
    let shared = Arc::clone(&writer.shared);
    let (command, mut appended) = event(&shared);
    shared.queue.push(command).unwrap();
    let (reply, mut read) = oneshot::channel();
    let topic = shared.topic(&TopicName::from_static("other"));
    topic.wait(WaitingRead {
        start: Start::Oldest,
        limit: Limit::DEFAULT,
        now: SystemTime::now(),
        reply,
    });
    shared.to_read.push(topic);
    drop(writer);
    assert!(matches!(appended.try_recv(), Ok(Err(AppendError::Refused(_)))));
    assert_eq!(read.try_recv().unwrap_err(), TryRecvError::Closed);
    assert_eq!(shared.queue.pending().events, 0);
    assert!(!shared.health().reachable);
}

/// Lets the next write to a table fail, on this connection only.
fn break_connection(writer: &Writer, table: &str) {
    let sql = format!(
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"
    );
    writer.connection.as_ref().unwrap().execute_batch(&sql).unwrap();
}

#[test]
fn after_each_failure_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(&folder, |_| {});
    append(&mut writer).unwrap();
    for _ in 0..3 {
        break_connection(&writer, "events");
        append(&mut writer).unwrap_err();
        if writer.connection.is_none() {
            // The maintenance opens the file again. Until then, nothing is acknowledged.
            append(&mut writer).unwrap_err();
            writer.reopen();
        }
    }
    assert!(writer.doubtful.is_empty(), "nothing of it was written");
    append(&mut writer).unwrap();
    assert!(writer.shared.health().reachable);
}

#[test]
fn a_failed_recovery_opens_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(&folder, |_| {});
    break_connection(&writer, "meta");
    writer.shared.state.failed(&Cause::Foreign("a fault"));
    writer.maintain_topics();
    assert!(writer.connection.is_none() && !writer.shared.health().reachable);
    writer.maintain_topics();
    assert!(writer.connection.is_some() && writer.shared.health().reachable);
    append(&mut writer).unwrap();
}

/// A full disk is no reason to take streams from this server.
#[test]
fn a_log_that_is_full_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let writer = open(&folder, |_| {});
    let health = || {
        let health = writer.shared.health();
        (health.reachable, health.accepting)
    };
    assert_eq!(health(), (true, true));
    writer.shared.state.failed(&Cause::DiskFull);
    assert_eq!(health(), (true, false));
    writer.shared.state.failed(&Cause::Foreign("a fault"));
    assert_eq!(health(), (false, false));
}

fn delete(shared: &Shared) -> (Command, Receiver<Result<(), DeleteError>>) {
    let (reply, answer) = oneshot::channel();
    let (topic, now) = (shared.topic(&NEWS), SystemTime::now());
    (Command::Delete(Delete { topic, now, reply }), answer)
}

/// A number that a query gives.
fn number(writer: &Writer, sql: &str) -> i64 {
    let connection = writer.connection.as_ref().unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Also if a reader looks at the file before the transaction ends, where the topic has never been.
#[test]
fn a_topic_deleted_and_created_again_in_one_transaction_gets_a_new_epoch() {
    for is_new in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(&folder, |_| {});
        let shared = Arc::clone(&writer.shared);
        if !is_new {
            append(&mut writer).unwrap();
        }
        let (one, mut first) = event(&shared);
        let (two, mut deleted) = delete(&shared);
        let (three, mut second) = event(&shared);
        let topic = shared.topic(&NEWS);
        let mut batch = Batch::new(vec![one, two]);
        let mut rest = Batch::new(vec![three]);
        let (connection, mut free_from) = (writer.connection.take().unwrap(), 0);
        transaction(&connection, |connection| {
            batch.write(connection, &shared, &mut free_from)?;
            topic.begin_loading();
            topic.install_absent((shared.unpublished.epoch(&NEWS), false), 1_000);
            rest.write(connection, &shared, &mut free_from)
        })
        .unwrap();
        batch.succeeded();
        rest.succeeded();
        deleted.try_recv().unwrap().unwrap();
        let [first, second] = [&mut first, &mut second].map(|answer| answer.try_recv().unwrap().unwrap());
        assert_ne!(first.position.epoch, second.position.epoch);
        assert_eq!(second.position.sequence, 1);
    }
}

/// Publishers wait for a few rows, not for all.
#[test]
fn a_large_topic_is_deleted_a_few_rows_at_a_time() {
    const EVENTS: i64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(&folder, |_| {});
    append(&mut writer).unwrap();
    let sql = "WITH RECURSIVE numbers (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
        INSERT INTO events SELECT n, 0, NULL, 'data: x' FROM numbers";
    let connection = writer.connection.as_ref().unwrap();
    connection.execute(sql, [EVENTS]).unwrap();
    let sql = "INSERT INTO once SELECT id, at, 'key ' || id FROM events WHERE id <= 600";
    connection.execute(sql, []).unwrap();
    let (command, mut deleted) = delete(&writer.shared);
    writer.write(vec![command]);
    deleted.try_recv().unwrap().unwrap();
    let rows = |writer: &Writer| {
        ["events", "once", "topics", "unswept"]
            .map(|table| number(writer, &format!("SELECT count(*) FROM {table}")))
    };
    assert_eq!(rows(&writer), [EVENTS, 600, 0, 1]);
    let mut seen = Vec::new();
    while writer.maintenance.rest() < Duration::from_millis(500) {
        writer.maintenance.sweep_after(Duration::ZERO);
        writer.maintain();
        seen.push(rows(&writer));
    }
    let expected = [
        [1_488, 88, 0, 1],
        [976, 0, 0, 1],
        [464, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ];
    assert_eq!(seen, expected);
}

#[test]
fn large_events_of_a_deleted_topic_are_swept_by_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(&folder, |_| {});
    append(&mut writer).unwrap();
    let sql = "WITH RECURSIVE numbers (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers WHERE n < 10)
        INSERT INTO events SELECT n, 0, NULL, hex(zeroblob(300000)) FROM numbers";
    writer.connection.as_ref().unwrap().execute(sql, []).unwrap();
    let (command, _answer) = delete(&writer.shared);
    writer.write(vec![command]);
    writer.sweep();
    assert_eq!(number(&writer, "SELECT count(*) FROM events"), 7);
}
