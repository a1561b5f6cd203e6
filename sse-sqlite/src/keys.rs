//! The idempotency keys of one topic. They are in a table of the file, in the order of their events. Once a key is
//! looked up, they are in memory, too.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, params};
use sse_actix_core::{IdempotencyKey, OnceStats, OnceWindow};

use crate::rows::{self, signed, unsigned};

/// Approximate memory for one key, without its text.
const PER_KEY: usize = 160;

/// How many rows are deleted together.
const CHUNK: usize = 64;

#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    sequences: HashMap<IdempotencyKey, u64>,
    by_age: VecDeque<Remembered>,
    bytes: usize,
    /// The time of the newest key that was forgotten before its time, in milliseconds; 0 if there is none.
    cut: u64,
    /// The number of forgotten keys whose rows still exist, and the sequence of the newest of them.
    forgotten: (usize, u64),
}

#[derive(Debug, Clone)]
struct Remembered {
    key: IdempotencyKey,
    sequence: u64,
    /// In milliseconds; never later than the time of a key that follows.
    at: u64,
}

impl Keys {
    /// Reads the keys of a topic.
    pub(crate) fn load(connection: &Connection, number: i64, cut: u64) -> rusqlite::Result<Self> {
        let sql = "SELECT id, at, key FROM once WHERE id > ?1 AND id <= ?2 ORDER BY id";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(range(number))?;
        let mut keys = Self {
            cut,
            ..Self::default()
        };
        while let Some(row) = rows.next()? {
            // A text that is not a valid key was written by another program.
            if let Ok(key) = IdempotencyKey::try_from(row.get_ref(2)?.as_str()?) {
                keys.remember(key, rows::sequence(row.get(0)?), unsigned(row.get(1)?));
            }
        }
        // If the clock was set back, the age of the earlier keys counts from the time to which it was set.
        let mut youngest = u64::MAX;
        for key in keys.by_age.iter_mut().rev() {
            youngest = youngest.min(key.at);
            key.at = youngest;
        }
        Ok(keys)
    }

    /// The sequence of the event with this key, within the window.
    pub(crate) fn find(&mut self, key: &IdempotencyKey, window: OnceWindow, now: SystemTime) -> Option<u64> {
        self.forget_old(window, now);
        self.sequences.get(key).copied()
    }

    /// Remembers the key of an event that is inserted in the same transaction.
    pub(crate) fn insert(
        &mut self,
        connection: &Connection,
        id: i64,
        key: IdempotencyKey,
        window: OnceWindow,
        now: SystemTime,
    ) -> rusqlite::Result<()> {
        let at = rows::millis(now);
        let sql = "INSERT INTO once (id, at, key) VALUES (?1, ?2, ?3)";
        connection
            .prepare_cached(sql)?
            .execute(params![id, signed(at), key.as_str()])?;
        self.remember(key, rows::sequence(id), at);
        self.forget_old(window, now);
        if self.forgotten.0 >= CHUNK {
            self.delete_forgotten(connection, id)?;
        }
        Ok(())
    }

    fn remember(&mut self, key: IdempotencyKey, sequence: u64, at: u64) {
        self.bytes += PER_KEY + key.as_str().len();
        self.sequences.insert(key.clone(), sequence);
        self.by_age.push_back(Remembered { key, sequence, at });
    }

    /// Forgets what is outside the window.
    pub(crate) fn forget_old(&mut self, window: OnceWindow, now: SystemTime) {
        let now = rows::millis(now);
        // A time in the future is from before the clock was set back. Such a key would stay until the clock reaches
        // that time again.
        let later = self.by_age.iter_mut().rev().take_while(|key| key.at > now);
        later.for_each(|key| key.at = now);
        self.cut = self.cut.min(now);
        let age = u64::try_from(window.age().as_millis()).unwrap_or(u64::MAX);
        while self
            .by_age
            .front()
            .is_some_and(|key| now.saturating_sub(key.at) > age)
        {
            self.forget_oldest();
        }
        while self.by_age.len() > window.keys() {
            self.cut = self.forget_oldest().unwrap_or(self.cut);
        }
    }

    /// Forgets the older half of the keys, before their time.
    pub(crate) fn push_out_half(&mut self) {
        for _ in 0..self.by_age.len().div_ceil(2) {
            self.cut = self.forget_oldest().unwrap_or(self.cut);
        }
    }

    fn forget_oldest(&mut self) -> Option<u64> {
        let oldest = self.by_age.pop_front()?;
        self.bytes -= PER_KEY + oldest.key.as_str().len();
        self.sequences.remove(&oldest.key);
        self.forgotten = (self.forgotten.0 + 1, oldest.sequence);
        Some(oldest.at)
    }

    /// Deletes the rows of forgotten keys of this event's topic.
    pub(crate) fn delete_forgotten(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<()> {
        let number = rows::number(id);
        let (_, through) = std::mem::take(&mut self.forgotten);
        let sql = "DELETE FROM once WHERE id > ?1 AND id <= ?2";
        let ids = [rows::id(number, 0), rows::id(number, through)];
        connection.prepare_cached(sql)?.execute(ids)?;
        Ok(())
    }

    pub(crate) fn cut(&self) -> u64 {
        self.cut
    }

    /// Their approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn stats(&self) -> OnceStats {
        OnceStats {
            keys: self.by_age.len(),
            bytes: self.bytes,
            cut_at: (self.cut > 0).then(|| rows::time(self.cut)),
        }
    }
}

/// Deletes old keys of a topic whose keys are not in memory; `true` if there may be more.
pub(crate) fn delete_old(
    connection: &Connection,
    number: i64,
    age: Duration,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let cutoff = now.checked_sub(age).map_or(0, rows::millis);
    let sql = "DELETE FROM once WHERE id IN
        (SELECT id FROM once WHERE id > ?1 AND id <= ?2 AND at < ?3 ORDER BY id LIMIT ?4)";
    let [begin, end] = range(number);
    let most = signed(CHUNK as u64);
    let deleted = connection
        .prepare_cached(sql)?
        .execute(params![begin, end, signed(cutoff), most])?;
    Ok(deleted == CHUNK)
}

fn range(number: i64) -> [i64; 2] {
    [rows::id(number, 0), rows::id(number, rows::MAX_SEQUENCE)]
}
