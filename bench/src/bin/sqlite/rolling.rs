//! Publishing into a file of 10 million events while retention deletes as many.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use sse_bench::{Samples, median};

use crate::{
    Result,
    bare::Bare,
    large::{self, EVENTS},
    publish::{Published, TOPICS, publish},
};

const IN_FLIGHT: usize = 64;
const MEASURED: Duration = Duration::from_secs(6);

struct Round {
    published: Published,
    bare: f64,
    /// Milliseconds.
    fsync: f64,
}

pub(crate) fn run(rounds: usize) -> Result<()> {
    let path = large::file()?;
    let samples = Samples::interleave(1, rounds, |_| round(&path))?;
    let median = |figure: fn(&Round) -> f64| samples.median(0, figure);
    println!("\n| published a second | bare loop | ratio | p50 ms | p99 ms | fsync ms | p99 / fsync |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.3} | {:.0} |",
        median(|round| round.published.rate()),
        median(|round| round.bare),
        median(|round| round.published.rate() / round.bare),
        median(|round| round.published.at(50)),
        median(|round| round.published.at(99)),
        median(|round| round.fsync),
        median(|round| round.published.at(99) / round.fsync),
    );
    Ok(())
}

fn round(path: &Path) -> Result<Round> {
    let before = fsync(path)?;
    let published = publish(path, IN_FLIGHT, MEASURED, &large::options())?;
    let fsync = median([before, fsync(path)?]);
    check(path)?;
    let mut bare = Bare::open(path, i64::from(EVENTS))?;
    let written = bare.write(published.batch, MEASURED)?;
    bare.save()?;
    Ok(Round {
        published,
        bare: written,
        fsync,
    })
}

/// The median time to sync 4 KiB at the end of a file beside the log, in milliseconds.
fn fsync(path: &Path) -> Result<f64> {
    let probe = path.with_extension("probe");
    let mut file = File::create(&probe)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&probe)?;
    Ok(median(times))
}

/// Retention has kept what it should, and little more.
fn check(path: &Path) -> Result<()> {
    let file = Connection::open(path)?;
    let sql = "SELECT count(*), min(events), max(events) FROM
        (SELECT (SELECT max(id) FROM events WHERE id < (topics.id + 1) << 40) - (topics.id << 40 | floor) AS events FROM topics)";
    let (topics, least, most): (i64, i64, i64) =
        file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let events = i64::from(EVENTS);
    if topics != i64::from(TOPICS) || least < events || most > events + 64 {
        return Err(format!("{topics} topics have {least} to {most} events").into());
    }
    Ok(())
}
