use bytes::Bytes;
use redis::Value;

use super::{
    EntryId, NONE,
    id::number,
    payload::{self, Event},
};
use crate::value::{array, bytes, items};

/// The version of the format that this crate writes and reads.
const VERSION: &[u8] = b"2";

/// An entry's header: facts about the entry and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number of the stream's epoch.
    pub(crate) epoch_number: u64,
    /// The entry that was the newest when this one was appended; [`NONE`] if this one begins the stream.
    pub(crate) previous: EntryId,
    /// The sequence of the last event of that entry; 0 if there is none.
    pub(crate) previous_last: u64,
    /// How many events this entry has.
    pub(crate) events: usize,
}

/// One entry of a topic's stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: EntryId,
    /// Its approximate size in bytes.
    pub(crate) bytes: usize,
    pub(crate) content: Content,
}

/// The newest event of a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latest {
    pub(crate) sequence: u64,
    pub(crate) epoch_number: u64,
    pub(crate) event: Event,
}

/// The content of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Events.
    Events(Header, Vec<Event>),
    /// An entry of sse-actix whose events cannot be read.
    Unreadable(Header),
    /// An entry in a later version of the format.
    Newer(u64),
    /// An entry of another program.
    Foreign,
}

impl Stored {
    /// Parses one entry from XRANGE and similar calls: its id, and its fields with their values. `None` if no entry of
    /// sse-actix can have its id.
    pub(crate) fn parse(value: Value) -> Option<Self> {
        let [id, fields] = array(value).ok()?;
        let id = EntryId::parse(&bytes(id).ok()?)?;
        let (mut header, mut payload) = (None, None);
        let mut fields = items(fields).ok()?.into_iter();
        let mut is_first = true;
        while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
            match (bytes(field).ok()?.as_slice(), bytes(value).ok()?) {
                (b"h", value) if is_first => header = Some(value),
                (b"b", value) => payload = Some(Bytes::from(value)),
                _ => {}
            }
            is_first = false;
        }
        Some(Self::of(
            id,
            &header.unwrap_or_default(),
            payload.unwrap_or_default(),
        ))
    }

    /// Parses a notice: the id, a space, the header, a line feed, the payload. `None` if it is not a notice.
    pub(crate) fn parse_notice(mut notice: Bytes) -> Option<Self> {
        let line = memchr::memchr(b'\n', &notice)?;
        let payload = notice.split_off(line + 1);
        let head = std::str::from_utf8(notice.get(..line)?).ok()?;
        let (id, header) = head.split_once(' ')?;
        Some(Self::of(
            EntryId::parse(id.as_bytes())?,
            header.as_bytes(),
            payload,
        ))
    }

    /// Reads the newest event of a key. The value is the entry's id, a space, the event's index in the entry, a space,
    /// and the event as in a payload. `None` if the value is not such an event.
    pub(crate) fn parse_latest(value: Vec<u8>, epoch_number: u64) -> Option<Latest> {
        let mut payload = Bytes::from(value);
        let mut word = || {
            let end = memchr::memchr(b' ', &payload)?;
            let word = payload.split_to(end + 1);
            Some(word.slice(..end))
        };
        let (id, index) = (word()?, word()?);
        let index: usize = std::str::from_utf8(&index).ok()?.parse().ok()?;
        Some(Latest {
            sequence: EntryId::parse(&id)?.sequence(index),
            epoch_number,
            event: payload::parse(payload, 1)?.pop()?,
        })
    }

    fn of(id: EntryId, header: &[u8], payload: Bytes) -> Self {
        let bytes = header.len() + payload.len();
        let content = match Header::parse(header) {
            Parsed::Header(header) => match payload::parse(payload, header.events) {
                Some(events) => Content::Events(header, events),
                None => Content::Unreadable(header),
            },
            Parsed::Newer(version) => Content::Newer(version),
            Parsed::Foreign => Content::Foreign,
        };
        Self { id, bytes, content }
    }

    /// The header, if it is an entry of sse-actix in a known format.
    pub(crate) fn header(&self) -> Option<Header> {
        match &self.content {
            Content::Events(header, _) | Content::Unreadable(header) => Some(*header),
            Content::Newer(_) | Content::Foreign => None,
        }
    }

    /// The sequence of its last event.
    pub(crate) fn last(&self) -> u64 {
        self.header()
            .map_or_else(|| self.id.last(usize::MAX), |header| header.last(self.id))
    }
}

impl Header {
    /// The sequence of the last event of the entry with this id. An entry without events only begins an epoch, and does
    /// not advance the stream.
    pub(crate) fn last(&self, id: EntryId) -> u64 {
        match self.events {
            0 if self.previous != NONE => self.previous_last,
            events => id.last(events),
        }
    }
}

enum Parsed {
    Header(Header),
    Newer(u64),
    Foreign,
}

impl Header {
    fn parse(text: &[u8]) -> Parsed {
        let Some((version, rest)) = memchr::memchr(b' ', text).map(|space| text.split_at(space)) else {
            return Parsed::Foreign;
        };
        let number = std::str::from_utf8(version)
            .ok()
            .and_then(|version| number(version, 9));
        match number {
            _ if version == VERSION => Self::parse_words(rest).map_or(Parsed::Foreign, Parsed::Header),
            Some(later @ 3..) => Parsed::Newer(later),
            _ => Parsed::Foreign,
        }
    }

    /// Parses the words after the version. The scripts (`header.lua`) parse the same.
    fn parse_words(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.strip_prefix(' ')?.split(' ');
        let epoch_number = number(words.next()?, 14)?;
        let primary = words.next()?;
        if primary.is_empty() || !primary.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let previous = EntryId::parse(words.next()?.as_bytes())?;
        let mut count = |digits| number(words.next()?, digits);
        let (previous_events, events) = (count(2)?, count(2)?);
        let (_all_events, _all_bytes) = (count(15)?, count(15)?);
        let size = |events| usize::try_from(events).ok();
        let (previous_events, events) = (size(previous_events)?, size(events)?);
        words.next().is_none().then_some(Self {
            epoch_number,
            previous,
            previous_last: if previous == NONE {
                0
            } else {
                previous.last(previous_events)
            },
            events,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[&str]) -> Option<Stored> {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let fields = fields.iter().map(|field| text(field)).collect();
        Stored::parse(Value::Array(vec![text("5-0"), Value::Array(fields)]))
    }

    #[test]
    fn an_entry_and_its_notice_are_the_same() {
        let (header, payload) = ("2 7 abc 4-1 3 1 9 90", "9 -\ndata: x\n\n");
        let stored = entry(&["h", header, "b", payload]).unwrap();
        let Content::Events(read, events) = &stored.content else {
            panic!("{stored:?}");
        };
        let previous = EntryId::parse(b"4-1").unwrap();
        assert_eq!((read.epoch_number, read.previous, read.events), (7, previous, 1));
        assert_eq!(read.previous_last, previous.sequence(2));
        assert_eq!(events.len(), 1);
        let notice = format!("5-0 {header}\n{payload}");
        assert_eq!(Stored::parse_notice(notice.into_bytes().into()), Some(stored));
        // A field that a later version adds is ignored.
        let more = entry(&["h", header, "b", payload, "new", "x"]);
        assert!(matches!(more.unwrap().content, Content::Events(..)));
    }

    #[test]
    fn what_is_none_of_ours_is_told_from_what_is_damaged_and_from_what_is_newer() {
        let content = |fields: &[&str]| entry(fields).unwrap().content;
        for foreign in [
            &["l", "7", "p", "4-0"][..],
            &["h", ""],
            &["h", "x"],
            &["h", "2 7 abc 4-1 3 1 9"],
            &["h", "2 7 abc 4 3 1 9 90"],
            &["h", "2 7 abc 4-1 3 1 9 90 1"],
            &["h", "1 7 abc 4-1 3 1 9 90"],
            &["h", "+2 7 abc 4-1 3 1 9 90"],
            &["h", "02 7 abc 4-1 3 1 9 90"],
            &["h", "1000000000 whatever"],
            &["h", "2 +7 abc 4-1 3 1 9 90"],
            &["h", "2 123456789012345 abc 4-1 3 1 9 90"],
            &["h", "2 7 a\tc 4-1 3 1 9 90"],
            &["h", "2 7  4-1 3 1 9 90"],
            &["h", "2 7 abc +4-1 3 1 9 90"],
            &["h", "2 7 abc 4-1 3 100 9 90"],
            &["h", "2 7 abc 4-1 3 1 123456789012345678901234 90"],
            &["h", "2 7 abc 4-1 3 1 9 1234567890123456"],
            &["other", "x", "h", "2 7 abc 4-1 3 1 9 90"],
            &["other", "x"],
            &[],
        ] {
            assert_eq!(content(foreign), Content::Foreign, "{foreign:?}");
        }
        let header = "2 7 abc 4-1 3 1 9 90";
        for damaged in ["", "9 -\ndata: x\n", "18 -\nid: 7\ndata: evil\n\n"] {
            let read = content(&["h", header, "b", damaged]);
            assert!(matches!(read, Content::Unreadable(_)), "{damaged:?}: {read:?}");
        }
        assert_eq!(content(&["h", "3 whatever", "b", "?"]), Content::Newer(3));
        assert!(Stored::parse(Value::Int(1)).is_none());
    }
}
