//! Topics that were deleted. The file remembers the next epoch of each: one that the topic has never had, so that a
//! client with an id of the deleted topic gets a gap event. Clients of other topics notice nothing.

use rusqlite::{Connection, OptionalExtension as _, params};
use sse_actix_core::{Epoch, TopicName};

use crate::rows::signed;

/// How many are forgotten together.
const CHUNK: u64 = 128;

/// The epoch in which a deleted topic begins again; `None` if it was not deleted, or is not remembered.
pub(crate) fn epoch(connection: &Connection, topic: &TopicName) -> rusqlite::Result<Option<Epoch>> {
    let sql = "SELECT epoch FROM deleted WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([topic.as_str()])?;
    match rows.next()? {
        Some(row) => Ok(Epoch::parse(row.get_ref(0)?.as_str()?)),
        None => Ok(None),
    }
}

/// Notes that a topic was deleted. `now` is in milliseconds.
pub(crate) fn insert(connection: &Connection, topic: &TopicName, now: u64) -> rusqlite::Result<()> {
    let epoch = Epoch::new(topic, fastrand::u64(..));
    let sql = "INSERT OR REPLACE INTO deleted VALUES (?1, ?2, ?3)";
    let row = params![topic.as_str(), epoch.as_str(), signed(now)];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Forgets that a topic was deleted.
pub(crate) fn forget(connection: &Connection, topic: &TopicName) -> rusqlite::Result<()> {
    let sql = "DELETE FROM deleted WHERE name = ?1";
    connection.prepare_cached(sql)?.execute([topic.as_str()])?;
    Ok(())
}

/// Whether a topic was deleted before this time, in milliseconds.
pub(crate) fn has_older(connection: &Connection, before: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM deleted WHERE at < ?1 LIMIT 1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([signed(before)], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// Forgets some of the topics that were deleted before this time, in milliseconds.
pub(crate) fn forget_older(connection: &Connection, before: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM deleted WHERE name IN (SELECT name FROM deleted WHERE at < ?1 LIMIT ?2)";
    connection
        .prepare_cached(sql)?
        .execute([signed(before), signed(CHUNK)])?;
    Ok(())
}
