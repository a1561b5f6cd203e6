//! One event to many readers: our subscription, compared with its peers and with little more than the kernel's work.
//! `cargo run --release -p sse-bench --bin fanout [rounds [mode or server...]]`
//!
//! Each server is a separate process, and a new one in each round. All readers are on one thread. With two processors,
//! the server has one and the readers have the other. Every reader has to get every event once and in order. It runs on
//! Linux only, and needs a file descriptor for each connection (`ulimit -n`). nchan takes part if Debian's packages
//! `nginx` and `libnginx-mod-nchan` are installed.

mod crowd;
mod epoll;
mod floor;
mod load;
mod modes;
mod servers;

use std::{error::Error, io, time::Duration};

use modes::{Figures, MODES};
use servers::Contender;
use sse_bench::{Samples, leave_the_servers_alone, role, rounds};

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(role) = role() {
        let (role, keep_alive) = role.rsplit_once('/').ok_or("no keep-alive")?;
        return Ok(servers::serve(role, Duration::from_millis(keep_alive.parse()?))?);
    }
    let rounds = rounds(3)?;
    let asked: Vec<String> = std::env::args().skip(2).collect();
    let modes = MODES.map(|(name, ..)| name);
    let servers = Contender::ALL.map(Contender::role);
    if let Some(unknown) = asked
        .iter()
        .find(|asked| !modes.iter().chain(&servers).any(|name| name == asked))
    {
        let (modes, servers) = (modes.join(", "), servers.join(", "));
        return Err(format!("`{unknown}` is no mode and no server; there are {modes}, and {servers}").into());
    }
    let wanted = |name: &str, names: &[&str]| {
        let mut of_these = asked
            .iter()
            .filter(|asked| names.contains(&asked.as_str()))
            .peekable();
        of_these.peek().is_none() || of_these.any(|asked| asked == name)
    };
    leave_the_servers_alone();
    let (here, gone): (Vec<_>, Vec<_>) = Contender::ALL
        .into_iter()
        .filter(|contender| wanted(contender.role(), &servers))
        .partition(|contender| contender.is_here());
    for contender in gone {
        eprintln!("left out, since it is not installed: {}", contender.name());
    }
    for (name, mode, title) in MODES {
        if !wanted(name, &modes) {
            continue;
        }
        let contenders: Vec<_> = here
            .iter()
            .copied()
            .filter(|contender| mode.is_for(*contender))
            .collect();
        let samples = Samples::interleave(contenders.len(), rounds, |nth| match contenders.get(nth) {
            Some(contender) => mode
                .run(*contender)
                .map_err(|error| io::Error::other(format!("{name}, {}: {error}", contender.name()))),
            None => Err(io::ErrorKind::NotFound.into()),
        })?;
        println!("\n{name}: {title}; {rounds} rounds, medians");
        print(&contenders, &samples);
    }
    Ok(())
}

/// A column of the table: its name, its decimals, whether it is compared with the first contender's, and the figure.
type Column = (&'static str, usize, bool, fn(&Figures) -> f64);

const COLUMNS: [Column; 7] = [
    ("a second", 0, true, |figures| figures.rate),
    ("CPU s a million", 2, true, |figures| figures.cpu),
    ("p50 ms", 2, false, |figures| figures.p50),
    ("p99 ms", 2, true, |figures| figures.p99),
    ("events a read", 2, false, |figures| figures.merged),
    ("resident, bytes a connection", 0, false, |figures| {
        figures.resident
    }),
    ("replay ms", 2, false, |figures| figures.replay),
];

fn print(contenders: &[Contender], samples: &Samples<Figures>) {
    // What this mode measures.
    let columns: Vec<_> = COLUMNS
        .into_iter()
        .filter(|(.., figure)| samples.median(0, figure).is_finite())
        .collect();
    let heads = columns.iter().map(|(head, ..)| *head).collect::<Vec<_>>();
    println!("\n| | {} |", heads.join(" | "));
    println!("|---|{}", "--:|".repeat(heads.len()));
    for (nth, contender) in contenders.iter().enumerate() {
        let cells: Vec<_> = columns
            .iter()
            .map(|(_, decimals, compares, figure)| {
                let median = samples.median(nth, figure);
                if *compares && nth > 0 {
                    let ratio = samples.compared(nth, 0, figure, |one, other| one / other);
                    format!("{median:.decimals$} ({ratio:.2}x)")
                } else {
                    format!("{median:.decimals$}")
                }
            })
            .collect();
        println!("| {} | {} |", contender.name(), cells.join(" | "));
    }
}
