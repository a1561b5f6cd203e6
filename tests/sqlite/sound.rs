//! A file that is no log, or is not whole, is refused with the reason, and left as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use sse_actix::{AppendError, Log as _, Retention, Start, TopicName};
use sse_actix_sqlite::{OpenError, SqliteLog};
use tempfile::TempDir;

use super::{append, read_all, record};

const NEWS: TopicName = TopicName::from_static("news");

/// A file with some events, closed.
async fn written(events: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path).unwrap();
    publish(&log, 1..=events).await;
    log.close();
    (folder, path)
}

async fn publish(log: &SqliteLog, numbers: std::ops::RangeInclusive<u32>) {
    let retention = Retention::new();
    let append = async |number: u32| {
        let record = record(&number.to_string());
        append(log, &NEWS, record, &retention, SystemTime::now()).await
    };
    let appends = numbers.map(append);
    for appended in futures_util::future::join_all(appends).await {
        appended.unwrap();
    }
}

/// Every file of the folder with what is in it, but for the lock.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| !path.to_string_lossy().ends_with("-lock"))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn refused(path: &Path) -> OpenError {
    let before = contents(path.parent().unwrap());
    let error = SqliteLog::open(path).unwrap_err();
    let after = contents(path.parent().unwrap());
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before), "{error}");
    assert!(after == before, "{error}: a file has changed");
    error
}

#[tokio::test]
async fn a_database_of_another_application_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE users (name TEXT)").unwrap();
    drop(other);
    let error = refused(&path);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(
        error.to_string().contains("a database of another application"),
        "{error}"
    );

    fs::write(&path, "a letter, which is no database at all ".repeat(100)).unwrap();
    assert!(refused(&path).to_string().contains("not an SQLite database"));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let (_folder, path) = written(3).await;
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 3).unwrap();
    newer
        .pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
        .unwrap();
    drop(newer);
    let error = refused(&path);
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 3,
                known: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let (folder, path) = written(2_000).await;
    let whole = fs::read(&path).unwrap();
    let damaged = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        error.to_string()
    };
    assert!(damaged(b"").contains("it is empty"));
    assert!(damaged(&whole[..whole.len() / 2]).contains("bytes are missing"));
    let mut garbled = whole.clone();
    garbled[100..4_096].fill(0x55);
    damaged(&garbled);
    for page in 1..6 {
        // Of the tables' first pages.
        let mut garbled = whole.clone();
        garbled[page * 4_096..(page + 1) * 4_096].fill(0x55);
        fs::write(&path, &garbled).unwrap();
        match SqliteLog::open(&path) {
            Ok(log) => log.close(),
            Err(error) => {
                assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
                assert!(
                    fs::read(&path).unwrap() == garbled,
                    "page {page} was changed: {error}"
                );
            }
        }
    }
    fs::write(&path, &whole).unwrap();
    let log = SqliteLog::open(&path).unwrap();
    assert_eq!(read_all(&log, &NEWS, Start::Oldest).await.len(), 2_000);
    log.close();

    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("events.db-wal"), b"left alone").unwrap();
    assert!(refused(&path).to_string().contains("the file does not"));
}

/// Damage where opening does not look is found when it is read, and never taken for an empty topic.
#[tokio::test]
async fn damage_that_is_found_later_is_an_error_of_the_read() {
    let (_folder, path) = written(2_000).await;
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    // Leaves of the table of events: 0x0d begins such a page.
    let leaves: Vec<_> = (1..pages).filter(|page| bytes[page * 4_096] == 0x0d).collect();
    let middle = leaves[leaves.len() / 2] * 4_096;
    bytes[middle..middle + 4_096].fill(0);
    fs::write(&path, &bytes).unwrap();
    let log = SqliteLog::open(&path).unwrap();
    let read = super::read(
        &log,
        &NEWS,
        Start::Oldest,
        sse_actix::Limit::DEFAULT,
        SystemTime::now(),
    )
    .await;
    let error = read.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "SQLite failed");
    log.close();
}

#[tokio::test]
async fn one_alone_has_the_file() {
    let (_folder, path) = written(1).await;
    let first = SqliteLog::open(&path).unwrap();
    let soon = SqliteLog::builder(&path)
        .open_wait(Duration::from_millis(50))
        .open();
    let error = soon.unwrap_err();
    let OpenError::Locked { holder, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );

    let waits = std::thread::spawn({
        let path = path.clone();
        move || SqliteLog::open(path)
    });
    publish(&first, 2..=3).await;
    first.close();
    let second = waits.join().unwrap().unwrap();
    assert_eq!(read_all(&second, &NEWS, Start::Oldest).await, ["1", "2", "3"]);
    let late = append(
        &first,
        &NEWS,
        record("late"),
        &Retention::new(),
        SystemTime::now(),
    )
    .await;
    let Err(AppendError::Refused(cause)) = late else {
        panic!("{late:?}")
    };
    assert_eq!(cause.to_string(), "the log was closed");
    // Again and again, not only the first time.
    let other = TopicName::from_static("other");
    for _ in 0..2 {
        let read = super::read(
            &first,
            &other,
            Start::Oldest,
            sse_actix::Limit::DEFAULT,
            SystemTime::now(),
        )
        .await;
        assert!(read.is_err());
    }
    assert!(!first.health().reachable && second.health().reachable);
}

/// Once `close` has returned, nobody has to wait for the file.
#[tokio::test]
async fn a_closed_file_is_free() {
    let (_folder, path) = written(1).await;
    for _ in 0..50 {
        let log = SqliteLog::builder(&path)
            .open_wait(Duration::ZERO)
            .open()
            .unwrap();
        log.close();
    }
}

/// Events may be private, so other users of the machine do not read them.
#[cfg(unix)]
#[tokio::test]
async fn the_owner_alone_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(folder.path().join("events.db")).unwrap();
    publish(&log, 1..=1).await;
    let mut modes = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        modes.push((entry.file_name().into_string().unwrap(), mode));
    }
    modes.sort();
    let names = [
        "events.db",
        "events.db-lock",
        "events.db-reserve",
        "events.db-shm",
        "events.db-wal",
    ];
    assert_eq!(modes, names.map(|name| (name.to_owned(), 0o600)));
    log.close();
}

/// The last handle gives the file up, too.
#[tokio::test]
async fn the_last_handle_closes_the_file() {
    let (_folder, path) = written(1).await;
    let log = SqliteLog::open(&path).unwrap();
    drop(log.clone());
    publish(&log, 2..=2).await;
    drop(log);
    let again = SqliteLog::open(&path).unwrap();
    assert_eq!(read_all(&again, &NEWS, Start::Oldest).await, ["1", "2"]);
}

#[tokio::test]
async fn a_backup_is_made_while_the_log_is_in_use() {
    let (folder, path) = written(100).await;
    let log = SqliteLog::open(&path).unwrap();
    publish(&log, 101..=500).await;
    let copy = folder.path().join("copy.db");
    let backup = std::thread::spawn({
        let copy = copy.clone();
        move || {
            let source = Connection::open(&path).unwrap();
            source
                .backup("main", copy, None::<fn(rusqlite::backup::Progress)>)
                .unwrap();
        }
    });
    publish(&log, 501..=1_000).await;
    backup.join().unwrap();
    let copy = SqliteLog::open(&copy).unwrap();
    let data = read_all(&copy, &NEWS, Start::Oldest).await;
    assert!(data.len() >= 500, "{}", data.len());
    assert!(
        data.iter()
            .zip(1..)
            .all(|(data, number)| *data == number.to_string())
    );
    publish(&log, 1_001..=1_001).await;
}

/// Makes a copy, of a log in use or of one that was closed, goes on, opens the log again so many times, and puts the copy into
/// its place. Ids that the copy would give once more belong to other events.
async fn restore(is_in_use: bool, restarts: u32) {
    let case = format!("in use: {is_in_use}, restarts: {restarts}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let copy = folder.path().join("copy.db");
    let mut log = SqliteLog::open(&path).unwrap();
    publish(&log, 1..=3).await;
    if is_in_use {
        let source = Connection::open(&path).unwrap();
        let progress = None::<fn(rusqlite::backup::Progress)>;
        source.backup("main", &copy, progress).unwrap();
    } else {
        log.close();
        fs::copy(&path, &copy).unwrap();
        log = SqliteLog::open(&path).unwrap();
    }
    let append = async |log: &SqliteLog| {
        let record = record("later");
        append(log, &NEWS, record, &Retention::new(), SystemTime::now())
            .await
            .unwrap()
    };
    let mut newest = append(&log).await;
    log.close();
    for _ in 0..restarts {
        let log = SqliteLog::open(&path).unwrap();
        let next = append(&log).await;
        assert_eq!(
            (next.epoch, next.sequence),
            (newest.epoch, newest.sequence + 1),
            "{case}"
        );
        newest = next;
        log.close();
    }

    fs::rename(&copy, &path).unwrap();
    let log = SqliteLog::open(&path).unwrap();
    let (start, limit) = (Start::After(newest), sse_actix::Limit::DEFAULT);
    let batch = super::read(&log, &NEWS, start, limit, SystemTime::now()).await;
    let batch = batch.unwrap();
    assert_eq!(
        (batch.resume, batch.entries.len()),
        (sse_actix::Resume::Unknown, 3),
        "{case}"
    );
    assert_ne!(batch.end.epoch, newest.epoch, "{case}");
}

#[tokio::test]
async fn a_copy_of_a_closed_log_that_is_put_into_its_place_gives_new_ids() {
    restore(false, 0).await;
    restore(false, 1).await;
}

#[tokio::test]
async fn a_copy_of_a_log_in_use_that_is_put_into_its_place_gives_new_ids() {
    restore(true, 0).await;
    restore(true, 1).await;
}

/// The view that the guide shows.
#[tokio::test]
async fn people_can_read_the_file() {
    let (_folder, path) = written(2).await;
    let log = SqliteLog::open(&path).unwrap();
    let reader = Connection::open(&path).unwrap();
    let sql = "SELECT topic, position, at, frame FROM log ORDER BY position DESC LIMIT 1";
    let (topic, position, at, frame): (String, String, String, String) = reader
        .query_row(sql, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!((topic.as_str(), frame.as_str()), ("news", "data: 2\n\n"));
    assert!(position.ends_with("-2") && at.len() == 23, "{position} {at}");
    log.close();
}

/// A file of each version of the schema opens, and nothing of it is lost. With `SSE_SQLITE_WRITE_FILES=1` the file of the
/// newest version is written anew.
#[tokio::test]
async fn files_of_all_versions_are_opened() {
    const VERSION: u32 = 2;
    let century = Duration::from_secs(100 * 365 * 24 * 3_600);
    let retention = Retention::new().max_age(century);
    let append = async |log: &SqliteLog, number: u32| {
        let record = record(&number.to_string()).key(format!("key {number}"));
        append(log, &NEWS, record, &retention, SystemTime::now())
            .await
            .unwrap()
            .sequence
    };
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("sqlite/files");
    let folder = tempfile::tempdir().unwrap();
    if std::env::var_os("SSE_SQLITE_WRITE_FILES").is_some() {
        let path = folder.path().join("new.db");
        let log = SqliteLog::open(&path).unwrap();
        for number in 1..=20 {
            append(&log, number).await;
        }
        log.close();
        fs::create_dir_all(&files).unwrap();
        fs::copy(path, files.join(format!("version-{VERSION}.db"))).unwrap();
    }
    for version in 1..=VERSION {
        let path = folder.path().join(format!("version-{version}.db"));
        fs::copy(files.join(format!("version-{version}.db")), &path).unwrap();
        let log = SqliteLog::builder(&path).topic_ttl(century).open().unwrap();
        assert_eq!(append(&log, 21).await, 21);
        let data = read_all(&log, &NEWS, Start::Oldest).await;
        assert!(
            data.iter().eq((1..=21)
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
                .iter())
        );
        log.close();
        let reader = Connection::open(&path).unwrap();
        let found: u32 = reader
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(found, VERSION);
    }
}
