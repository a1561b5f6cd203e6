//! What is sent: a short cycle of events, so that a reader knows every byte it must get.

use std::{fmt, sync::LazyLock};

use serde::Serialize;

/// How many different events there are.
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

/// The `n`th event's data as text: exactly a hundred bytes.
pub fn text(n: usize) -> &'static str {
    TEXTS.get(n % CYCLE).map_or("", String::as_str)
}

/// The `n`th event's id.
pub fn id(n: usize) -> u64 {
    100_000 + (n % CYCLE) as u64
}

/// A cycle of events as a client must see it, with room for one chunk beyond it.
#[derive(Debug)]
pub struct Expected {
    bytes: Vec<u8>,
    /// Where each event starts, and at the end the length of the cycle.
    starts: Vec<usize>,
}

/// Longer chunks than this are compared in pieces.
const PIECE: usize = 64 * 1024;

impl Expected {
    /// A cycle of what `event` writes for each `n`.
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

    /// What a client sees of the `n`th event.
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

/// How far a stream of [`Expected`] events has been read.
pub struct Reading<'a> {
    /// What is to come before the first event.
    prelude: &'a [u8],
    expected: &'a Expected,
    cycles: u64,
    at: usize,
}

impl<'a> Reading<'a> {
    /// From the start on, which is `prelude`.
    pub fn new(prelude: &'a str, expected: &'a Expected) -> Self {
        Self {
            prelude: prelude.as_bytes(),
            expected,
            cycles: 0,
            at: 0,
        }
    }

    /// Compares what comes next.
    ///
    /// # Panics
    ///
    /// If it is not what it must be.
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

    /// How many events were read whole.
    pub fn events(&self) -> u64 {
        let in_cycle = self.expected.starts.partition_point(|start| *start <= self.at) - 1;
        self.cycles * CYCLE as u64 + in_cycle as u64
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.cycles * self.expected.cycle() as u64 + self.at as u64
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} bytes", self.events(), self.bytes())
    }
}
