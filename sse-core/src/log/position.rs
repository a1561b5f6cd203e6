//! The position of an event in its topic, `<epoch>-<sequence>`, and the event ids that hold one position or several.

use std::{fmt, str};

use super::epoch::{self, Epoch};
use crate::{EventId, TopicName};

/// A place in a topic's log: directly after the event with this sequence. As an event's id it is `<epoch>-<sequence>`.
///
/// ```
/// use sse_actix_core::{Epoch, Position, TopicName};
///
/// let position = Position { epoch: Epoch::new(&TopicName::from_static("prices"), 42), sequence: 7 };
/// assert_eq!(position.to_string(), "65le696a10000000-7");
/// assert_eq!(Position::parse("65le696a10000000-7"), Some(position));
/// assert_eq!(Position::parse("7"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The epoch of the topic's log.
    pub epoch: Epoch,
    /// The sequence of the event before this position; 0 is before the first event.
    pub sequence: u64,
}

impl Position {
    /// Parses the text of a position; `None` if the text is not a position.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, sequence) = text.split_once('-')?;
        let digits = !sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            epoch: Epoch::parse(epoch)?,
            sequence: digits.then(|| sequence.parse().ok())??,
        })
    }

    /// Appends the text.
    pub(crate) fn push_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.epoch.as_bytes());
        out.push(b'-');
        out.extend_from_slice(itoa::Buffer::new().format(self.sequence).as_bytes());
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

/// The content of a `Last-Event-ID`: the positions of one topic or of several, joined by commas.
///
/// Any text can be parsed; parts that are not positions are left out.
///
/// ```
/// use sse_actix_core::{Epoch, Position, Positions, TopicName};
///
/// let (a, b) = (TopicName::from_static("a"), TopicName::from_static("b"));
/// let positions = [(&a, 7), (&b, 9)]
///     .map(|(topic, sequence)| Position { epoch: Epoch::new(topic, 1), sequence });
/// let id = Positions::id(positions);
/// assert_eq!(id.as_bytes(), format!("{},{}", positions[0], positions[1]).as_bytes());
///
/// let event_id = id.to_event_id().unwrap();
/// assert_eq!(Positions::parse(event_id.as_str()).of(&b), Some(positions[1]));
/// assert!(Positions::parse("17").is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(Vec<Position>);

/// The length of the longest text of one position, with its comma.
const MAX_POSITION_LEN: usize = epoch::LEN + 1 + 20 + 1;

impl Positions {
    /// How many topics' positions always fit into one id: 26.
    pub const MAX: usize = (EventId::MAX_LEN + 1) / MAX_POSITION_LEN;

    /// Parses an id; parts that are not positions are left out.
    pub fn parse(id: &str) -> Self {
        Self(
            id.split(',')
                .filter_map(Position::parse)
                .take(Self::MAX)
                .collect(),
        )
    }

    /// True if there is no position.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The position in this topic's log, in this epoch or an earlier one.
    pub fn of(&self, topic: &TopicName) -> Option<Position> {
        self.0
            .iter()
            .find(|position| position.epoch.is_of(topic))
            .copied()
    }

    /// The id that contains all of these positions; those beyond [`Positions::MAX`] are left out.
    pub fn id(positions: impl IntoIterator<Item = Position>) -> PositionsId {
        let mut text = Vec::with_capacity(MAX_POSITION_LEN);
        Self::write(positions, &mut text);
        PositionsId(text)
    }

    /// Appends the id that contains all of these positions, like [`id`](Self::id).
    pub(crate) fn write(positions: impl IntoIterator<Item = Position>, out: &mut Vec<u8>) {
        let mut first = true;
        for position in positions.into_iter().take(Self::MAX) {
            if !first {
                out.push(b',');
            }
            first = false;
            position.push_to(out);
        }
    }
}

/// An id of positions, as made by [`Positions::id`]. See [`Positions`]'s example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionsId(Vec<u8>);

impl PositionsId {
    /// The text. See [`Positions`]'s example.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As an event's id; `None` if it has no position. See [`Positions`]'s example.
    pub fn to_event_id(&self) -> Option<EventId> {
        let text = str::from_utf8(&self.0).ok().filter(|text| !text.is_empty())?;
        EventId::try_from(text).ok()
    }
}

impl fmt::Display for PositionsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// An `id` line with positions, or no line. It replaces an entry's own id line for a reader of several topics. It is
/// made only of positions, so it is one line.
///
/// ```
/// use sse_actix_core::{Epoch, Position, PositionsLine, TopicName};
///
/// let topic = TopicName::from_static("prices");
/// let position = Position { epoch: Epoch::new(&topic, 1), sequence: 7 };
/// let mut line = PositionsLine::default();
/// assert_eq!(line.as_bytes(), b"");
///
/// line.set([position]);
/// assert_eq!(line.as_bytes(), format!("id: {position}\n").as_bytes());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PositionsLine(Vec<u8>);

impl PositionsLine {
    /// Replaces the positions, and reuses the memory. Without positions there is no line.
    pub fn set(&mut self, positions: impl IntoIterator<Item = Position>) {
        const FIELD: &[u8] = b"id: ";
        self.0.clear();
        self.0.extend_from_slice(FIELD);
        Positions::write(positions, &mut self.0);
        if self.0.len() == FIELD.len() {
            self.0.clear();
        } else {
            self.0.push(b'\n');
        }
    }

    /// The line with its line feed; empty if there is none.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicName = TopicName::from_static("prices");

    #[test]
    fn only_what_was_written_is_read() {
        let position = Position {
            epoch: Epoch::new(&TOPIC, 9),
            sequence: u64::MAX,
        };
        let text = position.to_string();
        assert_eq!(Position::parse(&text), Some(position));
        assert!(text.len() < MAX_POSITION_LEN);
        for wrong in [
            "",
            "-",
            "7",
            "sse-end",
            text.get(1..).unwrap(),
            &format!("{text}0"),
            &format!("{text} "),
            &text.replace('-', "-+"),
            &text.to_uppercase(),
            &text.replace('-', ""),
        ] {
            assert_eq!(Position::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_line_says_what_it_was_last_set_to() {
        let position = |sequence| Position {
            epoch: Epoch::new(&TOPIC, 1),
            sequence,
        };
        let mut line = PositionsLine::default();
        line.set([position(1), position(u64::MAX)]);
        let id = Positions::id([position(1), position(u64::MAX)]);
        assert_eq!(line.as_bytes(), format!("id: {id}\n").as_bytes());
        line.set([]);
        assert_eq!(line, PositionsLine::default());
        line.set([position(2)]);
        assert_eq!(line.as_bytes(), format!("id: {}\n", position(2)).as_bytes());
    }

    #[test]
    fn many_topics_fit_into_one_id() {
        let topics: Vec<_> = (0..Positions::MAX)
            .map(|n| TopicName::try_from(format!("t{n}")).unwrap())
            .collect();
        let positions = topics.iter().map(|topic| Position {
            epoch: Epoch::new(topic, u64::MAX),
            sequence: u64::MAX,
        });
        let id = Positions::id(positions).to_string();
        assert!(id.len() <= EventId::MAX_LEN && EventId::try_from(id.as_str()).is_ok());
        let read = Positions::parse(&id);
        assert!(topics.iter().all(|topic| read.of(topic).is_some()));
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-,".contains(&byte))
        );
    }
}
