//! Allocations per million events, in the steady state, of the handlers whose time the benchmark `emit` measures.
//! `cargo run --release -p sse-bench --bin allocations`
//!
//! This is a separate program, because counting allocations makes each of them slower.

use std::{alloc::System, error::Error, fmt::Write as _};

use sse_bench::emitters::{KINDS, PACES, SENDERS};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// These events are sent before the count begins, to reach the steady state.
const EARLIER_EVENTS: u64 = 100_000;
const EVENTS: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| allocations per million events | {} |",
        SENDERS.map(|(_, name)| name).join(" | ")
    );
    println!("|---|{}", "--:|".repeat(SENDERS.len()));
    actix_web::rt::System::new().block_on(async {
        for (kind, kind_name) in KINDS {
            for (pace, pace_name) in PACES {
                let mut row = format!("| {kind_name}, {pace_name} |");
                for (sender, _) in SENDERS {
                    let expected = sender.expected(kind);
                    let mut drain = sender.open(kind, pace, &expected).await?;
                    drain.events(EARLIER_EVENTS);
                    let region = Region::new(ALLOCATOR);
                    let drained = drain.events(EVENTS);
                    let change = region.change();
                    let allocations = (change.allocations + change.reallocations) as u64;
                    write!(row, " {} |", allocations * EVENTS / drained.events)?;
                }
                println!("{row}");
            }
        }
        Ok(())
    })
}
