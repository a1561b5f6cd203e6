//! Opens the file: recognises it before any change, creates it in one step, and updates it to the newest version.

mod checkpoint;
mod header;
mod network;
mod opening;

#[cfg(unix)]
use std::fs::File;
use std::{fs, path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use self::{checkpoint::checkpoint, header::Header};
use crate::{
    error::OpenError,
    file_lock::{FileLock, private, with_suffix},
    in_place,
    settings::{Settings, Synchronous},
};

/// The application id in SQLite's header: `SSEl`.
const APPLICATION_ID: u32 = 0x5353_456c;

/// Each migration updates a file to the next version. A new file is created by all migrations, so the result is the
/// same.
const MIGRATIONS: [&str; 2] = [
    include_str!("file/version_1.sql"),
    include_str!("file/version_2.sql"),
];

/// The version of the schema that this crate writes.
const VERSION: u32 = 2;

/// Pages of the write-ahead log before they are copied into the file: 64 MiB. With SQLite's own 1,000 pages, 1 of 100
/// commits takes two to three times as long.
const CHECKPOINT_PAGES: u32 = 16_000;

/// How long a connection waits for another connection of this process, which holds a lock only for moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Closing a connection leaves the write-ahead log, so that a damaged file stays unchanged, and so that a log that was
/// not closed can be distinguished from a copy.
const KEEP_WAL: DbConfig = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;

/// Opens the file for the writer, creates it, or updates it to the newest version. Changes nothing if it fails.
pub(crate) fn open(settings: &Settings, lock: &mut FileLock) -> Result<Connection, OpenError> {
    let beside = ["-wal", "-shm"].map(|suffix| with_suffix(&settings.path, suffix));
    let was_alone = beside.iter().all(|path| !path.exists());
    open_checked(settings, lock).inspect_err(|_| {
        if was_alone {
            // SQLite has created them to look into the file.
            for path in &beside {
                let _ = fs::remove_file(path);
            }
        }
    })
}

fn open_checked(settings: &Settings, lock: &mut FileLock) -> Result<Connection, OpenError> {
    let path = &settings.path;
    network::check(path)?;
    in_place::check_names(path)?;
    let (found, has_wal) = if let Some(header) = Header::read(path)? {
        (header.check(path, APPLICATION_ID, VERSION)?, header.has_wal)
    } else {
        create(path).map_err(|error| failed(path, error))?;
        (VERSION, false)
    };
    let fails = |error| failed(path, error);
    let connection = connect(path).map_err(fails)?;
    check_schema(&connection).map_err(fails)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(fails)?;
    if mode != "wal" {
        return Err(OpenError::NetworkFileSystem {
            path: path.clone(),
            kind: "a file system without shared memory",
        });
    }
    migrate(&connection, found).map_err(fails)?;
    opening::begin(&connection, lock, settings.synchronous, has_wal).map_err(fails)?;
    tune(&connection, settings.synchronous).map_err(fails)?;
    Ok(connection)
}

/// Opens the file again after an error from which SQLite does not recover, and makes sure that its content is on disk.
pub(crate) fn reopen(settings: &Settings) -> rusqlite::Result<Connection> {
    let connection = connect(&settings.path)?;
    tune(&connection, settings.synchronous)?;
    // After a failed sync, the system may treat pages as written that are not: so all are written once more.
    checkpoint(&connection, "TRUNCATE")?;
    Ok(connection)
}

/// Opens the file for reading.
pub(crate) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Notes that the log was closed and everything is on disk.
pub(crate) fn note_closed(connection: &Connection) -> rusqlite::Result<()> {
    opening::end(connection)?;
    // Closing copies the write-ahead log into the file.
    connection.set_db_config(KEEP_WAL, false)?;
    Ok(())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(KEEP_WAL, true)?;
    // On macOS, a sync reaches the disk only with these two settings. On other systems they have no effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    Ok(connection)
}

/// The settings of each connection that writes.
fn tune(connection: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", synchronous.as_str())?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", i64::from(CHECKPOINT_PAGES) * 4_096)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Creates the file under another name first, so that a partly created file never has the log's name.
fn create(path: &Path) -> rusqlite::Result<()> {
    let new = with_suffix(path, "-new");
    let io = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    for left in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(&new, left)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    // Files that SQLite creates beside it have the same permissions.
    private().create_new(true).open(&new).map_err(io)?;
    let connection = Connection::open(&new)?;
    // Only possible before there is a table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(&connection, 0)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    fs::rename(&new, path).map_err(io)?;
    sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(io)
}

/// Syncs the folder, so that the file keeps its name after a power cut.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// On other systems a folder cannot be synced.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Updates a file of this version to the newest.
fn migrate(connection: &Connection, from: u32) -> rusqlite::Result<()> {
    for (version, migration) in (1..).zip(MIGRATIONS).skip(from as usize) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA user_version = {version}; COMMIT;"
        ))?;
    }
    Ok(())
}

/// Reads a little of every table. Reading everything would take 15 s with ten million events.
fn check_schema(connection: &Connection) -> rusqlite::Result<()> {
    for sql in [
        "SELECT count(*) FROM sqlite_schema",
        "SELECT max(id) FROM topics",
        "SELECT min(name) FROM topics",
        "SELECT max(id) FROM events",
        "SELECT count(*) FROM meta",
    ] {
        connection.query_row(sql, [], |_| Ok(()))?;
    }
    Ok(())
}

fn failed(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        // SQLite reports a missing table as the last of these.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
            OpenError::Damaged {
                path,
                what: error.to_string(),
            }
        }
        _ => OpenError::Sqlite { path, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On macOS a plain sync stops at the disk's cache.
    #[test]
    fn a_sync_reaches_the_disk_on_macos_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        create(&path).unwrap();
        let connection = connect(&path).unwrap();
        for pragma in ["fullfsync", "checkpoint_fullfsync"] {
            let is_on: bool = connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .unwrap();
            assert!(is_on, "{pragma}");
        }
    }
}
