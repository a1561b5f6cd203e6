//! The rows of events, and the entries that they become.

use std::{
    str,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use sse_actix_core::{Entry, Epoch, Position, Record};

/// How many bits of an event's id are its sequence.
const SEQUENCE_BITS: u32 = 40;

/// The greatest sequence.
pub(crate) const MAX_SEQUENCE: u64 = (1 << SEQUENCE_BITS) - 1;

/// The greatest number of a topic: ids are signed.
pub(crate) const MAX_NUMBER: i64 = (1 << (63 - SEQUENCE_BITS)) - 2;

/// The row of a topic's event.
pub(crate) fn id(number: i64, sequence: u64) -> i64 {
    // Below 2^40, so it fits.
    number << SEQUENCE_BITS | i64::try_from(sequence.min(MAX_SEQUENCE)).unwrap_or(i64::MAX)
}

/// The number of the topic in a row's id.
pub(crate) fn number(id: i64) -> i64 {
    id >> SEQUENCE_BITS
}

/// The sequence in a row's id.
pub(crate) fn sequence(id: i64) -> u64 {
    id.unsigned_abs() & MAX_SEQUENCE
}

pub(crate) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn time(millis: u64) -> SystemTime {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    at.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Converts a number into SQLite's signed form.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The inverse of [`signed`].
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Inserts an entry of a topic.
pub(crate) fn insert(connection: &Connection, number: i64, entry: &Entry) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events (id, at, key, frame) VALUES (?1, ?2, ?3, ?4)";
    // A record's body is text.
    let frame = str::from_utf8(entry.body()).unwrap_or_default();
    connection.prepare_cached(sql)?.execute(params![
        id(number, entry.sequence()),
        signed(millis(entry.at())),
        entry.key(),
        frame
    ])?;
    Ok(())
}

/// A range of a topic's entries: all after one sequence, up to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) number: i64,
    pub(crate) epoch: Epoch,
    pub(crate) after: u64,
    pub(crate) through: u64,
}

impl Range {
    /// The entries in their order.
    pub(crate) fn forward(&self, connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
        let sql = "SELECT id, at, key, frame FROM events WHERE id > ?1 AND id <= ?2 ORDER BY id";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(self.ids())?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.extend(self.entry(row)?);
        }
        Ok(entries)
    }

    /// The newest entries that take no more than `bytes`, in their order, and the sequence after which they begin.
    pub(crate) fn newest(
        &self,
        connection: &Connection,
        bytes: usize,
    ) -> rusqlite::Result<(Vec<Entry>, u64)> {
        let sql = "SELECT id, at, key, frame FROM events WHERE id > ?1 AND id <= ?2 ORDER BY id DESC";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(self.ids())?;
        let (mut entries, mut taken, mut begin) = (Vec::new(), 0, self.after);
        while let Some(row) = rows.next()? {
            let Some(entry) = self.entry(row)? else { continue };
            taken += size_of::<Entry>() + entry.frame().len() + entry.key().map_or(0, str::len);
            if taken > bytes {
                begin = entry.sequence();
                break;
            }
            entries.push(entry);
        }
        entries.reverse();
        Ok((entries, begin))
    }

    /// The newest sequence whose event is older than `cutoff`, in milliseconds; times never go back, so all events
    /// before it are older, too.
    pub(crate) fn last_before(&self, connection: &Connection, cutoff: u64) -> rusqlite::Result<u64> {
        let sql = "SELECT id, at FROM events WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1";
        let mut statement = connection.prepare_cached(sql)?;
        // Everything up to `old` is too old, everything after `young` is not.
        let (mut old, mut young) = (self.after, self.through);
        while old < young {
            let middle = old + (young - old) / 2;
            let ids = [id(self.number, middle), id(self.number, young)];
            let mut rows = statement.query(ids)?;
            match rows.next()? {
                Some(row) if unsigned(row.get(1)?) < cutoff => old = sequence(row.get(0)?),
                _ => young = middle,
            }
        }
        Ok(old)
    }

    fn ids(&self) -> [i64; 2] {
        [id(self.number, self.after), id(self.number, self.through)]
    }

    /// The entry of a row; `None` if it holds no record.
    fn entry(&self, row: &Row<'_>) -> rusqlite::Result<Option<Entry>> {
        let sequence = sequence(row.get(0)?);
        let at = time(unsigned(row.get(1)?));
        let key: Option<&str> = row.get_ref(2)?.as_str_or_null()?;
        let frame = row.get_ref(3)?.as_bytes()?;
        let Ok(mut record) = Record::from_body(Bytes::copy_from_slice(frame)) else {
            tracing::error!(
                target: "sse_actix", topic = self.number, sequence,
                "an event in the file is left out: another program has written it"
            );
            return Ok(None);
        };
        if let Some(key) = key {
            record = record.key(key);
        }
        let position = Position {
            epoch: self.epoch,
            sequence,
        };
        Ok(Some(Entry::new(position, record, at)))
    }
}
