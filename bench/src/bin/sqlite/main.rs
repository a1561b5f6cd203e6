//! The log in a file: publishing beside a bare loop of SQLite, a large file, topics that are not in use, clients that come back.
//! `cargo run --release -p sse-bench --bin sqlite [rounds [mode...]]`
//!
//! Modes: `publish`, `rolling` and `open` (with a file of 10 million events, `SSE_BENCH_FILE`, which is filled if it is new),
//! `unused`, `return`, `delete`. Each checks what is in the file, or what clients receive. `fanout` has the log in a file as a server.

mod bare;
mod clients;
mod delete;
mod large;
mod open;
mod publish;
mod returning;
mod rolling;
mod server;
mod unused;

use std::{alloc::System, error::Error};

use sse_bench::{role, rounds};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A mode: runs so many rounds.
type Mode = fn(usize) -> Result<()>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    if let Some(role) = role() {
        return server::serve(&role);
    }
    let rounds = rounds(5)?;
    let asked: Vec<String> = std::env::args().skip(2).collect();
    let modes: [(&str, Mode); 6] = [
        ("publish", publish::run),
        ("rolling", rolling::run),
        ("open", open::run),
        ("unused", unused::run),
        ("return", returning::run),
        ("delete", delete::run),
    ];
    for (name, run) in modes {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            println!("\n{name}, {rounds} rounds, medians");
            run(rounds)?;
        }
    }
    Ok(())
}
