//! What a client has of one topic, and the check of each thing that it is told.

use fastrand::Rng;
use sse_actix::Position;

use crate::{
    plan::{Kind, Plan},
    truth::{Life, Published, Truth},
};

/// Where a client is: right after this sequence, in this life of the topic's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) life: usize,
    pub(crate) sequence: u64,
}

/// A client's part in one topic.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) topic: usize,
    pub(crate) kind: Kind,
    pub(crate) is_dense: bool,
    /// It is shown only events whose number is even.
    pub(crate) is_filtered: bool,
    /// A new client gets so many of the last events.
    pub(crate) history: Option<usize>,
    /// `None` while it has been told nothing.
    pub(crate) seen: Option<Place>,
    /// Where the log was when it connected.
    pub(crate) connected_at: Place,
}

impl View {
    pub(crate) fn new(topic: usize, plan: &Plan, rng: &mut Rng) -> Self {
        Self {
            topic,
            kind: plan.topics[topic],
            is_dense: plan.is_dense,
            is_filtered: rng.u8(..4) == 0,
            history: (rng.u8(..3) == 0).then(|| rng.usize(1..8)),
            seen: None,
            connected_at: Place { life: 0, sequence: 0 },
        }
    }

    /// Whether it has to get an event.
    fn wants(&self, life: &Life, event: &Published) -> bool {
        (event.is_even() || !self.is_filtered) && !(self.kind == Kind::Latest && life.is_replaced(event))
    }

    /// Its client is told that it is at a position, by this event or by the id of another.
    pub(crate) fn moved(&mut self, truth: &Truth, to: Position, by: Option<u64>) -> Result<(), String> {
        let number = truth.life_of(to).ok_or("an epoch that no log has had")?;
        let life = &truth.lives[number];
        if let Some(event) = by {
            let there = life.between(to.sequence - 1, to.sequence).first();
            let there = there.ok_or_else(|| format!("{event} has the id of no event"))?;
            if there.number != event {
                return Err(format!("{event} has the id of {}", there.number));
            }
            if self.is_filtered && !there.is_even() {
                return Err(format!("{event} is to be hidden"));
            }
        }
        // What it is told by an event is right before that.
        let before = to.sequence - u64::from(by.is_some());
        match self.seen {
            None => self.begins(life, number, before, by)?,
            Some(seen) if seen.life != number => {
                return Err(format!(
                    "it was in life {}, and is in {number} without a gap",
                    seen.life
                ));
            }
            Some(seen) if to.sequence < seen.sequence || by.is_some() && to.sequence == seen.sequence => {
                return Err(format!("{} after {}", to.sequence, seen.sequence));
            }
            Some(seen) => self.lacks_nothing(life, seen.sequence, before)?,
        }
        self.seen = Some(Place {
            life: number,
            sequence: to.sequence,
        });
        Ok(())
    }

    fn begins(&self, life: &Life, number: usize, before: u64, by: Option<u64>) -> Result<(), String> {
        if self.kind == Kind::Latest && self.history.is_none() {
            return self.lacks_nothing(life, life.deleted, before);
        }
        let is_old = self.connected_at.life == number && before < self.connected_at.sequence;
        if by.is_some() && is_old && self.history.is_none() {
            return Err(format!("it is new, and gets what was there before: {before}"));
        }
        Ok(())
    }

    fn lacks_nothing(&self, life: &Life, after: u64, through: u64) -> Result<(), String> {
        let lost = life
            .between(after, through)
            .iter()
            .find(|event| self.wants(life, event));
        match lost {
            Some(event) => Err(format!("{event:?} is lost between {after} and {through}")),
            None => Ok(()),
        }
    }

    /// Its client is told of a gap, and is at this position after it.
    pub(crate) fn gap(&mut self, truth: &Truth, to: Position, missed: Option<u64>) -> Result<(), String> {
        let number = truth.life_of(to).ok_or("an epoch that no log has had")?;
        let life = &truth.lives[number];
        if to.sequence > life.deleted {
            return Err(format!(
                "the gap ends at {}, and {} is deleted",
                to.sequence, life.deleted
            ));
        }
        match self.seen {
            Some(seen) if seen.life == number => {
                if to.sequence <= seen.sequence {
                    return Err(format!("a gap from {} to {}", seen.sequence, to.sequence));
                }
                let is_counted = self.is_dense && !self.is_filtered && self.kind != Kind::Latest;
                let wanted = is_counted.then_some(to.sequence - seen.sequence);
                if self.kind != Kind::Latest && missed != wanted {
                    return Err(format!("a gap of {missed:?}, not {wanted:?}"));
                }
            }
            Some(seen) if seen.life > number => return Err("it is told of an earlier life".to_owned()),
            Some(_) if missed.is_some() => return Err("a gap that cannot be counted is".to_owned()),
            _ => {}
        }
        self.seen = Some(Place {
            life: number,
            sequence: to.sequence,
        });
        Ok(())
    }

    /// It has had the time to get everything.
    pub(crate) fn has_all(&self, truth: &Truth, through: u64) -> Result<(), String> {
        let number = truth.lives.len() - 1;
        match self.seen {
            None => Err("it was never told where it is".to_owned()),
            Some(seen) if seen.life != number => Err(format!("it is still in life {}", seen.life)),
            Some(seen) => self.lacks_nothing(&truth.lives[number], seen.sequence, through),
        }
    }
}
