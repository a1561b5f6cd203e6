use rusqlite::Connection;

/// Copies the write-ahead log into the file, and syncs both unless `synchronous` is off. Fails if a reader is in the
/// way.
///
/// `mode` is `FULL`, or `TRUNCATE`, which also empties the write-ahead log.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let is_busy: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    if is_busy != 0 {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    Ok(())
}
