use rusqlite::Connection;
use sse_actix_core::TopicName;

use crate::{cause::Cause, head::Head, rows};

/// Deletes a topic with its events and idempotency keys, and returns the number that this frees. Returns `None` and
/// deletes nothing if the topic has never had an event, because its readers have missed nothing.
pub(super) fn topic(
    connection: &Connection,
    name: &TopicName,
    slot: &mut Option<Head>,
) -> Result<Option<i64>, Cause> {
    if slot.is_none() {
        *slot = Head::load(connection, name)?;
    }
    let Some(head) = slot.take_if(|head| head.last > 0) else {
        return Ok(None);
    };
    let ids = [
        rows::id(head.number, 0),
        rows::id(head.number, rows::MAX_SEQUENCE),
    ];
    for sql in [
        "DELETE FROM events WHERE id >= ?1 AND id <= ?2",
        "DELETE FROM once WHERE id >= ?1 AND id <= ?2",
    ] {
        connection.prepare_cached(sql)?.execute(ids)?;
    }
    let sql = "DELETE FROM topics WHERE id = ?1";
    connection.prepare_cached(sql)?.execute([head.number])?;
    Ok(Some(head.number))
}
