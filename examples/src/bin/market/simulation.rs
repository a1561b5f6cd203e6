//! The market: a random walk with jumps.

use std::collections::VecDeque;

use crate::events::{Halt, Market, Share, State, Story, Trade};

const COMPANIES: [(&str, &str, u64); 8] = [
    ("ACME", "Acme Anvils", 12_450),
    ("BOLT", "Bolt Railways", 3_120),
    ("CORK", "Cork & Daughters", 1_880),
    ("DUNE", "Dune Solar", 45_300),
    ("ECHO", "Echo Instruments", 7_015),
    ("FLUX", "Flux Batteries", 26_740),
    ("GLEN", "Glen Waters", 5_485),
    ("HALO", "Halo Optics", 18_060),
];
const GOOD_NEWS: [&str; 5] = [
    "receives an offer from a larger competitor",
    "has twice as many orders as last year",
    "wins the contract for the new harbour",
    "is right about the patent, a court decides",
    "raises its outlook for the year",
];
const BAD_NEWS: [&str; 5] = [
    "stops its main plant after a fire",
    "loses its largest customer",
    "calls back its newest model",
    "is wrong about the patent, a court decides",
    "lowers its outlook for the year",
];

/// How far a price moves from one trade to the next, as a fraction of the price.
const MOVE: f64 = 0.002;
/// How many steps there are from one jump to the next.
const BETWEEN_JUMPS: std::ops::Range<u32> = 32..64;
/// For how many steps a share is not traded after a jump.
const HALT: u32 = 32;

/// How long trades are kept, in milliseconds: the last of each second.
const KEPT: u64 = 5 * 60 * 1000;
const SECOND: u64 = 1000;
const KEPT_NEWS: usize = 20;

pub(crate) struct Simulation {
    random: fastrand::Rng,
    opened_at: u64,
    listings: Vec<Listing>,
    news: VecDeque<Story>,
    /// How many steps remain until the next jump.
    next_jump: u32,
}

struct Listing {
    share: Share,
    /// For how many more steps the share is not traded.
    halted_for: u32,
}

impl Simulation {
    pub(crate) fn new(random: fastrand::Rng, opened_at: u64) -> Self {
        let listings = COMPANIES.map(|(symbol, company, first)| Listing::new(symbol, company, first));
        Self {
            random,
            opened_at,
            listings: listings.into(),
            news: VecDeque::new(),
            next_jump: BETWEEN_JUMPS.start,
        }
    }

    /// Makes one step, and returns its events. Times must not go back.
    pub(crate) fn step(&mut self, at: u64) -> Vec<Market> {
        let Self { random, listings, .. } = self;
        let mut events: Vec<_> = listings
            .iter_mut()
            .filter_map(|listing| listing.wait(at))
            .collect();
        let traded = listings.iter_mut().filter(|listing| listing.halted_for == 0);
        for listing in traded {
            if listing.share.trades.is_empty() || random.u8(..) < 96 {
                events.push(listing.trade(at, 1.0 + MOVE * bell(random)));
            }
        }
        self.next_jump -= 1;
        if self.next_jump == 0 {
            self.next_jump = self.random.u32(BETWEEN_JUMPS);
            // This share may already have a trade in this step. Two trades with the same time would count as one.
            events.extend(self.jump(at + 1));
        }
        events
    }

    /// The complete state.
    pub(crate) fn state(&self) -> State {
        State {
            opened_at: self.opened_at,
            shares: self
                .listings
                .iter()
                .map(|listing| listing.share.clone())
                .collect(),
            news: self.news.iter().cloned().collect(),
        }
    }

    /// A jump: news, the new price, and a halt.
    fn jump(&mut self, at: u64) -> Vec<Market> {
        let Self { random, listings, .. } = self;
        let traded = listings.iter_mut().filter(|listing| listing.halted_for == 0);
        let traded: Vec<_> = traded.collect();
        let Some(listing) = random.choice(traded) else {
            return Vec::new();
        };
        let is_good = random.bool();
        let width = 0.02 + 0.04 * random.f64();
        let (headlines, width) = if is_good {
            (GOOD_NEWS, width)
        } else {
            (BAD_NEWS, -width)
        };
        let story = Story {
            at,
            symbol: listing.share.symbol.clone(),
            headline: random.choice(headlines).unwrap_or_default().to_owned(),
        };
        let price = listing.trade(at, 1.0 + width);
        let halted = listing.halt(at, format!("{:+.1} % in one trade", 100.0 * width));
        self.news.push_back(story.clone());
        if self.news.len() > KEPT_NEWS {
            self.news.pop_front();
        }
        vec![Market::News(story), price, halted]
    }
}

impl Listing {
    fn new(symbol: &str, company: &str, first: u64) -> Self {
        let share = Share {
            symbol: symbol.to_owned(),
            company: company.to_owned(),
            first,
            trades: Vec::new(),
            halts: Vec::new(),
        };
        Self { share, halted_for: 0 }
    }

    /// Makes one step of a halt. Returns an event if the halt ends.
    fn wait(&mut self, at: u64) -> Option<Market> {
        self.halted_for = self.halted_for.checked_sub(1)?;
        if self.halted_for > 0 {
            return None;
        }
        if let Some(halt) = self.share.halts.last_mut() {
            halt.until = Some(at);
        }
        let symbol = self.share.symbol.clone();
        Some(Market::Resumed { symbol, at })
    }

    fn halt(&mut self, from: u64, reason: String) -> Market {
        self.halted_for = HALT;
        self.share.halts.push(Halt {
            from,
            until: None,
            reason: reason.clone(),
        });
        let symbol = self.share.symbol.clone();
        Market::Halted {
            symbol,
            at: from,
            reason,
        }
    }

    fn trade(&mut self, at: u64, factor: f64) -> Market {
        let Share {
            symbol,
            first,
            trades,
            halts,
            ..
        } = &mut self.share;
        let last = trades.last().map_or(*first, |trade| trade.price);
        let price = moved(last, factor);
        if trades.last().is_some_and(|last| last.at / SECOND == at / SECOND) {
            trades.pop();
        }
        trades.push(Trade { at, price });
        trades.retain(|trade| trade.at + KEPT >= at);
        halts.retain(|halt| halt.until.is_none_or(|until| until + KEPT >= at));
        let symbol = symbol.clone();
        Market::Price { symbol, at, price }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "prices are small and positive"
)]
fn moved(price: u64, factor: f64) -> u64 {
    ((price as f64 * factor).round() as u64).max(100)
}

/// A number between -2 and 2, most often near 0.
fn bell(random: &mut fastrand::Rng) -> f64 {
    random.f64() + random.f64() - random.f64() - random.f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_has_news_and_a_halt_in_which_nothing_is_traded() {
        let mut simulation = Simulation::new(fastrand::Rng::with_seed(7), 0);
        let (mut news, mut resumed) = (0, 0);
        let mut halted = Vec::new();
        for at in 0..20_000 {
            for event in simulation.step(250 * at) {
                match event {
                    Market::Price { symbol, price, .. } => {
                        assert!(price >= 100 && !halted.contains(&symbol));
                    }
                    Market::Halted { symbol, .. } => halted.push(symbol),
                    Market::Resumed { symbol, .. } => {
                        halted.retain(|other| *other != symbol);
                        resumed += 1;
                    }
                    Market::News(story) => {
                        assert!(!halted.contains(&story.symbol));
                        news += 1;
                    }
                    Market::State(_) => panic!("that is a client's first event"),
                }
            }
        }
        assert!(news > 300 && news - resumed == halted.len(), "{news} {resumed}");
    }

    #[test]
    fn the_state_is_that_of_the_last_minutes() {
        let mut simulation = Simulation::new(fastrand::Rng::with_seed(7), 0);
        let mut last: Vec<(String, Trade)> = Vec::new();
        for at in 0..10_000 {
            for event in simulation.step(250 * at) {
                if let Market::Price { symbol, at, price } = event {
                    last.retain(|(other, _)| *other != symbol);
                    last.push((symbol, Trade { at, price }));
                }
            }
        }
        let state = simulation.state();
        assert_eq!((state.shares.len(), state.news.len()), (8, KEPT_NEWS));
        for share in state.shares {
            let latest = last.iter().find(|(symbol, _)| *symbol == share.symbol).unwrap();
            assert_eq!(share.trades.last(), Some(&latest.1));
            assert!((200..302).contains(&share.trades.len()), "{}", share.trades.len());
            let is_later = |two: &[Trade]| two[0].at / SECOND < two[1].at / SECOND;
            assert!(share.trades.windows(2).all(is_later));
        }
    }
}
