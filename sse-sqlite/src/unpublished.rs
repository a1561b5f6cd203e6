//! The epochs of topics to which nobody has published. Reading such a topic writes nothing. The epochs of
//! all these topics are made of one shared number, which is in the file.
//!
//! The number is replaced now and then, and the file remembers the earlier ones for as long as it remembers a topic
//! that is not used. A reader with one of these numbers has had none of the topic's events: a topic that began and
//! ended since then would have been remembered for longer.

use std::{
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _};
use sse_actix_core::{Epoch, TopicName};

/// A new number begins every `ttl / 16`. A number is remembered for `ttl` from its beginning, so a reader may get a gap
/// event up to 1/16 earlier.
const PARTS: u64 = 16;

#[derive(Debug)]
pub(crate) struct Unpublished {
    /// The newest is the last.
    numbers: RwLock<Vec<SharedNumber>>,
    /// For how long they are remembered, in milliseconds.
    ttl: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SharedNumber {
    number: u64,
    /// Its beginning, in milliseconds.
    since: u64,
}

impl Unpublished {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self {
            numbers: RwLock::default(),
            ttl: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn numbers(&self) -> RwLockReadGuard<'_, Vec<SharedNumber>> {
        self.numbers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, numbers: Vec<SharedNumber>) {
        *self.numbers.write().unwrap_or_else(PoisonError::into_inner) = numbers;
    }

    /// The epoch of a topic to which nobody has published, and which was not [deleted](crate::deleted).
    pub(crate) fn epoch(&self, topic: &TopicName) -> Epoch {
        let number = self.numbers().last().map_or(0, |shared| shared.number);
        Epoch::new(topic, number)
    }

    /// Whether a topic has had this epoch lately, while nobody had published to it. `now` is in milliseconds.
    pub(crate) fn knows(&self, topic: &TopicName, epoch: Epoch, now: u64) -> bool {
        let is_this = |shared: &SharedNumber| Epoch::new(topic, shared.number) == epoch;
        self.numbers()
            .iter()
            .any(|shared| now.saturating_sub(shared.since) <= self.ttl && is_this(shared))
    }

    /// Whether it is time for another number.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        let numbers = self.numbers();
        let newest = numbers.last();
        newest.is_none_or(|shared| now.saturating_sub(shared.since) > self.ttl / PARTS)
    }

    /// Reads the numbers from the file, as it is opened.
    pub(crate) fn load(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT value FROM meta WHERE name = 'unpublished'";
        let text: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        let text = text.unwrap_or_default();
        let numbers = text.split_whitespace().filter_map(|shared| {
            let (number, since) = shared.split_once('@')?;
            Some(SharedNumber {
                number: u64::from_str_radix(number, 16).ok()?,
                since: since.parse().ok()?,
            })
        });
        self.replace(numbers.collect());
        Ok(())
    }

    /// Begins another number. It is used from now on, even if it cannot be written. At worst, a reader then gets a gap
    /// event.
    pub(crate) fn renew(&self, connection: &Connection, now: u64) -> rusqlite::Result<()> {
        let mut numbers = self.numbers().clone();
        numbers.retain(|shared| now.saturating_sub(shared.since) <= self.ttl);
        let number = fastrand::u64(..);
        numbers.push(SharedNumber { number, since: now });
        let text: Vec<_> = numbers
            .iter()
            .map(|SharedNumber { number, since }| format!("{number:x}@{since}"))
            .collect();
        self.replace(numbers);
        let sql = "INSERT OR REPLACE INTO meta VALUES ('unpublished', ?1)";
        connection.execute(sql, [text.join(" ")])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicName = TopicName::from_static("news");

    fn file() -> Connection {
        let file = Connection::open_in_memory().unwrap();
        file.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            .unwrap();
        file
    }

    #[test]
    fn an_epoch_is_known_for_as_long_as_topics_are_remembered() {
        let file = file();
        let before = Unpublished::new(Duration::from_millis(160));
        assert!(before.is_due(1_000));
        before.renew(&file, 1_000).unwrap();
        assert_eq!((before.is_due(1_010), before.is_due(1_011)), (false, true));
        let old = before.epoch(&TOPIC);

        // After a restart.
        let after = Unpublished::new(Duration::from_millis(160));
        after.load(&file).unwrap();
        assert_eq!(after.epoch(&TOPIC), old);
        after.renew(&file, 1_011).unwrap();
        assert_ne!(after.epoch(&TOPIC), old);
        assert!(after.knows(&TOPIC, old, 1_160) && !after.knows(&TOPIC, old, 1_161));
        assert!(!after.knows(&TopicName::from_static("other"), old, 1_160));
        for now in (2_000..4_000).step_by(11) {
            after.renew(&file, now).unwrap();
        }
        assert!(after.numbers().len() <= 17, "{:?}", after.numbers());
    }

    #[test]
    fn what_something_else_has_written_is_left_out() {
        let file = file();
        file.execute("INSERT INTO meta VALUES ('unpublished', 'x@1 7 7@y a@5')", [])
            .unwrap();
        let unpublished = Unpublished::new(Duration::from_secs(1));
        unpublished.load(&file).unwrap();
        assert_eq!(
            unpublished.numbers().as_slice(),
            [SharedNumber { number: 10, since: 5 }]
        );
    }
}
