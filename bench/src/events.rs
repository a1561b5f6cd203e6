//! The events that are sent: a short cycle, so that a reader knows every byte that it has to receive.

use std::{fmt, sync::LazyLock};

use serde::Serialize;

/// The number of different events.
pub const CYCLE: usize = 64;

/// The data of one event: about a hundred bytes as JSON.
#[derive(Debug, Serialize)]
pub struct Quote {
    symbol: String,
    bid: f64,
    ask: f64,
    volume: u32,
    venue: String,
    time: String,
}

static QUOTES: LazyLock<Vec<Quote>> = LazyLock::new(|| {
    let quote = |n: u32| Quote {
        symbol: format!("ACME{n:02}"),
        bid: f64::from(n) + 101.25,
        ask: f64::from(n) + 101.5,
        volume: 1_000_000 + n,
        venue: "XNAS".to_owned(),
        time: format!("12:00:{n:02}.000"),
    };
    (0..64).map(quote).collect()
});

static TEXTS: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..CYCLE).map(|n| format!("{n:02}{:.>98}", "")).collect());

/// The `n`th event's data as a value.
pub fn quote(n: usize) -> Option<&'static Quote> {
    QUOTES.get(n % CYCLE)
}

/// The `n`th event's data as text of exactly 100 bytes.
pub fn text(n: usize) -> &'static str {
    TEXTS.get(n % CYCLE).map_or("", String::as_str)
}

/// The `n`th event's id.
pub fn id(n: usize) -> u64 {
    100_000 + (n % CYCLE) as u64
}

/// The bytes of one cycle of events as a client has to receive them. The cycle is repeated for at least `PIECE` more
/// bytes, so a piece of a chunk can be compared at any offset.
#[derive(Debug)]
pub struct Expected {
    bytes: Vec<u8>,
    /// The offset of each event, and as the last element the length of the cycle.
    starts: Vec<usize>,
}

/// A longer chunk is compared in pieces of this length.
const PIECE: usize = 64 * 1024;

impl Expected {
    /// A cycle in which the `n`th event has the bytes `event(n)`.
    pub fn new(event: impl Fn(usize) -> String) -> Self {
        let mut bytes = Vec::new();
        let mut starts = vec![0];
        for n in 0..CYCLE {
            bytes.extend_from_slice(event(n).as_bytes());
            starts.push(bytes.len());
        }
        let cycle = bytes.len();
        while bytes.len() < cycle + PIECE {
            bytes.extend_from_within(..cycle);
        }
        Self { bytes, starts }
    }

    /// Events whose data is [`text`].
    pub fn texts() -> Self {
        Self::new(|n| format!("data: {}\n\n", text(n)))
    }

    /// The bytes of the `n`th event.
    pub fn event(&self, n: usize) -> &[u8] {
        match self.starts.get(n % CYCLE..) {
            Some(&[start, end, ..]) => self.bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    fn cycle(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }
}

/// The position in a stream of [`Expected`] events, up to which the received bytes were right.
pub struct Reading<'a> {
    /// The bytes that are still expected before the first event.
    prelude: &'a [u8],
    expected: &'a Expected,
    cycles: u64,
    at: usize,
}

impl<'a> Reading<'a> {
    /// The position before the stream, which starts with `prelude`.
    pub fn new(prelude: &'a str, expected: &'a Expected) -> Self {
        Self {
            prelude: prelude.as_bytes(),
            expected,
            cycles: 0,
            at: 0,
        }
    }

    /// Compares the next received bytes with the expected ones.
    ///
    /// # Panics
    ///
    /// If they differ.
    #[inline]
    pub fn read(&mut self, mut bytes: &[u8]) {
        if !self.prelude.is_empty() {
            let (prelude, events) = bytes.split_at(bytes.len().min(self.prelude.len()));
            let rest = self.prelude.strip_prefix(prelude);
            assert!(
                rest.is_some(),
                "{:?} and not {:?}",
                prelude.escape_ascii(),
                self.prelude.escape_ascii()
            );
            (self.prelude, bytes) = (rest.unwrap_or_default(), events);
        }
        for piece in bytes.chunks(PIECE) {
            assert!(
                self.expected.bytes.get(self.at..self.at + piece.len()) == Some(piece),
                "wrong after {self:?}"
            );
            self.at += piece.len();
            while self.at >= self.expected.cycle() {
                self.at -= self.expected.cycle();
                self.cycles += 1;
            }
        }
    }

    /// The number of events that were read completely.
    pub fn events(&self) -> u64 {
        let in_cycle = self.expected.starts.partition_point(|start| *start <= self.at) - 1;
        self.cycles * CYCLE as u64 + in_cycle as u64
    }

    /// The number of bytes of events that were read.
    pub fn bytes(&self) -> u64 {
        self.cycles * self.expected.cycle() as u64 + self.at as u64
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} bytes", self.events(), self.bytes())
    }
}
