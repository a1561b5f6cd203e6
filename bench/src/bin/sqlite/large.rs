//! A file of 1,000 topics with 10,000 events each.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::try_join_all;
use rusqlite::{Connection, params};
use sse_actix::{Event, Hub, TopicOptions};
use sse_actix_sqlite::SqliteLog;

use crate::{
    Result,
    publish::{TOPICS, data},
    server::name,
};

/// How many events each topic keeps.
pub(crate) const EVENTS: u32 = 10_000;

pub(crate) fn options() -> TopicOptions {
    let month = Duration::from_secs(30 * 24 * 3_600);
    let options = TopicOptions::log().max_events(EVENTS as usize).max_bytes(1 << 30);
    options.max_age(month)
}

/// The file. It is filled if it is new: each topic has up to 64 events more than it keeps, as topics have that are published to.
pub(crate) fn file() -> Result<PathBuf> {
    let path =
        env::var_os("SSE_BENCH_FILE").map_or_else(|| env::temp_dir().join("sse-bench.db"), PathBuf::from);
    if !path.exists() {
        fill(&path)?;
    }
    Ok(path)
}

fn fill(path: &Path) -> Result<()> {
    let log = SqliteLog::open(path)?;
    let hub = Hub::builder().log(log.clone()).topics(options()).build()?;
    let data = data();
    let first = async |topic: u32| {
        hub.raw(name(topic)?).publish(Event::data(&data)).await?;
        Ok::<_, Box<dyn Error>>(())
    };
    actix_web::rt::System::new().block_on(try_join_all((0..TOPICS).map(first)))?;
    log.close();
    let file = Connection::open(path)?;
    let length = i64::try_from(data.len())? + 8;
    for number in 0..TOPICS {
        let events = EVENTS + number % 64;
        file.execute_batch("BEGIN")?;
        let sql =
            "WITH RECURSIVE numbers (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
            INSERT INTO events SELECT ?1 << 40 | n, (SELECT at FROM events WHERE id = ?1 << 40 | 1), NULL,
            (SELECT frame FROM events WHERE id = ?1 << 40 | 1) FROM numbers";
        file.execute(sql, params![number, events])?;
        let sql = "UPDATE topics SET head = ?2, events = ?2, bytes = ?2 * ?3 WHERE id = ?1";
        file.execute(sql, params![number, events, length])?;
        file.execute_batch("COMMIT")?;
    }
    file.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    let topics: i64 = file.query_row("SELECT count(*) FROM topics", [], |row| row.get(0))?;
    assert_eq!(topics, i64::from(TOPICS), "all topics are there");
    Ok(())
}
