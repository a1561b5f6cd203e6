//! A bare loop: the same schema, settings and statements, and nothing around them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use sse_bench::number;

use crate::{
    Result,
    publish::{TOPICS, data},
};

const SCHEMA: [&str; 2] = [
    include_str!("../../../../sse-sqlite/src/file/version_1.sql"),
    include_str!("../../../../sse-sqlite/src/file/version_2.sql"),
];

/// How many events are deleted together, as by the log.
const CHUNK: i64 = 64;

pub(crate) struct Bare {
    connection: Connection,
    topics: Vec<Topic>,
    /// How many events each topic keeps.
    most: i64,
}

struct Topic {
    number: i64,
    floor: i64,
    head: i64,
}

impl Bare {
    /// A new file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        for sql in SCHEMA {
            connection.execute_batch(sql)?;
        }
        tune(&connection)?;
        let topics = (0..i64::from(TOPICS)).map(|number| Topic {
            number,
            floor: 0,
            head: 0,
        });
        Ok(Self {
            connection,
            topics: topics.collect(),
            most: i64::MAX,
        })
    }

    /// A file that a log has closed. Each topic keeps so many events.
    pub(crate) fn open(path: &Path, most: i64) -> Result<Self> {
        let connection = Connection::open(path)?;
        tune(&connection)?;
        let sql = "SELECT id, floor,
            (SELECT max(events.id) & 1099511627775 FROM events WHERE events.id < (topics.id + 1) << 40) FROM topics";
        let mut statement = connection.prepare(sql)?;
        let topics = statement.query_map([], |row| {
            Ok(Topic {
                number: row.get(0)?,
                floor: row.get(1)?,
                head: row.get(2)?,
            })
        })?;
        let topics = topics.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        Ok(Self {
            connection,
            topics,
            most,
        })
    }

    /// Writes batches of this mean size for a while. Returns events a second.
    pub(crate) fn write(&mut self, batch: f64, time: Duration) -> Result<f64> {
        let data = format!("data: {}\n\n", data());
        let (began, mut events, mut due) = (Instant::now(), 0_u64, 0.0);
        let connection = &self.connection;
        while began.elapsed() < time {
            due += batch;
            connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            while number(events) < due {
                let topic = fastrand::usize(..self.topics.len());
                let Some(topic) = self.topics.get_mut(topic) else {
                    continue;
                };
                topic.head += 1;
                let id = topic.number << 40 | topic.head;
                let sql = "INSERT INTO events (id, at, key, frame) VALUES (?1, ?2, ?3, ?4)";
                let row = params![id, millis()?, None::<&str>, data];
                connection.prepare_cached(sql)?.execute(row)?;
                if topic.head - topic.floor >= self.most.saturating_add(CHUNK) {
                    delete(connection, topic, i64::try_from(data.len())?)?;
                }
                events += 1;
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(number(events) / began.elapsed().as_secs_f64())
    }

    /// Counts what is in the file for the log's next opening.
    pub(crate) fn save(self) -> Result<()> {
        let sql = "UPDATE topics SET head = ?2, events = ?3, bytes = ?4 WHERE id = ?1";
        let length = i64::try_from(data().len())? + 8;
        self.connection.execute_batch("BEGIN")?;
        for topic in &self.topics {
            let events = topic.head - topic.floor;
            let row = params![topic.number, topic.head, events, events * length];
            self.connection.prepare_cached(sql)?.execute(row)?;
        }
        self.connection
            .execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(())
    }
}

/// The settings of the log's writer.
fn tune(connection: &Connection) -> Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 16_000)?;
    connection.pragma_update(None, "journal_size_limit", 16_000 * 4_096)?;
    Ok(())
}

/// Deletes the oldest events of a topic, and notes that.
fn delete(connection: &Connection, topic: &mut Topic, length: i64) -> Result<()> {
    let begin = topic.number << 40 | topic.floor;
    topic.floor += CHUNK;
    let sql = "DELETE FROM events WHERE id > ?1 AND id <= ?2";
    connection
        .prepare_cached(sql)?
        .execute([begin, topic.number << 40 | topic.floor])?;
    let sql = "UPDATE topics SET floor = ?2, head = ?3, events = ?4, bytes = ?5 WHERE id = ?1";
    let events = topic.head - topic.floor;
    let row = params![topic.number, topic.floor, topic.head, events, events * length];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn millis() -> Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_millis())?)
}
