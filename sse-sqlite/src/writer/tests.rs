//! What the writer does when it, or the disk below it, fails.

use std::time::SystemTime;

use sse_actix_core::{Appended, Event, Limit, Record, Retention, Start, TopicName};
use tempfile::TempDir;
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};

use super::*;
use crate::{
    queue::{Admission, Append},
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
    writer.maintain();
    assert!(writer.connection.is_none() && !writer.shared.health().reachable);
    writer.maintain();
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
