//! How long publishers wait while a topic of a million events is deleted.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join;
use rusqlite::{Connection, params};
use sse_actix::{Event, Hub};
use sse_actix_sqlite::SqliteLog;
use sse_bench::Samples;

use crate::{Result, publish::data};

const EVENTS: i64 = 1_000_000;

struct Round {
    /// Milliseconds.
    longest_before: f64,
    delete: f64,
    longest: f64,
    /// Seconds.
    swept: f64,
}

pub(crate) fn run(rounds: usize) -> Result<()> {
    let samples = Samples::interleave(1, rounds, |_| round())?;
    let median = |figure: fn(&Round) -> f64| samples.median(0, figure);
    println!(
        "\n| longest publish without it, ms | delete, ms | longest publish during it, ms | until all is gone, s |"
    );
    println!("|--:|--:|--:|--:|");
    println!(
        "| {:.1} | {:.1} | {:.1} | {:.1} |",
        median(|round| round.longest_before),
        median(|round| round.delete),
        median(|round| round.longest),
        median(|round| round.swept),
    );
    Ok(())
}

fn round() -> Result<Round> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.db");
    let log = SqliteLog::open(&path)?;
    let hub = Hub::builder().log(log.clone()).build()?;
    let system = actix_web::rt::System::new();
    system.block_on(hub.raw("large").publish(Event::data(data())))?;
    log.close();
    let file = Connection::open(&path)?;
    let sql = "WITH RECURSIVE numbers (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
        INSERT INTO events SELECT n, (SELECT at FROM events), NULL, (SELECT frame FROM events) FROM numbers";
    file.execute(sql, params![EVENTS])?;
    let log = SqliteLog::open(&path)?;
    let hub = Hub::builder().log(log).build()?;
    let has_rows = || file.query_row("SELECT count(*) FROM unswept", [], |row| row.get::<_, i64>(0));
    let longest = async |is_over: &Cell<bool>| {
        let mut longest = Duration::ZERO;
        while !is_over.get() {
            let began = Instant::now();
            hub.raw("small").publish(Event::data("x")).await?;
            longest = longest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, sse_actix::PublishError>(longest.as_secs_f64() * 1e3)
    };
    let millis = |began: Instant| began.elapsed().as_secs_f64() * 1e3;
    system.block_on(async {
        let is_over = Cell::new(false);
        let rest = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            is_over.set(true);
        };
        let (longest_before, ()) = join(longest(&is_over), rest).await;
        let is_over = Cell::new(false);
        let delete = async {
            let began = Instant::now();
            hub.delete_topic("large").await?;
            let delete = millis(began);
            while has_rows()? > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            is_over.set(true);
            Ok::<_, Box<dyn std::error::Error>>((delete, millis(began) / 1e3))
        };
        let (longest, deleted) = join(longest(&is_over), delete).await;
        let (delete, swept) = deleted?;
        Ok(Round {
            longest_before: longest_before?,
            delete,
            longest: longest?,
            swept,
        })
    })
}
