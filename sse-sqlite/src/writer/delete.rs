//! Deletes topics. A topic is gone with its row in `topics`; its other rows are swept later, a few at a time, so that a large
//! topic does not hold up publishers.

use rusqlite::{Connection, OptionalExtension as _, params};
use sse_actix_core::TopicName;

use crate::{cause::Cause, deleted, rows, topic_row::TopicRow};

/// How many rows of a table are swept together.
const ROWS: u64 = 512;

/// How many bytes of events are swept together, and at least one event.
const BYTES: u64 = 1 << 20;

/// Deletes a topic. Returns false if the topic has never had an event: its readers have missed nothing.
pub(super) fn topic(
    connection: &Connection,
    name: &TopicName,
    slot: &mut Option<TopicRow>,
    now: u64,
) -> Result<bool, Cause> {
    *slot = None;
    let sql = "DELETE FROM topics WHERE name = ?1 RETURNING id";
    let mut statement = connection.prepare_cached(sql)?;
    let number: Option<i64> = statement
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(false) };
    let sql = "INSERT INTO unswept VALUES (?1)";
    connection.prepare_cached(sql)?.execute([number])?;
    deleted::insert(connection, name, now)?;
    Ok(true)
}

/// What one sweep did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Swept {
    /// There was nothing.
    Nothing,
    /// Rows of a topic, which may have more.
    Some,
    /// The last rows of the topic with this number.
    All(i64),
}

/// Sweeps some rows of a deleted topic.
pub(super) fn sweep(connection: &Connection) -> rusqlite::Result<Swept> {
    let Some(number) = first_unswept(connection)? else {
        return Ok(Swept::Nothing);
    };
    let [begin, end] = [rows::id(number, 0), rows::id(number, rows::MAX_SEQUENCE)];
    let has_more_events = sweep_events(connection, [begin, end])?;
    let sql =
        "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3)";
    let keys = connection
        .prepare_cached(sql)?
        .execute(params![begin, end, rows::signed(ROWS)])?;
    if has_more_events || keys as u64 == ROWS {
        return Ok(Swept::Some);
    }
    let sql = "DELETE FROM unswept WHERE topic = ?1";
    connection.prepare_cached(sql)?.execute([number])?;
    Ok(Swept::All(number))
}

/// The number of a deleted topic that has rows.
pub(super) fn first_unswept(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT topic FROM unswept ORDER BY topic LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([], |row| row.get(0)).optional()
}

/// Deletes the first events of a range, and returns true if there may be more.
fn sweep_events(connection: &Connection, [begin, end]: [i64; 2]) -> rusqlite::Result<bool> {
    let sql = "SELECT id, octet_length(frame) FROM events WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![begin, end, rows::signed(ROWS)])?;
    let (mut events, mut bytes, mut last) = (0, 0, None);
    while bytes < BYTES
        && let Some(row) = rows.next()?
    {
        last = Some(row.get(0)?);
        bytes += rows::unsigned(row.get(1)?);
        events += 1;
    }
    drop(rows);
    let Some(last) = last else { return Ok(false) };
    let sql = "DELETE FROM events WHERE id >= ?1 AND id <= ?2";
    connection.prepare_cached(sql)?.execute([begin, last])?;
    Ok(events == ROWS || bytes >= BYTES)
}
