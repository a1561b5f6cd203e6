//! Publishing, and the bare loop that writes the same number of events in batches of the same mean size.

use std::{
    cell::{Cell, RefCell},
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rusqlite::Connection;
use sse_actix::{Event, Hub, Log as _, TopicOptions};
use sse_actix_sqlite::SqliteLog;
use sse_bench::{Samples, number};

use crate::{Result, bare::Bare, server::name};

pub(crate) const TOPICS: u32 = 1_000;
const IN_FLIGHT: [usize; 4] = [1, 8, 64, 1_000];
const MEASURED: Duration = Duration::from_millis(1_500);
const DATA: usize = 100;

/// The frame of an event that is published here.
pub(crate) fn data() -> String {
    "x".repeat(DATA)
}

/// What publishers reached.
pub(crate) struct Published {
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    /// The mean number of events in a commit.
    pub(crate) batch: f64,
    /// From publishing to being acknowledged, in milliseconds, sorted.
    pub(crate) latencies: Vec<f64>,
}

impl Published {
    pub(crate) fn rate(&self) -> f64 {
        number(self.events) / self.seconds
    }

    pub(crate) fn at(&self, percent: usize) -> f64 {
        let at = self.latencies.get(self.latencies.len() * percent / 100);
        at.copied().unwrap_or(f64::NAN)
    }
}

/// So many publishers publish for a while, each one event after the other, to topics at random.
pub(crate) fn publish(
    path: &Path,
    publishers: usize,
    time: Duration,
    options: &TopicOptions,
) -> Result<Published> {
    let log = SqliteLog::open(path)?;
    let hub = Hub::builder().log(log.clone()).topics(options.clone()).build()?;
    let names = (0..TOPICS).map(name).collect::<Result<Vec<_>>>()?;
    let data = data();
    let (events, latencies) = (Cell::new(0), RefCell::new(Vec::new()));
    let commits = || log.health().file.map_or(0, |file| file.commits);
    let (before, began) = (commits(), Instant::now());
    let publisher = async || {
        while began.elapsed() < time {
            let Some(name) = fastrand::choice(&names) else {
                break;
            };
            let topic = hub.raw(name.clone());
            let sent = Instant::now();
            topic.publish(Event::data(&data)).await?;
            latencies.borrow_mut().push(sent.elapsed().as_secs_f64() * 1e3);
            events.set(events.get() + 1);
        }
        Ok::<_, sse_actix::PublishError>(())
    };
    let outcomes = actix_web::rt::System::new().block_on(join_all((0..publishers).map(|_| publisher())));
    let seconds = began.elapsed().as_secs_f64();
    for outcome in outcomes {
        outcome?;
    }
    let batch = number(events.get()) / number(commits() - before);
    log.close();
    let mut latencies = latencies.into_inner();
    latencies.sort_by(f64::total_cmp);
    Ok(Published {
        events: events.get(),
        seconds,
        batch,
        latencies,
    })
}

/// One number for each publishing: events a second, and those of the bare loop.
struct Round {
    ours: f64,
    bare: f64,
    batch: f64,
}

pub(crate) fn run(rounds: usize) -> Result<()> {
    let samples = Samples::interleave(IN_FLIGHT.len(), rounds, |nth| {
        let publishers = IN_FLIGHT.get(nth).copied().unwrap_or(1);
        round(publishers)
    })?;
    println!("\n| in flight | published a second | events a commit | bare loop, a second | ratio |");
    println!("|--:|--:|--:|--:|--:|");
    for (nth, publishers) in IN_FLIGHT.iter().enumerate() {
        let median = |figure: fn(&Round) -> f64| samples.median(nth, figure);
        println!(
            "| {publishers} | {:.0} | {:.1} | {:.0} | {:.2} |",
            median(|round| round.ours),
            median(|round| round.batch),
            median(|round| round.bare),
            median(|round| round.ours / round.bare),
        );
    }
    Ok(())
}

fn round(publishers: usize) -> Result<Round> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.db");
    let published = publish(&path, publishers, MEASURED, &TopicOptions::log())?;
    check(&path, published.events)?;
    let mut bare = Bare::create(&folder.path().join("bare.db"))?;
    let written = bare.write(published.batch, MEASURED)?;
    Ok(Round {
        ours: published.rate(),
        bare: written,
        batch: published.batch,
    })
}

/// Every event that was acknowledged is in the file, and sequences have no holes.
fn check(path: &Path, events: u64) -> Result<()> {
    let file = Connection::open(path)?;
    let sql = "SELECT count(*), sum(newest = events) = count(*), sum(events) FROM
        (SELECT max(id & 1099511627775) AS newest, count(*) AS events FROM events GROUP BY id >> 40)";
    let (topics, is_dense, found): (i64, bool, i64) =
        file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if !is_dense || u64::try_from(found)? != events {
        return Err(format!("{found} events of {topics} topics, of {events} that were acknowledged").into());
    }
    Ok(())
}
