//! The outcome of every number. The page compares the outcomes with the numbers that it has received.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

/// The outcome of publishing a number, as the publisher knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The number is in the log. Every reader has to receive it once.
    Acknowledged,
    /// The number may be in the log. A reader may receive it once.
    Unknown,
    /// The number is not in the log. No reader may receive it.
    Refused,
}

/// The numbers of one node. The node gets the next number when the outcome of the last one is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct NodeNumbers {
    /// The last number whose outcome is known. All numbers up to it have an outcome.
    decided: u64,
    /// The numbers among them that were not acknowledged.
    exceptions: Vec<SameOutcome>,
}

/// Consecutive numbers with the same outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SameOutcome {
    from: u64,
    to: u64,
    outcome: Outcome,
}

impl NodeNumbers {
    fn add(&mut self, outcome: Outcome) {
        self.decided += 1;
        let n = self.decided;
        match self.exceptions.last_mut() {
            _ if outcome == Outcome::Acknowledged => {}
            Some(last) if last.outcome == outcome && last.to + 1 == n => last.to = n,
            _ => self.exceptions.push(SameOutcome {
                from: n,
                to: n,
                outcome,
            }),
        }
    }
}

/// The numbers of all nodes, in one run of this program.
pub(crate) struct Ledger {
    run: String,
    numbers: Mutex<BTreeMap<usize, NodeNumbers>>,
}

impl Ledger {
    pub(crate) fn new(run: String) -> Self {
        Self {
            run,
            numbers: Mutex::default(),
        }
    }

    /// Identifies this run, so that a page notices that the program was started again.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// The number that the node publishes next.
    pub(crate) fn next(&self, node: usize) -> u64 {
        self.of(node).decided + 1
    }

    /// Records the outcome of the node's next number.
    pub(crate) fn add(&self, node: usize, outcome: Outcome) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.entry(node).or_default().add(outcome);
    }

    pub(crate) fn of(&self, node: usize) -> NodeNumbers {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.get(&node).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_the_same_way_in_a_row_is_one_entry() {
        let ledger = Ledger::new("a run".to_owned());
        for outcome in [
            Outcome::Acknowledged,
            Outcome::Refused,
            Outcome::Refused,
            Outcome::Unknown,
            Outcome::Acknowledged,
            Outcome::Unknown,
        ] {
            ledger.add(2, outcome);
        }
        let same = |from, to, outcome| SameOutcome { from, to, outcome };
        assert_eq!(
            ledger.of(2),
            NodeNumbers {
                decided: 6,
                exceptions: vec![
                    same(2, 3, Outcome::Refused),
                    same(4, 4, Outcome::Unknown),
                    same(6, 6, Outcome::Unknown),
                ],
            }
        );
        assert_eq!((ledger.next(2), ledger.next(1)), (7, 1));
    }
}
