use std::fmt;

/// Bits of a sequence that count entries within a millisecond.
const COUNT_BITS: u32 = 16;

/// Bits of a sequence that say which event of its entry it is.
const INDEX_BITS: u32 = 6;

const MAX_MILLIS: u64 = (1 << (u64::BITS - COUNT_BITS - INDEX_BITS)) - 1;

/// The most that an id may count within a millisecond. After that, the script that appends continues with the next
/// millisecond.
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;

/// How many events one entry holds at most.
pub(crate) const MAX_BATCH: usize = 50;

/// The id of an entry: milliseconds and a count in one number, in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct EntryId(u64);

/// Before every entry.
pub(crate) const NONE: EntryId = EntryId(0);

impl EntryId {
    /// Parses `<milliseconds>-<count>`; `None` if it cannot be the id of an entry of sse-actix.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (millis, count) = std::str::from_utf8(text).ok()?.split_once('-')?;
        let (millis, count) = (number(millis, 13)?, number(count, 5)?);
        (millis <= MAX_MILLIS && count <= MAX_COUNT).then_some(Self(millis << COUNT_BITS | count))
    }

    /// The id before this one.
    pub(crate) fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The entry that holds the event with this sequence.
    pub(crate) fn of(sequence: u64) -> Self {
        Self(sequence >> INDEX_BITS)
    }

    /// The sequence of an event of this entry.
    pub(crate) fn sequence(self, index: usize) -> u64 {
        self.0 << INDEX_BITS | (index as u64).min((1 << INDEX_BITS) - 1)
    }

    /// The sequence of the last of `events` events; for an entry without events, its first sequence.
    pub(crate) fn last(self, events: usize) -> u64 {
        self.sequence(events.saturating_sub(1))
    }

    /// Which event of its entry a sequence is.
    pub(crate) fn index(sequence: u64) -> usize {
        usize::try_from(sequence & ((1 << INDEX_BITS) - 1)).unwrap_or(usize::MAX)
    }

    /// When it was appended, by the clock of Redis.
    pub(crate) fn millis(self) -> u64 {
        self.0 >> COUNT_BITS
    }

    /// The id as of this time.
    pub(crate) fn at(millis: u64) -> Self {
        Self(millis.min(MAX_MILLIS) << COUNT_BITS)
    }
}

/// Parses a number with at most `digits` digits, and nothing else.
pub(super) fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0 >> COUNT_BITS, self.0 & MAX_COUNT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number_in_the_same_order() {
        for id in [
            "0-0",
            "0-1",
            "1790000000000-0",
            "1790000000000-65535",
            "4398046511103-65535",
        ] {
            assert_eq!(EntryId::parse(id.as_bytes()).unwrap().to_string(), id);
        }
        assert!(EntryId::parse(b"1790000000000-65535") < EntryId::parse(b"1790000000001-0"));
        for wrong in [
            "",
            "1",
            "-",
            "a-1",
            "1-a",
            "1--1",
            "+1-0",
            "1-65536",
            "4398046511104-0",
        ] {
            assert_eq!(EntryId::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_sequence_is_an_entry_and_an_index() {
        let id = EntryId::parse(b"4398046511103-65535").unwrap();
        assert_eq!(id.last(MAX_BATCH), u64::MAX - 14);
        for index in [0, 1, 49] {
            let sequence = id.sequence(index);
            assert_eq!((EntryId::of(sequence), EntryId::index(sequence)), (id, index));
        }
        assert_eq!(id.last(0), id.sequence(0));
        assert_eq!(id.millis(), MAX_MILLIS);
        assert_eq!(EntryId::at(7).to_string(), "7-0");
    }
}
