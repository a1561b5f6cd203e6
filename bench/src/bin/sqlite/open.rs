//! Opening a file of 1,000 topics with 10,000 events each, until the first stream is served.

use std::{path::Path, process::Command, time::Instant};

use sse_bench::{Connection, Samples, Server};

use crate::{Result, large};

pub(crate) fn run(rounds: usize) -> Result<()> {
    let path = large::file()?;
    println!("\nfrom the start of the process to ten events of a topic, ms");
    println!("\n| the system has the file in memory | it does not |");
    println!("|--:|--:|");
    let samples = Samples::interleave(2, rounds, |contender| {
        if contender == 1 {
            forget(&path)?;
        }
        open(&path)
    })?;
    let median = |contender| samples.median(contender, |millis| *millis);
    println!("| {:.0} | {:.0} |", median(0), median(1));
    Ok(())
}

fn open(path: &Path) -> Result<f64> {
    let began = Instant::now();
    let server = Server::start(&format!("file/{}", path.display()))?;
    let topic = fastrand::usize(..1_000);
    let mut stream = Connection::get(server.addr(), &format!("/events/{topic}"), 64 * 1024)?;
    let mut text = String::new();
    while text.matches("data: x").count() < 10 {
        stream.read(|bytes| text.push_str(&String::from_utf8_lossy(bytes)))?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Lets the system forget the content of the file.
fn forget(path: &Path) -> Result<()> {
    let file = format!("of={}", path.display());
    let done = Command::new("dd")
        .args([
            &file,
            "oflag=nocache",
            "conv=notrunc,fdatasync",
            "count=0",
            "status=none",
        ])
        .status()?;
    if done.success() {
        Ok(())
    } else {
        Err("dd cannot do that".into())
    }
}
