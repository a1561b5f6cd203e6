//! The market: a random walk with jumps.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use sse_actix::Topic;

use crate::events::{Market, Quote};

const SHARES: [(&str, u64); 6] = [
    ("ACME", 12_450),
    ("BOLT", 3_120),
    ("CORK", 880),
    ("DUNE", 45_300),
    ("ECHO", 7_015),
    ("FLUX", 150),
];
const HEADLINES: [&str; 5] = [
    "a larger competitor makes an offer",
    "the factory stands still",
    "twice as many orders as last year",
    "the court decides against the patent",
    "a new director",
];
const STEP: Duration = Duration::from_millis(200);
/// How many steps a share is not traded after a jump.
const HALT: u32 = 25;

/// Where shares are traded, until it is dropped.
pub(crate) struct Exchange(Arc<Mutex<Vec<Share>>>);

struct Share {
    quote: Quote,
    first: u64,
    /// For how many steps it is not traded.
    halted_for: u32,
}

impl Exchange {
    /// Trades on a thread of its own, and publishes what happens.
    pub(crate) fn open(topic: Topic<Market>) -> Self {
        let shares = SHARES.map(|(symbol, price)| Share::new(symbol, price));
        let shares = Arc::new(Mutex::new(Vec::from(shares)));
        let traded = Arc::downgrade(&shares);
        thread::spawn(move || {
            while let Some(shares) = traded.upgrade() {
                let events = step(&shares, &mut fastrand::Rng::new());
                drop(shares);
                for event in events {
                    if let Err(error) = topic.publish_blocking(&event) {
                        eprintln!("not published: {error}");
                    }
                }
                thread::sleep(STEP);
            }
        });
        Self(shares)
    }

    /// All shares as they are. Never older than what was published.
    pub(crate) fn state(&self) -> [Market; 1] {
        let quotes = lock(&self.0).iter().map(|share| share.quote.clone()).collect();
        [Market::Quotes(quotes)]
    }
}

/// Trades one share, and says what has happened.
fn step(shares: &Mutex<Vec<Share>>, random: &mut fastrand::Rng) -> Vec<Market> {
    let mut shares = lock(shares);
    let mut events: Vec<_> = shares.iter_mut().filter_map(Share::wait).collect();
    let at = random.usize(..shares.len());
    if let Some(share) = shares.get_mut(at) {
        events.extend(share.trade(random));
    }
    events
}

fn lock(shares: &Mutex<Vec<Share>>) -> MutexGuard<'_, Vec<Share>> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Share {
    fn new(symbol: &str, price: u64) -> Self {
        Self {
            quote: Quote {
                symbol: symbol.to_owned(),
                price,
                change: 0.0,
                is_halted: false,
            },
            first: price,
            halted_for: 0,
        }
    }

    /// One step of a halt. Returns the event of its end.
    fn wait(&mut self) -> Option<Market> {
        self.halted_for = self.halted_for.checked_sub(1)?;
        if self.halted_for > 0 {
            return None;
        }
        self.quote.is_halted = false;
        Some(Market::Resumed {
            symbol: self.quote.symbol.clone(),
        })
    }

    /// A step up or down, and seldom a jump, which has a reason and a halt.
    fn trade(&mut self, random: &mut fastrand::Rng) -> Vec<Market> {
        if self.quote.is_halted {
            return Vec::new();
        }
        let jumps = random.u8(..) < 4;
        let width = if jumps { 0.2 } else { 0.01 };
        let factor = 1.0 + width * (random.f64() - 0.5);
        self.set_price(factor);
        let mut events = vec![Market::Price(self.quote.clone())];
        if jumps {
            let symbol = self.quote.symbol.clone();
            (self.quote.is_halted, self.halted_for) = (true, HALT);
            let headline = random.choice(HEADLINES).unwrap_or_default().to_owned();
            let reason = "the price has jumped".to_owned();
            events.push(Market::News {
                symbol: symbol.clone(),
                headline,
            });
            events.push(Market::Halted { symbol, reason });
        }
        events
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "prices are small and positive"
    )]
    fn set_price(&mut self, factor: f64) {
        self.quote.price = ((self.quote.price as f64 * factor).round() as u64).max(1);
        self.quote.change = self.quote.price as f64 / self.first as f64 - 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jump_has_news_and_a_halt_that_ends() {
        let shares = Mutex::new(vec![Share::new("ACME", 100)]);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut halted, mut resumed, mut news, mut prices) = (0, 0, 0, 0);
        for _ in 0..10_000 {
            for event in step(&shares, &mut random) {
                match event {
                    Market::Halted { .. } => halted += 1,
                    Market::Resumed { .. } => resumed += 1,
                    Market::News { .. } => news += 1,
                    Market::Price(quote) => {
                        assert!(quote.price > 0);
                        assert_eq!(resumed, halted, "it is not traded while it is halted");
                        prices += 1;
                    }
                    Market::Quotes(_) => panic!("that is a page's first event"),
                }
            }
        }
        assert!(prices > 5_000, "{prices}");
        assert!(
            halted > 10 && news == halted && halted - resumed <= 1,
            "{halted} {news} {resumed}"
        );
    }
}
