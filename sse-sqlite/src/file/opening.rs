//! Finds out whether the file has lost events since it was last open. Their sequences would be given again, to other
//! events. So all topics then get new epochs, and clients get a gap event.
//!
//! The file has lost events if it was replaced by an older copy, or if there was a power cut and [`Synchronous`] was
//! weaker than full.
//!
//! Each opening of the log has a name, which is in the file and in the lock file. A copy of a log that was closed has
//! the name of an earlier opening than the lock file. A copy of a log in use has no write-ahead log beside it; a
//! crashed process leaves one.

use std::{fs, io};

use rusqlite::{Connection, OptionalExtension as _, params};
use sse_actix_core::{Epoch, TopicName};

use super::checkpoint::checkpoint;
use crate::{file_lock::FileLock, settings::Synchronous};

/// Notes that the file is in use. `has_wal` says whether there was a write-ahead log beside it.
pub(super) fn begin(
    connection: &Connection,
    lock: &mut FileLock,
    synchronous: Synchronous,
    has_wal: bool,
) -> rusqlite::Result<()> {
    // This note has to be on disk before any change whose sync is not certain.
    set_synchronous(connection, Synchronous::Full)?;
    let boot = boot();
    // The file's word for the name of an opening is `life`.
    let before = get(connection, "life")?;
    let was_closed = get(connection, "closed")?.is_none_or(|closed| closed == "1");
    let was_full = get(connection, "synchronous")?.is_none_or(|was| was == Synchronous::Full.as_str());
    // The system outlives its processes, and has everything that they wrote.
    let is_same_boot = boot.is_some() && get(connection, "boot")? == boot;
    let is_copy = before
        .as_deref()
        .is_some_and(|opening| match lock.knows(opening) {
            Some(is_known) => !is_known || !was_closed && !has_wal,
            // There is no lock file beside the log: the log was moved or copied without it. Then only the copy of a log
            // in use can be distinguished from a log that was moved.
            None => !was_closed,
        });
    let has_lost = !was_closed && !was_full && !is_same_boot;
    let opening = format!("{:016x}", fastrand::u64(..));
    let failed = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    // From here on the lock file knows both openings, so it knows the file whenever the process ends. For a copy, it
    // knows only the new one.
    let known = before.as_deref().filter(|_| !is_copy);
    lock.set_openings(known.into_iter().chain([opening.as_str()]))
        .map_err(failed)?;
    let change = connection.unchecked_transaction()?;
    if is_copy || has_lost {
        tracing::warn!(
            target: "sse_actix", is_copy,
            "the newest events may be missing: all topics get new epochs, and clients get a gap event"
        );
        renew_epochs(connection)?;
        // Topics that were forgotten since then have no row whose epoch could change.
        connection.execute("DELETE FROM meta WHERE name = 'unpublished'", [])?;
        connection.execute("DELETE FROM deleted", [])?;
    }
    set(connection, "life", &opening)?;
    set(connection, "boot", boot.as_deref().unwrap_or_default())?;
    set(connection, "synchronous", synchronous.as_str())?;
    set(connection, "closed", "0")?;
    change.commit()?;
    if synchronous != Synchronous::Full {
        // Without syncs, the write-ahead log would be written over before this is in the file.
        checkpoint(connection, "FULL")?;
    }
    lock.set_openings([opening.as_str()]).map_err(failed)
}

/// Notes that the file was closed, once all of it is on disk.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<()> {
    if get(connection, "synchronous")?.as_deref() != Some(Synchronous::Full.as_str()) {
        set_synchronous(connection, Synchronous::Full)?;
        // A checkpoint syncs the file only if it copies something, so something is written first.
        let sql = "INSERT OR REPLACE INTO meta VALUES ('closed_at', datetime('now', 'subsec'))";
        connection.execute(sql, [])?;
        checkpoint(connection, "FULL")?;
    }
    set(connection, "closed", "1")
}

fn set_synchronous(connection: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", synchronous.as_str())
}

/// An id that changes at each start of the system; `None` if it is unknown.
fn boot() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned())
}

fn renew_epochs(connection: &Connection) -> rusqlite::Result<()> {
    let mut topics = connection.prepare("SELECT id, name FROM topics")?;
    let mut change = connection.prepare("UPDATE topics SET epoch = ?2 WHERE id = ?1")?;
    let mut rows = topics.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        if let Ok(name) = TopicName::try_from(name) {
            let epoch = Epoch::new(&name, fastrand::u64(..));
            change.execute(params![row.get::<_, i64>(0)?, epoch.as_str()])?;
        }
    }
    Ok(())
}

fn get(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    connection.query_row(sql, [name], |row| row.get(0)).optional()
}

fn set(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [name, value])?;
    Ok(())
}
