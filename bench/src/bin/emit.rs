//! The time from `emit!` to bytes, compared with `async_stream` into actix-web-lab's `Sse`.
//! `cargo run --release -p sse-bench --bin emit [rounds]` prints a Markdown table.
//!
//! The program polls a body and compares the bytes with the expected ones; there is no socket. The column "beyond" is
//! the time of an event without the time of `serde_json::to_writer` into a reused `Vec`, and without the time of the
//! comparison. Both are measured in the same round.

use std::{error::Error, hint::black_box, time::Instant};

use sse_bench::{
    CYCLE, Drain, Expected, Reading, Samples,
    emitters::{KINDS, Kind, PACES, Pace, SENDERS, Sender},
    number, quote, rounds,
};

const EVENTS: u64 = 50_000;

/// The limit for the column "beyond", in nanoseconds per event.
fn at_most(sender: Sender, pace: Pace) -> &'static str {
    match (sender, pace) {
        (Sender::Macro, Pace::Pouring) => "60",
        (Sender::Macro, Pace::Yielding) => "80",
        _ => "",
    }
}

/// The sender with which the others are compared: actix-web-lab.
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

/// Nanoseconds per event.
struct Time {
    all: f64,
    beyond: f64,
}

/// Nanoseconds per event, from `emit!` to the checked bytes.
fn drained(drain: &mut Drain<'_>, pace: Pace) -> f64 {
    let start = Instant::now();
    let drained = drain.events(EVENTS);
    let time = start.elapsed();
    // The first chunk also has the event that was emitted before the body existed.
    assert!(
        pace == Pace::Pouring || drained.events - drained.chunks <= 1,
        "not one at a time: {drained:?}"
    );
    time.as_secs_f64() * 1e9 / number(drained.events)
}

/// Nanoseconds per event for the comparison of the received bytes only.
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

/// Nanoseconds per event for the serialisation only.
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
