//! `emit!` of an enum's event, compared with `emit!` of the same event that is made by hand.
//! `cargo run --release -p sse-bench --bin typed [rounds]` prints a Markdown table.
//!
//! The program polls a body and compares the bytes with the expected ones; there is no socket. All contenders send the
//! same bytes, and every figure includes the time of the comparison. The processor's time is measured, because other
//! programs change it only a little.

use std::error::Error;

use actix_web::{Error as HandlerError, Responder, body::BoxBody};
use serde::{Deserialize, Serialize};
use sse_actix::{Event, SseEvents, sse_stream};
use sse_bench::{
    CYCLE, Drain, Expected, Samples, cpu,
    emitters::{PACES, Pace},
    number, rounds,
};

const EVENTS: u64 = 50_000;

/// The limit for the time of a typed event, if the time of an event by hand is 1.
const AT_MOST: f64 = 1.05;

/// The names of the contenders for the table. The first one is the event by hand, with which the others are compared.
const CONTENDERS: [&str; 3] = [
    "`emit!(Event::json(&trade)?.event(\"trade\"))`",
    "`emit!(Market::Trade(trade))`",
    "`emit!(Order::Trade { .. })`",
];

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Trade {
    price: f64,
    size: u32,
    buyer: u64,
    seller: u64,
    at: u64,
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
enum Market {
    Trade(Trade),
}

#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all = "lowercase")]
enum Order {
    Trade {
        price: f64,
        size: u32,
        buyer: u64,
        seller: u64,
        at: u64,
    },
}

/// The `n`th event's data.
fn trade(n: usize) -> Trade {
    let n = u32::try_from(n % CYCLE).unwrap_or_default();
    Trade {
        price: f64::from(n) / 8.0 + 101.25,
        size: 100 * n,
        buyer: 1_000_000 + u64::from(n),
        seller: 2_000_000 + u64::from(n),
        at: 1_700_000_000_000 + u64::from(n),
    }
}

#[sse_stream]
async fn by_hand(pace: Pace) -> Result<(), HandlerError> {
    for n in 0.. {
        emit!(Event::json(&trade(n))?.event("trade"));
        pace.keep().await;
    }
    Ok(())
}

#[sse_stream(events = Market)]
async fn newtype(pace: Pace) -> Result<(), HandlerError> {
    for n in 0.. {
        emit!(Market::Trade(trade(n)));
        pace.keep().await;
    }
    Ok(())
}

#[sse_stream(events = Order)]
async fn fields(pace: Pace) -> Result<(), HandlerError> {
    for n in 0.. {
        let Trade {
            price,
            size,
            buyer,
            seller,
            at,
        } = trade(n);
        emit!(Order::Trade {
            price,
            size,
            buyer,
            seller,
            at,
        });
        pace.keep().await;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = rounds(61)?;
    actix_web::rt::System::new().block_on(async {
        println!("| {rounds} rounds, medians | ns an event | by hand = 1 | at most |");
        println!("|---|--:|--:|--:|");
        for (pace, name) in PACES {
            measure(pace, name, rounds).await?;
        }
        Ok(())
    })
}

async fn measure(pace: Pace, pace_name: &str, rounds: usize) -> Result<(), Box<dyn Error>> {
    let expected = Expected::new(|n| {
        let data = serde_json::to_string(&trade(n)).unwrap_or_default();
        format!("event: trade\ndata: {data}\n\n")
    });
    let mut drains = [
        drain(by_hand(pace).await?, &expected),
        drain(newtype(pace).await?, &expected),
        drain(fields(pace).await?, &expected),
    ];
    let times = Samples::interleave(CONTENDERS.len(), rounds, |contender| {
        let drain = drains.get_mut(contender).ok_or("there is no such contender")?;
        let start = cpu(std::process::id())?;
        let drained = drain.events(EVENTS);
        let seconds = cpu(std::process::id())? - start;
        Ok::<_, Box<dyn Error>>(seconds * 1e9 / number(drained.events))
    })?;
    for (at, name) in CONTENDERS.into_iter().enumerate() {
        println!(
            "| {name}, {pace_name} | {:.1} | {:.2} | {} |",
            times.median(at, |time| *time),
            times.compared(at, 0, |time| *time, |typed, by_hand| typed / by_hand),
            if at == 0 {
                String::new()
            } else {
                AT_MOST.to_string()
            },
        );
    }
    Ok(())
}

fn drain(responder: impl Responder<Body = BoxBody>, expected: &Expected) -> Drain<'_> {
    Drain::new(responder, "retry: 3000\n", expected)
}
