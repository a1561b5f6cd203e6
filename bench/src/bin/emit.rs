//! `emit!` to bytes, against `async_stream` into actix-web-lab's `Sse`.
//! `cargo run --release -p sse-bench --bin emit [rounds]` prints a Markdown table.
//!
//! A body is polled, and what it gives compared with what it must give; there is no socket. "Beyond" is
//! the time of an event less that of `serde_json::to_writer` into a reused `Vec` and that of the
//! comparison, both taken next to it in each round.

use std::{error::Error, hint::black_box, time::Instant};

use sse_bench::{
    CYCLE, Drain, Expected, Reading, Samples,
    emitters::{KINDS, Kind, PACES, Pace, SENDERS, Sender},
    number, quote, rounds,
};

const EVENTS: u64 = 50_000;

/// How many nanoseconds `emit!` may take for an event beyond its serialisation.
fn at_most(sender: Sender, pace: Pace) -> &'static str {
    match (sender, pace) {
        (Sender::Macro, Pace::Pouring) => "60",
        (Sender::Macro, Pace::Yielding) => "80",
        _ => "",
    }
}

/// Whose times the others' are compared with: actix-web-lab's.
const PEER: usize = SENDERS.len() - 1;

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = rounds(61)?;
    actix_web::rt::System::new().block_on(async {
        for (kind, name) in KINDS {
            println!(
                "\n| {name}; {rounds} rounds, medians | ns an event | beyond | at most | actix-web-lab takes | beyond |"
            );
            println!("|---|--:|--:|--:|--:|--:|");
            for (pace, name) in PACES {
                measure(kind, pace, name, rounds).await?;
            }
        }
        Ok(())
    })
}

async fn measure(kind: Kind, pace: Pace, pace_name: &str, rounds: usize) -> Result<(), Box<dyn Error>> {
    let expected = SENDERS.map(|(sender, _)| sender.expected(kind));
    let mut drains = Vec::new();
    for ((sender, _), expected) in SENDERS.iter().zip(&expected) {
        drains.push(sender.open(kind, pace, expected).await?);
    }
    let times = Samples::interleave(SENDERS.len(), rounds, |sender| {
        let given = serialised(kind)?
            + expected
                .get(sender)
                .map_or(0.0, |expected| compared(expected, pace));
        let all = drains
            .get_mut(sender)
            .map_or(f64::NAN, |drain| drained(drain, pace));
        Ok::<_, Box<dyn Error>>(Time {
            all,
            beyond: all - given,
        })
    })?;
    for (at, (sender, name)) in SENDERS.into_iter().enumerate() {
        println!(
            "| {name}, {pace_name} | {:.1} | {:.1} | {} | {:.2}x | {:.2}x |",
            times.median(at, |time| time.all),
            times.median(at, |time| time.beyond),
            at_most(sender, pace),
            times.compared(at, PEER, |time| time.all, |ours, theirs| theirs / ours),
            times.compared(at, PEER, |time| time.beyond, |ours, theirs| theirs / ours),
        );
    }
    Ok(())
}

/// Nanoseconds an event.
struct Time {
    all: f64,
    beyond: f64,
}

/// Nanoseconds an event.
fn drained(drain: &mut Drain<'_>, pace: Pace) -> f64 {
    let start = Instant::now();
    let drained = drain.events(EVENTS);
    let time = start.elapsed();
    // The first chunk also brings what was emitted before there was a body.
    assert!(
        pace == Pace::Pouring || drained.events - drained.chunks <= 1,
        "not one at a time: {drained:?}"
    );
    time.as_secs_f64() * 1e9 / number(drained.events)
}

/// Nanoseconds an event, for the comparison of what is received alone.
fn compared(expected: &Expected, pace: Pace) -> f64 {
    let chunks: Vec<Vec<u8>> = match pace {
        Pace::Pouring => vec![(0..CYCLE).flat_map(|n| expected.event(n)).copied().collect()],
        Pace::Yielding | Pace::Waiting => (0..CYCLE).map(|n| expected.event(n).to_vec()).collect(),
    };
    let mut reading = Reading::new("", expected);
    let start = Instant::now();
    while reading.events() < EVENTS {
        for chunk in &chunks {
            reading.read(black_box(chunk));
        }
    }
    start.elapsed().as_secs_f64() * 1e9 / number(reading.events())
}

fn serialised(kind: Kind) -> Result<f64, Box<dyn Error>> {
    if kind == Kind::Text {
        return Ok(0.0);
    }
    let mut out = Vec::with_capacity(1024);
    let start = Instant::now();
    for n in 0..usize::try_from(EVENTS)? {
        out.clear();
        serde_json::to_writer(&mut out, &quote(n))?;
        black_box(&out);
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / number(EVENTS))
}
