//! Our decoder, compared with the fastest one on crates.io, `sse-core`, and with the most conformant one, `sse-parse`.
//! `cargo run --release -p sse-bench --bin decode [rounds]` prints a Markdown table.
//!
//! All three get the same chunks as owned `Bytes`, as HTTP clients deliver them. The time includes dropping the chunks.
//! A ratio is the median of the ratios of all rounds. Before the measurement, the events of all decoders are compared
//! one by one. During the measurement only their sums are compared, which costs less.

use std::{convert::Infallible, time::Instant};

use bytes::Bytes;
use sse_actix_core::{Decoded, Decoder};
use sse_bench::{Samples, number, rounds};

fn main() -> Result<(), String> {
    let rounds = rounds(41)?;
    println!(
        "| {rounds} rounds, medians | ours | sse-core 0.2.3 | sse-parse 0.1.0 | sse-core takes | sse-parse takes |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for scenario in scenarios() {
        println!("{}", measure(&scenario, rounds));
    }
    Ok(())
}

struct Scenario {
    name: &'static str,
    stream: Bytes,
    chunk: usize,
    /// The table shows the time per `unit`: an event or a keep-alive.
    unit: &'static str,
    /// The number of units in the stream.
    units: u64,
}

fn scenarios() -> Vec<Scenario> {
    let large = |count: usize| {
        let words = "word".repeat(10_000);
        let event = |id| format!("id: {id}\nevent: message\ndata: {words}\n\n");
        (0..count).map(event).collect::<String>()
    };
    let small = |count: usize| {
        let event = |id| {
            format!(
                "event: price\nid: {id}\ndata: {{\"symbol\":\"ACME\",\"bid\":101.25,\"ask\":101.50,\"volume\":{id},\
                 \"venue\":\"XNAS\",\"time\":\"12:00:00.000\"}}\n\n"
            )
        };
        (100_000..100_000 + count).map(event).collect::<String>()
    };
    let tokens = |count: usize| "data: {\"t\":\"a\"}\n\n".repeat(count);
    let keep_alives = |count: usize| ":\n".repeat(count);
    let scenario = |name, stream: String, chunk, unit, units| Scenario {
        name,
        stream: stream.into(),
        chunk,
        unit,
        units,
    };
    let lines = |count: usize| {
        let lines = format!("data: {}\n", "word".repeat(20)).repeat(500);
        let event = |id| format!("id: {id}\nevent: message\n{lines}\n");
        (0..count).map(event).collect::<String>()
    };
    vec![
        scenario(
            "40 KB events, read 64 KiB at a time",
            large(100),
            64 * 1024,
            "event",
            100,
        ),
        scenario(
            "40 KB events, read 1,460 bytes at a time",
            large(100),
            1_460,
            "event",
            100,
        ),
        scenario("40 KB events, in 10-byte fragments", large(20), 10, "event", 20),
        scenario(
            "40 KB events of 500 lines, read 64 KiB at a time",
            lines(100),
            64 * 1024,
            "event",
            100,
        ),
        scenario(
            "small events, read 16 KiB at a time",
            small(10_000),
            16 * 1024,
            "event",
            10_000,
        ),
        scenario(
            "small events, one a read",
            small(10_000),
            small(1).len(),
            "event",
            10_000,
        ),
        scenario(
            "small events, in 10-byte fragments",
            small(5_000),
            10,
            "event",
            5_000,
        ),
        scenario(
            "17-byte events, read 1,460 bytes at a time",
            tokens(50_000),
            1_460,
            "event",
            50_000,
        ),
        scenario(
            "keep-alives, read 16 KiB at a time",
            keep_alives(100_000),
            16 * 1024,
            "keep-alive",
            100_000,
        ),
        scenario(
            "keep-alives, one a read",
            keep_alives(50_000),
            3,
            "keep-alive",
            50_000,
        ),
    ]
}

/// Receives the events of a decoder.
trait Sink: Default {
    fn take(&mut self, name: &str, data: &str, id: &str);
}

/// Sums over all events. They are cheap enough to be computed during a measurement.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    events: usize,
    name_bytes: usize,
    id_bytes: usize,
    data_bytes: usize,
    /// Combines the last byte of each event's data, so that a decoder has to produce the text and not only its length.
    last_bytes: u64,
}

impl Sink for Sum {
    #[inline]
    fn take(&mut self, name: &str, data: &str, id: &str) {
        self.events += 1;
        self.name_bytes += name.len();
        self.id_bytes += id.len();
        self.data_bytes += data.len();
        let last = data.bytes().next_back().unwrap_or_default();
        self.last_bytes = self.last_bytes.rotate_left(1) ^ u64::from(last);
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct All(Vec<[String; 3]>);

impl Sink for All {
    fn take(&mut self, name: &str, data: &str, id: &str) {
        self.0.push([name, data, id].map(str::to_owned));
    }
}

fn ours<S: Sink>(chunks: Vec<Bytes>) -> S {
    let mut sink = S::default();
    let mut decoder = Decoder::new();
    for chunk in chunks {
        decoder.feed(chunk);
        for item in &mut decoder {
            if let Ok(Decoded::Message(message)) = item {
                sink.take(&message.event, &message.data, &message.last_event_id);
            }
        }
    }
    sink
}

/// Gives `sse-core` slices, which it reads faster than `Bytes`.
fn sse_core<S: Sink>(chunks: Vec<Bytes>) -> S {
    let mut sink = S::default();
    let mut decoder = peer_sse_core::SseDecoder::new();
    for chunk in chunks {
        let mut unread: &[u8] = &chunk;
        while let Some(item) = decoder.next(&mut unread) {
            if let Ok(peer_sse_core::SseEvent::Message(message)) = item {
                let id = message.last_event_id.as_deref().unwrap_or_default();
                sink.take(&message.event, &message.data, id);
            }
        }
    }
    sink
}

fn sse_parse<S: Sink>(chunks: Vec<Bytes>) -> S {
    let mut sink = S::default();
    let mut parser = peer_sse_parse::SseParser::new();
    for chunk in chunks {
        parser.feed(&chunk);
        while let Some(event) = parser.next_event() {
            sink.take(&event.event, &event.data, &event.id);
        }
    }
    sink
}

fn measure(scenario: &Scenario, rounds: usize) -> String {
    let chunks: Vec<Bytes> = (0..scenario.stream.len())
        .step_by(scenario.chunk)
        .map(|at| {
            scenario
                .stream
                .slice(at..scenario.stream.len().min(at + scenario.chunk))
        })
        .collect();
    let all: All = ours(chunks.clone());
    assert!(
        all == sse_core(chunks.clone()) && all == sse_parse(chunks.clone()),
        "{}",
        scenario.name
    );
    drop(all);

    let contenders: [fn(Vec<Bytes>) -> Sum; 3] = [ours, sse_core, sse_parse];
    let expected: Sum = ours(chunks.clone());
    let Ok(samples) = Samples::interleave(contenders.len(), rounds, |contender| {
        let decode = contenders.get(contender).unwrap_or(&contenders[0]);
        let chunks = chunks.clone();
        let start = Instant::now();
        let sum = decode(chunks);
        let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
        assert_eq!(sum, expected, "{}", scenario.name);
        Ok::<_, Infallible>(nanoseconds / number(scenario.units))
    });
    let each = |contender| samples.median(contender, |time| *time);
    let takes = |peer| samples.compared(peer, 0, |time| *time, |peer, ours| peer / ours);
    format!(
        "| {} | {:.1} ns per {} | {:.1} | {:.1} | **{:.2}x** | **{:.2}x** |",
        scenario.name,
        each(0),
        scenario.unit,
        each(1),
        each(2),
        takes(1),
        takes(2),
    )
}
