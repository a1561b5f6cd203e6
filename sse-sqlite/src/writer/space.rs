//! The disk space of the file: what is given back, and the recovery once there is room.

use std::fs;

use rusqlite::Connection;

use super::{Failure, Writer, transaction};
use crate::{cause::Cause, rows};

/// This many free pages, and a tenth of the file, are kept for new events.
const FREE_PAGES: u64 = 1_000;

/// How many pages are freed together.
const PAGES: u32 = 256;

impl Writer {
    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self.shared.state.fault(), Some(Cause::DiskFull))
    }

    /// Copies the write-ahead log into the file and empties it, so that its disk space is free. While the disk is full, that is only done
    /// if the file does not grow by it, or if the reserve is held: else the file would take the space in which events are deleted.
    pub(super) fn reuse_wal(&self) -> bool {
        let Some(connection) = &self.connection else {
            return false;
        };
        let is_larger = file_bytes(connection).is_ok_and(|bytes| {
            let found = fs::metadata(&self.shared.settings.path).map_or(0, |file| file.len());
            bytes > found
        });
        if is_larger && self.reserve.take().is_err() {
            return false;
        }
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        // A reader may be in the way.
        let is_busy = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        is_busy.is_ok_and(|is_busy| is_busy == 0)
    }

    /// Returns free pages to the file system: all, if the disk is full. Returns true if it has returned some.
    pub(super) fn give_space_back(&self) -> Result<bool, Failure> {
        let Some(connection) = &self.connection else {
            return Ok(false);
        };
        let free = || -> rusqlite::Result<bool> {
            let (pages, free) = (
                pragma(connection, "page_count")?,
                pragma(connection, "freelist_count")?,
            );
            let kept = if self.is_disk_full() {
                0
            } else {
                FREE_PAGES + pages / 10
            };
            if free <= kept {
                return Ok(false);
            }
            // When the disk is full, there is only the reserve for it.
            let pages = if self.is_disk_full() { PAGES / 8 } else { PAGES };
            let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = vacuum.query([])?;
            // Each step frees one page.
            while rows.next()?.is_some() {}
            Ok(pragma(connection, "freelist_count")? < free)
        };
        free().map_err(|error| Failure::Refused(error.into()))
    }

    /// Tries whether the file can be written to again.
    pub(super) fn recover(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        if self.is_disk_full() {
            if self.maintenance.sweep.is_some() {
                // First everything is deleted.
                return;
            }
            let has_room = self.reuse_wal() && self.reserve.take().is_ok();
            if !has_room {
                return;
            }
        }
        if let Err(cause @ Cause::FileFull { .. }) = self.has_room() {
            return self.shared.state.failed(&cause);
        }
        let written = transaction(connection, |connection| {
            let sql = "INSERT OR REPLACE INTO meta VALUES ('recovered', datetime('now'))";
            connection.execute(sql, [])?;
            Ok(())
        });
        match written {
            Ok(()) => self.shared.state.recovered(),
            Err(Failure::Refused(cause) | Failure::Unknown(cause)) => {
                let is_broken = !matches!(cause, Cause::DiskFull);
                self.shared.state.failed(&self.explain(cause));
                if is_broken {
                    // After a failed sync, only a file that is opened again is known to be on disk.
                    self.connection = None;
                }
            }
        }
    }
}

/// The used bytes of the file.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let (pages, free) = (
        pragma(connection, "page_count")?,
        pragma(connection, "freelist_count")?,
    );
    Ok(pages.saturating_sub(free) * pragma(connection, "page_size")?)
}

/// The bytes of the file once the write-ahead log is copied into it.
fn file_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(pragma(connection, "page_count")? * pragma(connection, "page_size")?)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA {name}"))?;
    statement.query_row([], |row| row.get(0)).map(rows::unsigned)
}
