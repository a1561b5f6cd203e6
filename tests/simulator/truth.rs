//! What was really published: what a reader has received is compared with it.

use sse_actix::{Epoch, Position};

use crate::seen::Place;

/// An event of the log.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    /// Its data, which no other has.
    pub(crate) number: u64,
    pub(crate) key: Option<u8>,
}

impl Published {
    /// Whether a reader with the filter sees it.
    pub(crate) fn is_even(&self) -> bool {
        self.number.is_multiple_of(2)
    }
}

/// From when a log of a topic begins until it is lost.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// The epochs that it had, each until the sequence at which the next one began.
    pub(crate) epochs: Vec<(Epoch, u64)>,
    pub(crate) events: Vec<Published>,
    /// Retention has deleted what is up to this sequence.
    pub(crate) deleted: u64,
}

/// All that a topic ever was.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) lives: Vec<Life>,
}

impl Life {
    pub(crate) fn head(&self) -> u64 {
        self.events.last().map_or(self.deleted, |event| event.sequence)
    }

    /// The events after one sequence, up to another.
    pub(crate) fn between(&self, after: u64, through: u64) -> &[Published] {
        let from = self.events.partition_point(|event| event.sequence <= after);
        let to = self.events.partition_point(|event| event.sequence <= through);
        &self.events[from..to.max(from)]
    }

    /// Whether a newer event has replaced this one, where the newest of each key is kept.
    pub(crate) fn is_replaced(&self, event: &Published) -> bool {
        let newer = self.between(event.sequence, u64::MAX);
        event.key.is_some() && newer.iter().any(|newer| newer.key == event.key)
    }
}

impl Truth {
    /// In which life a position is; `None` if nobody can have been given it.
    pub(crate) fn life_of(&self, position: Position) -> Option<usize> {
        let has = |life: &Life| life.epochs.iter().any(|(epoch, _)| *epoch == position.epoch);
        self.lives.iter().position(has)
    }

    /// Where a position is.
    pub(crate) fn place_of(&self, position: Position) -> Option<Place> {
        let life = self.life_of(position)?;
        Some(Place {
            life,
            sequence: position.sequence,
        })
    }

    /// The newest sequence.
    pub(crate) fn head(&self) -> u64 {
        self.lives.last().map_or(0, Life::head)
    }

    /// How often an event was appended.
    pub(crate) fn count(&self, number: u64) -> usize {
        let events = self.lives.iter().flat_map(|life| &life.events);
        events.filter(|event| event.number == number).count()
    }
}
