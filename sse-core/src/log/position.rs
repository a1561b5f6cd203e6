use std::{fmt, str};

use crate::{EventId, TopicName};

/// Digits of ids: they need no escaping anywhere, and no preflight in a CORS request.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const TAG_LEN: usize = 7;
const LEN: usize = 16;

/// The identity of one life of a topic's log. A log that was lost and created again has another.
///
/// Its first half says which topic it is of, so that a position can be told from one of another topic.
///
/// ```
/// use sse_actix_core::{Epoch, TopicName};
///
/// let topic = TopicName::from_static("prices");
/// let epoch = Epoch::new(&topic, 42);
/// assert_eq!(epoch.as_str().len(), 16);
/// assert_eq!(Epoch::parse(epoch.as_str()), Some(epoch));
/// assert!(epoch.is_of(&topic) && !epoch.is_of(&TopicName::from_static("news")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; LEN]);

impl Epoch {
    /// The epoch of a topic's log whose life is told from others by `life`, of which 45 bits count: a
    /// random number.
    pub fn new(topic: &TopicName, life: u64) -> Self {
        let mut text = [b'0'; LEN];
        let (tag, rest) = text.split_at_mut(TAG_LEN);
        fill(tag, hash(topic));
        fill(rest, life);
        Self(text)
    }

    /// The epoch that has this text; `None` if none can.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; LEN] = text.as_bytes().try_into().ok()?;
        text.iter()
            .all(|byte| DIGITS.contains(byte))
            .then_some(Self(text))
    }

    /// The epoch as text: 16 digits and lower-case letters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether this is an epoch of that topic's log, in this life or an earlier one.
    pub fn is_of(&self, topic: &TopicName) -> bool {
        let mut tag = [b'0'; TAG_LEN];
        fill(&mut tag, hash(topic));
        self.0.starts_with(&tag)
    }
}

/// The lowest bits of `number`, five a digit.
fn fill(text: &mut [u8], mut number: u64) {
    for digit in text {
        *digit = DIGITS.get((number & 31) as usize).copied().unwrap_or_default();
        number >>= 5;
    }
}

/// FNV-1a, which is the same on every machine and in every version.
fn hash(topic: &TopicName) -> u64 {
    topic
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
        // The upper bits are the better mixed ones.
        >> 29
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a topic's log: right after the event with this sequence. As an event's id on the wire it is
/// `<epoch>-<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of which log.
    pub epoch: Epoch,
    /// The event after which this is; 0 is before the first.
    pub sequence: u64,
}

impl Position {
    /// The position that has this text; `None` if none can.
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
        out.extend_from_slice(&self.epoch.0);
        out.push(b'-');
        out.extend_from_slice(itoa::Buffer::new().format(self.sequence).as_bytes());
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

/// What a `Last-Event-ID` says: the positions of one topic or of several, joined by commas.
///
/// Whatever the text is, it can be read; what makes no sense holds no position.
///
/// ```
/// use sse_actix_core::{Epoch, Position, Positions, TopicName};
///
/// let (a, b) = (TopicName::from_static("a"), TopicName::from_static("b"));
/// let positions = [(&a, 7), (&b, 9)]
///     .map(|(topic, sequence)| Position { epoch: Epoch::new(topic, 1), sequence });
/// let id = Positions::id(positions).to_string();
///
/// assert_eq!(Positions::parse(&id).of(&b), Some(positions[1]));
/// assert!(Positions::parse("17").is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(Vec<Position>);

/// The longest text of one position, and its comma.
const LONGEST: usize = LEN + 1 + 20 + 1;

impl Positions {
    /// How many topics' positions always fit into one id: 26.
    pub const MAX: usize = (EventId::MAX_LEN + 1) / LONGEST;

    /// Reads an id; what is no position in it is left out.
    pub fn parse(id: &str) -> Self {
        Self(
            id.split(',')
                .filter_map(Position::parse)
                .take(Self::MAX)
                .collect(),
        )
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The position in this topic's log, in this life or an earlier one.
    pub fn of(&self, topic: &TopicName) -> Option<Position> {
        self.0
            .iter()
            .find(|position| position.epoch.is_of(topic))
            .copied()
    }

    /// The id that says all of these positions; those beyond [`Positions::MAX`] are left out.
    pub fn id(positions: impl IntoIterator<Item = Position>) -> PositionsId {
        let mut text = Vec::with_capacity(LONGEST);
        Self::write(positions, &mut text);
        PositionsId(text)
    }

    /// Appends the id that says all of these positions, as [`id`](Self::id).
    pub fn write(positions: impl IntoIterator<Item = Position>, out: &mut Vec<u8>) {
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

/// An id of positions, as made by [`Positions::id`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionsId(Vec<u8>);

impl PositionsId {
    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As an event's id; `None` if it is of no position.
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

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicName = TopicName::from_static("prices");

    #[test]
    fn an_epoch_is_the_same_on_every_machine() {
        assert_eq!(Epoch::new(&TOPIC, 0).as_str().len(), LEN);
        assert_ne!(Epoch::new(&TOPIC, 0), Epoch::new(&TOPIC, 1));
        // Changing it would make every id that clients hold unknown.
        assert_eq!(Epoch::new(&TOPIC, 0x1fff_ffff_ffff).as_str(), "m6o3n9ivvvvvvvvv");
    }

    #[test]
    fn only_what_was_written_is_read() {
        let position = Position {
            epoch: Epoch::new(&TOPIC, 9),
            sequence: u64::MAX,
        };
        let text = position.to_string();
        assert_eq!(Position::parse(&text), Some(position));
        assert!(text.len() < LONGEST);
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
