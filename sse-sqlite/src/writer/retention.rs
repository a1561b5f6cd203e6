//! Retention in the file. Readers' rings are trimmed exactly; here a little more is kept, so that many events are
//! deleted at a time.

use std::time::SystemTime;

use rusqlite::{Connection, params};
use sse_actix_core::{Keep, Retention};

use crate::{
    rows,
    topic_row::{Kept, TopicRow},
};

/// How many events are deleted at a time: also the most that are kept beyond the bound.
pub(super) const CHUNK: u64 = 64;

/// Deletes events beyond the topic's bounds, a chunk at a time, and returns true if there may be more.
pub(super) fn trim(
    connection: &Connection,
    topic_row: &mut TopicRow,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let bounds = Bounds::of(topic_row, now);
    if !bounds.are_exceeded(topic_row) {
        return Ok(false);
    }
    let sql = "SELECT id, at, octet_length(frame) + coalesce(octet_length(key), 0) FROM events
        WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    let begin = rows::id(topic_row.number, topic_row.last_deleted);
    let end = rows::id(topic_row.number, rows::MAX_SEQUENCE);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![begin, end, rows::signed(CHUNK)])?;
    let mut last = None;
    let mut deleted = 0;
    while let Some(row) = rows.next()? {
        let (id, at) = (row.get(0)?, rows::unsigned(row.get(1)?));
        if !bounds.take(topic_row, rows::sequence(id), at) {
            break;
        }
        topic_row.kept.events = topic_row.kept.events.saturating_sub(1);
        topic_row.kept.bytes = topic_row.kept.bytes.saturating_sub(rows::unsigned(row.get(2)?));
        last = Some(id);
        deleted += 1;
    }
    drop(rows);
    let Some(last) = last else { return Ok(false) };
    let sql = "DELETE FROM events WHERE id > ?1 AND id <= ?2";
    connection.prepare_cached(sql)?.execute([begin, last])?;
    topic_row.last_deleted = rows::sequence(last);
    topic_row.find_oldest(connection)?;
    topic_row.save_row(connection)?;
    Ok(deleted == CHUNK)
}

/// True if a topic with this row has more than it may keep.
pub(super) fn is_beyond(kept: &Kept, retention: &Retention) -> bool {
    let bounds = Bounds {
        events: retention.events() as u64,
        bytes: retention.bytes() as u64,
        cutoff: 0,
    };
    bounds.are_beyond(kept)
}

/// Deletes the event that a new event with this key replaces.
pub(super) fn replace(connection: &Connection, topic_row: &mut TopicRow, key: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM events WHERE key = ?1 AND id > ?2 AND id <= ?3
        RETURNING id, octet_length(frame) + octet_length(key)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        key,
        rows::id(topic_row.number, topic_row.last_deleted),
        rows::id(topic_row.number, rows::MAX_SEQUENCE)
    ])?;
    let mut is_replaced = false;
    while let Some(row) = rows.next()? {
        is_replaced = true;
        topic_row.kept.events = topic_row.kept.events.saturating_sub(1);
        topic_row.kept.bytes = topic_row.kept.bytes.saturating_sub(rows::unsigned(row.get(1)?));
    }
    drop(rows);
    if is_replaced {
        topic_row.find_oldest(connection)?;
        if topic_row.is_dense {
            topic_row.is_dense = false;
            topic_row.save_row(connection)?;
        }
    }
    Ok(())
}

/// Changes the topic's retention from now on.
pub(super) fn change(
    connection: &Connection,
    topic_row: &mut TopicRow,
    retention: &Retention,
) -> rusqlite::Result<()> {
    let keep = topic_row.retention.keeps();
    topic_row.retention = retention.clone();
    if keep != Keep::LatestPerKey && retention.keeps() == Keep::LatestPerKey {
        let sql = "DELETE FROM events WHERE id > ?1 AND id <= ?2 AND key IS NOT NULL AND id NOT IN
            (SELECT max(id) FROM events WHERE id > ?1 AND id <= ?2 AND key IS NOT NULL GROUP BY key)";
        let ids = [
            rows::id(topic_row.number, topic_row.last_deleted),
            rows::id(topic_row.number, rows::MAX_SEQUENCE),
        ];
        if connection.execute(sql, ids)? > 0 {
            topic_row.is_dense = false;
        }
    }
    topic_row.save_row(connection)?;
    topic_row.count(connection)
}

/// The bounds of a topic.
#[derive(Debug)]
struct Bounds {
    events: u64,
    bytes: u64,
    /// The time before which an event is too old, in milliseconds.
    cutoff: u64,
}

impl Bounds {
    fn of(topic_row: &TopicRow, now: SystemTime) -> Self {
        let cutoff = now.checked_sub(topic_row.retention.age());
        Self {
            events: topic_row.retention.events() as u64,
            bytes: topic_row.retention.bytes() as u64,
            cutoff: cutoff.map_or(0, rows::millis),
        }
    }

    /// True if there are too many events or bytes. A small excess is kept, so that many events are deleted at a time.
    fn are_beyond(&self, kept: &Kept) -> bool {
        kept.events >= self.events.saturating_add((self.events / 16).clamp(1, CHUNK))
            || kept.weight() > self.bytes.saturating_add(self.bytes / 16)
    }

    /// Whether it is time to delete.
    fn are_exceeded(&self, topic_row: &TopicRow) -> bool {
        let is_old = |at| self.is_old(topic_row, topic_row.last_deleted + 1, at);
        self.are_beyond(&topic_row.kept) || topic_row.kept.oldest_at.is_some_and(is_old)
    }

    /// True if this oldest event has to be deleted.
    fn take(&self, topic_row: &TopicRow, sequence: u64, at: u64) -> bool {
        topic_row.kept.events > self.events
            || topic_row.kept.weight() > self.bytes
            || self.is_old(topic_row, sequence, at)
    }

    fn is_old(&self, topic_row: &TopicRow, sequence: u64, at: u64) -> bool {
        let (set_back_to, set_back_head) = topic_row.times.set_back;
        at < self.cutoff || sequence <= set_back_head && set_back_to < self.cutoff
    }
}
