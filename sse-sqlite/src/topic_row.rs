//! The writer's state of a topic: its row, and the changes since the row was written.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sse_actix_core::{Entry, Epoch, Keep, LogStats, OnceStats, OnceWindow, Retention, TopicName};

use crate::{
    cause::Cause,
    keys::Keys,
    rows::{self, signed, unsigned},
};

/// The number of events after which the row is written again. At most this many events are counted when the topic is
/// next loaded.
const UNSAVED: u32 = 256;

/// The least memory in bytes that an entry takes, not counting its key and its frame without the id line. The digits of
/// its sequence are left out.
const OVERHEAD: u64 = size_of::<Entry>() as u64 + 22;

#[derive(Debug, Clone)]
pub(crate) struct TopicRow {
    pub(crate) number: i64,
    pub(crate) epoch: Epoch,
    /// The newest sequence that retention has deleted.
    pub(crate) last_deleted: u64,
    /// The newest sequence.
    pub(crate) last: u64,
    pub(crate) kept: Kept,
    /// True if the sequences of the kept events have no holes.
    pub(crate) is_dense: bool,
    pub(crate) times: Times,
    pub(crate) retention: Retention,
    /// The idempotency keys; `None` until a record has one, so that topics without keys pay nothing for them.
    pub(crate) keys: Option<Box<Keys>>,
    /// Events since the row was written.
    unsaved: u32,
}

/// The part of a topic row that readers need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicRowState {
    /// The topic's number in the file.
    pub(crate) number: i64,
    pub(crate) stats: LogStats,
    /// The newest sequence that retention has deleted.
    pub(crate) last_deleted: u64,
}

/// The events of a topic that are in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept {
    pub(crate) events: u64,
    /// The bytes of their frames and keys.
    pub(crate) bytes: u64,
    /// The time of the oldest, in milliseconds.
    pub(crate) oldest_at: Option<u64>,
}

impl Kept {
    /// Bytes of memory that the events would take: what a [`Retention`] bounds.
    pub(crate) fn weight(&self) -> u64 {
        self.bytes + self.events * OVERHEAD
    }
}

/// Times of a topic, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// The time of the newest event, which may have been deleted.
    pub(crate) newest: u64,
    /// When the topic was last published to or read, to the hour.
    pub(crate) used: u64,
    /// The clock had been set back: it showed this time when this sequence was appended. The age of all events up to it
    /// counts from then.
    pub(crate) set_back: (u64, u64),
    /// The time of the newest idempotency key that was forgotten before its time; 0 if there is none.
    pub(crate) once_cut: u64,
}

impl TopicRow {
    /// The row of the topic with this name, if it is in the file.
    pub(crate) fn load(connection: &Connection, name: &TopicName) -> Result<Option<Self>, Cause> {
        let sql = "SELECT id, epoch, floor, head, events, bytes, is_dense, newest_at, used_at, set_back_to,
            set_back_head, keeps_latest, max_events, max_bytes, max_age, once_age, once_keys, once_cut_at FROM topics WHERE name = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_row([name.as_str()], Self::of_row).optional()?;
        let Some(topic_row) = found else { return Ok(None) };
        let mut topic_row = topic_row.ok_or(Cause::Foreign("a topic's epoch is not valid"))?;
        topic_row.count(connection)?;
        Ok(Some(topic_row))
    }

    /// Creates a topic.
    pub(crate) fn create(
        connection: &Connection,
        name: &TopicName,
        (number, epoch): (i64, Epoch),
        retention: &Retention,
        now: SystemTime,
    ) -> rusqlite::Result<Self> {
        let sql = "INSERT INTO topics VALUES (?1, ?2, ?3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)";
        connection
            .prepare_cached(sql)?
            .execute(params![number, name.as_str(), epoch.as_str()])?;
        let mut topic_row = Self {
            number,
            epoch,
            last_deleted: 0,
            last: 0,
            kept: Kept::default(),
            is_dense: true,
            times: Times::default(),
            retention: retention.clone(),
            keys: None,
            unsaved: 0,
        };
        topic_row.save(connection, now)?;
        Ok(topic_row)
    }

    /// Writes the row of a topic that is in use.
    pub(crate) fn save(&mut self, connection: &Connection, now: SystemTime) -> rusqlite::Result<()> {
        self.times.used = self.times.used.max(rows::millis(now));
        self.save_row(connection)
    }

    /// Writes the row.
    pub(crate) fn save_row(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE topics SET floor = ?2, head = ?3, events = ?4, bytes = ?5, is_dense = ?6, newest_at = ?7,
            used_at = ?8, set_back_to = ?9, set_back_head = ?10, keeps_latest = ?11, max_events = ?12, max_bytes = ?13,
            max_age = ?14, once_age = ?15, once_keys = ?16, once_cut_at = ?17 WHERE id = ?1";
        self.unsaved = 0;
        if let Some(keys) = &self.keys {
            self.times.once_cut = keys.cut();
        }
        let Self { retention, times, .. } = self;
        let window = retention.once_window();
        connection.prepare_cached(sql)?.execute(params![
            self.number,
            signed(self.last_deleted),
            signed(self.last),
            signed(self.kept.events),
            signed(self.kept.bytes),
            self.is_dense,
            signed(times.newest),
            signed(times.used),
            signed(times.set_back.0),
            signed(times.set_back.1),
            retention.keeps() == Keep::LatestPerKey,
            signed(retention.events() as u64),
            signed(retention.bytes() as u64),
            signed(duration_millis(retention.age())),
            signed(duration_millis(window.age())),
            signed(window.keys() as u64),
            signed(times.once_cut),
        ])?;
        Ok(())
    }

    /// Counts another event; writes the row when it is due.
    pub(crate) fn appended(
        &mut self,
        connection: &Connection,
        entry: &Entry,
        now: SystemTime,
    ) -> rusqlite::Result<()> {
        let at = rows::millis(entry.at());
        self.last = entry.sequence();
        self.kept.events += 1;
        self.kept.bytes += (entry.body().len() + entry.key().map_or(0, str::len)) as u64;
        self.kept.oldest_at.get_or_insert(at);
        self.times.newest = at;
        self.unsaved += 1;
        if self.unsaved >= UNSAVED {
            self.save(connection, now)?;
        }
        Ok(())
    }

    /// Notes that the clock was set back, if it was: the next event is appended `now`, and that is before the time of
    /// the newest event. The age of all events so far then counts from `now`.
    pub(crate) fn lower_later_times(&mut self, now: SystemTime) {
        let now = rows::millis(now);
        if now < self.times.newest {
            self.times.set_back = (now, self.last + 1);
        }
    }

    /// The idempotency keys of the topic.
    pub(crate) fn keys(&mut self, connection: &Connection) -> rusqlite::Result<&mut Keys> {
        let keys = match self.keys.take() {
            Some(keys) => keys,
            None => Box::new(Keys::load(connection, self.number, self.times.once_cut)?),
        };
        Ok(self.keys.insert(keys))
    }

    /// The state for readers.
    pub(crate) fn state(&self) -> TopicRowState {
        TopicRowState {
            number: self.number,
            stats: self.stats(),
            last_deleted: self.last_deleted,
        }
    }

    /// The events that are kept, as far as the writer knows.
    fn stats(&self) -> LogStats {
        LogStats {
            epoch: self.epoch,
            head: self.last,
            oldest: (self.kept.events > 0).then_some(self.last_deleted + 1),
            events: usize::try_from(self.kept.events).unwrap_or(usize::MAX),
            bytes: usize::try_from(self.kept.weight()).unwrap_or(usize::MAX),
            deleted: self.last_deleted,
            once: self
                .keys
                .as_ref()
                .map_or(OnceStats::default(), |keys| keys.stats()),
        }
    }

    /// The row as it was written.
    fn of_row(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let number = |column| row.get(column).map(unsigned);
        let Some(epoch) = Epoch::parse(row.get_ref(1)?.as_str()?) else {
            return Ok(None);
        };
        let retention = retention_of(row, 11)?;
        Ok(Some(Self {
            number: row.get(0)?,
            epoch,
            last_deleted: number(2)?,
            last: number(3)?.max(number(2)?),
            kept: Kept {
                events: number(4)?,
                bytes: number(5)?,
                oldest_at: None,
            },
            is_dense: row.get(6)?,
            times: Times {
                newest: number(7)?,
                used: number(8)?,
                set_back: (number(9)?, number(10)?),
                once_cut: number(17)?,
            },
            retention,
            keys: None,
            unsaved: 0,
        }))
    }

    /// Counts the events that were appended after the row was written. If some of the earlier events may have been
    /// deleted, counts all events.
    pub(crate) fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let counts_all = !self.is_dense || self.retention.keeps() == Keep::LatestPerKey;
        let after = if counts_all {
            self.kept = Kept::default();
            self.last_deleted
        } else {
            self.last
        };
        let sql =
            "SELECT count(*), coalesce(sum(octet_length(frame) + coalesce(octet_length(key), 0)), 0), max(id)
            FROM events WHERE id > ?1 AND id <= ?2";
        let end = rows::id(self.number, rows::MAX_SEQUENCE);
        let mut statement = connection.prepare_cached(sql)?;
        let (events, bytes, last) = statement.query_row([rows::id(self.number, after), end], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?))
        })?;
        self.kept.events += unsigned(events);
        self.kept.bytes += unsigned(bytes);
        if let Some(last) = last {
            self.last = self.last.max(rows::sequence(last));
            let sql = "SELECT at FROM events WHERE id = ?1";
            let at = connection
                .prepare_cached(sql)?
                .query_row([last], |row| row.get(0))?;
            self.times.newest = self.times.newest.max(unsigned(at));
        }
        self.find_oldest(connection)
    }

    /// Finds the time of the oldest event.
    pub(crate) fn find_oldest(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT at FROM events WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1";
        let ids = [
            rows::id(self.number, self.last_deleted),
            rows::id(self.number, rows::MAX_SEQUENCE),
        ];
        let oldest = connection.prepare_cached(sql)?.query_row(ids, |row| row.get(0));
        self.kept.oldest_at = oldest.optional()?.map(unsigned);
        Ok(())
    }
}

/// A topic's retention, from the columns of its row that begin at `from`.
pub(crate) fn retention_of(row: &Row<'_>, from: usize) -> rusqlite::Result<Retention> {
    let number = |column| row.get(from + column).map(unsigned);
    let size = |column| number(column).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    let age = |column| number(column).map(Duration::from_millis);
    let keep = if row.get(from)? {
        Keep::LatestPerKey
    } else {
        Keep::Every
    };
    let window = OnceWindow::new().max_age(age(4)?).max_keys(size(5)?);
    Ok(Retention::new()
        .keep(keep)
        .max_events(size(1)?)
        .max_bytes(size(2)?)
        .max_age(age(3)?)
        .once_within(window))
}

/// True if `retention` would be written to a row as `stored` is.
pub(crate) fn is_stored_as(retention: &Retention, stored: &Retention) -> bool {
    let numbers = |retention: &Retention| {
        let window = retention.once_window();
        [
            retention.events() as u64,
            retention.bytes() as u64,
            duration_millis(retention.age()),
            duration_millis(window.age()),
            window.keys() as u64,
        ]
        .map(signed)
    };
    retention.keeps() == stored.keeps() && numbers(retention) == numbers(stored)
}

/// Milliseconds, at most `u64::MAX`.
fn duration_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The smallest number, from `from` on, that neither a topic nor rows of a deleted topic have; more than
/// [`rows::MAX_NUMBER`] if all are taken.
pub(crate) fn free_number(connection: &Connection, from: i64) -> rusqlite::Result<i64> {
    let sql =
        "SELECT id FROM topics WHERE id >= ?1 UNION SELECT topic FROM unswept WHERE topic >= ?1 ORDER BY 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([from])?;
    let mut free = from;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? != free {
            break;
        }
        free += 1;
    }
    Ok(free)
}
