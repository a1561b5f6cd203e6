//! The memory of topics that are not in use any more.

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use sse_actix::{Event, Hub};
use sse_actix_sqlite::SqliteLog;
use sse_bench::number;

use crate::{ALLOCATOR, Result, server::name};

const TOPICS: u32 = 20_000;

/// The log forgets a topic after ten seconds without use; the hub after a while, too.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(_rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = SqliteLog::open(folder.path().join("events.db"))?;
    let hub = Hub::builder().log(log).build()?;
    println!("\n| topics published to so far | bytes a topic in use | bytes a topic later |");
    println!("|--:|--:|--:|");
    let mut base = None;
    for nth in 0..4 {
        let before = live();
        let topics = nth * TOPICS..(nth + 1) * TOPICS;
        actix_web::rt::System::new().block_on(async {
            for chunk in topics.collect::<Vec<_>>().chunks(256) {
                let publish = async |topic: &u32| {
                    hub.raw(name(*topic)?).publish(Event::data("x")).await?;
                    Ok::<_, Box<dyn Error>>(())
                };
                try_join_all(chunk.iter().map(publish)).await?;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
        let in_use = live() - before;
        let began = Instant::now();
        while began.elapsed() < PATIENCE && live() - before > in_use / 100.0 {
            thread::sleep(Duration::from_millis(500));
        }
        // The first leaves what all share: caches, and tables that do not shrink to nothing.
        let base = *base.get_or_insert_with(live);
        let later = (live() - base) / number(u64::from((nth + 1) * TOPICS));
        println!(
            "| {} | {:.0} | {later:.2} |",
            (nth + 1) * TOPICS,
            in_use / number(u64::from(TOPICS))
        );
    }
    Ok(())
}

/// Bytes that are allocated now.
fn live() -> f64 {
    let stats = ALLOCATOR.stats();
    number(stats.bytes_allocated as u64) - number(stats.bytes_deallocated as u64)
}
