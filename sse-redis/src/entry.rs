//! Entries of a stream, and what their ids are on the wire.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use redis::Value;
use sse_actix_core::{Entry, Epoch, NotARecord, Position, Record};

/// Bits of a sequence that count entries within a millisecond.
const COUNT_BITS: u32 = 22;

/// The most that an id may count within a millisecond; the script that appends goes on with the next one.
pub(crate) const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The sequence of an entry id, `<milliseconds>-<count>`: both in one number, in the same order.
pub(crate) fn sequence_of(id: &[u8]) -> Option<u64> {
    let (millis, count) = std::str::from_utf8(id).ok()?.split_once('-')?;
    let (millis, count) = (millis.parse::<u64>().ok()?, count.parse::<u64>().ok()?);
    (millis < 1 << (u64::BITS - COUNT_BITS) && count <= MAX_COUNT).then_some(millis << COUNT_BITS | count)
}

/// The entry id of a sequence.
pub(crate) fn id_of(sequence: u64) -> String {
    format!("{}-{}", sequence >> COUNT_BITS, sequence & MAX_COUNT)
}

/// One entry, as it is in Redis.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    /// The entry that was the newest when this one was appended.
    pub(crate) previous: u64,
    /// Which life of the stream.
    pub(crate) life: u64,
    /// What was published; `None` in the entry that begins a life.
    record: Option<Record>,
}

/// An entry is none of ours.
#[derive(Debug)]
pub(crate) struct Foreign;

impl From<NotARecord> for Foreign {
    fn from(_: NotARecord) -> Self {
        Self
    }
}

impl Stored {
    /// Reads what XREAD and its like return of one entry: its id, and its fields with their values.
    pub(crate) fn parse(value: Value) -> Result<Self, Foreign> {
        let [id, fields] = array(value)?;
        let (mut life, mut previous, mut body, mut key) = (None, None, None, None);
        let mut fields = items(fields)?.into_iter();
        while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
            let value = bytes(value)?;
            match bytes(field)?.as_slice() {
                b"l" => life = number(&value),
                b"p" => previous = sequence_of(&value),
                b"b" => body = Some(value),
                b"k" => key = Some(String::from_utf8(value).map_err(|_| Foreign)?),
                // Of a later version.
                _ => {}
            }
        }
        let record = body.map(|body| Record::from_body(body.into())).transpose()?;
        Ok(Self {
            sequence: sequence_of(&bytes(id)?).ok_or(Foreign)?,
            previous: previous.ok_or(Foreign)?,
            life: life.ok_or(Foreign)?,
            record: match key {
                Some(key) => record.map(|record| record.key(key)),
                None => record,
            },
        })
    }

    /// Reads the newest entry of a key: its id, a blank, and what was published.
    pub(crate) fn parse_latest(life: u64, key: Value, value: Value) -> Result<Self, Foreign> {
        let key = String::from_utf8(bytes(key)?).map_err(|_| Foreign)?;
        let mut body = Bytes::from(bytes(value)?);
        let blank = body.iter().position(|byte| *byte == b' ').ok_or(Foreign)?;
        let id = body.split_to(blank);
        let record = Record::from_body(body.split_off(1))?.key(key);
        Ok(Self {
            sequence: sequence_of(&id).ok_or(Foreign)?,
            previous: 0,
            life,
            record: Some(record),
        })
    }

    /// What was just published, once it is known where.
    pub(crate) fn published(appended: &Appended, record: Record) -> Self {
        Self {
            sequence: appended.sequence,
            previous: appended.previous,
            life: appended.life,
            record: Some(record),
        }
    }

    /// How many bytes were published.
    pub(crate) fn weight(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.body().len())
    }

    /// Whether it begins a life.
    pub(crate) fn begins(&self) -> bool {
        self.record.is_none()
    }

    /// As readers get it.
    pub(crate) fn into_entry(self, epoch: Epoch) -> Option<Arc<Entry>> {
        let position = Position {
            epoch,
            sequence: self.sequence,
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(self.sequence >> COUNT_BITS);
        Some(Arc::new(Entry::new(position, self.record?, at)))
    }
}

/// Where something was appended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    pub(crate) sequence: u64,
    pub(crate) previous: u64,
    pub(crate) life: u64,
}

impl Appended {
    /// Reads what the script that appends returns.
    pub(crate) fn parse(value: Value) -> Result<Self, Foreign> {
        let [id, previous, life] = array(value)?;
        Ok(Self {
            sequence: sequence_of(&bytes(id)?).ok_or(Foreign)?,
            previous: sequence_of(&bytes(previous)?).ok_or(Foreign)?,
            life: number(&bytes(life)?).ok_or(Foreign)?,
        })
    }
}

/// The newest entry of a stream, and, if asked for, the newest of each key.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) head: u64,
    pub(crate) life: u64,
    pub(crate) latest: Vec<Stored>,
}

impl Newest {
    /// Reads what the script that looks returns.
    pub(crate) fn parse(value: Value) -> Result<Self, Foreign> {
        let [id, life, latest] = array(value)?;
        let life = number(&bytes(life)?).ok_or(Foreign)?;
        let mut pairs = items(latest)?.into_iter();
        let mut latest = Vec::with_capacity(pairs.len() / 2);
        while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
            latest.push(Stored::parse_latest(life, key, value)?);
        }
        latest.sort_unstable_by_key(|entry| entry.sequence);
        Ok(Self {
            head: sequence_of(&bytes(id)?).ok_or(Foreign)?,
            life,
            latest,
        })
    }
}

/// The elements of an array; of a map, keys and values in turn.
pub(crate) fn items(value: Value) -> Result<Vec<Value>, Foreign> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        Value::Nil => Ok(Vec::new()),
        _ => Err(Foreign),
    }
}

pub(crate) fn array<const N: usize>(value: Value) -> Result<[Value; N], Foreign> {
    items(value)?.try_into().map_err(|_| Foreign)
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, Foreign> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(Foreign),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_its_sequence_are_the_same_thing_in_the_same_order() {
        for id in [
            "0-0",
            "0-1",
            "1790000000000-0",
            "1790000000000-4194303",
            "4398046511103-4194303",
        ] {
            assert_eq!(id_of(sequence_of(id.as_bytes()).unwrap()), id);
        }
        assert!(sequence_of(b"1790000000000-4194303") < sequence_of(b"1790000000001-0"));
        for wrong in ["", "1", "-", "a-1", "1-a", "1--1", "1-4194304", "4398046511104-0"] {
            assert_eq!(sequence_of(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_none_of_ours_is_not_read() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let entry = |fields: &[&str]| {
            let fields = fields.iter().map(|field| text(field)).collect();
            Value::Array(vec![text("5-0"), Value::Array(fields)])
        };
        let stored = Stored::parse(entry(&["l", "7", "p", "4-0", "b", "data: x\n\n", "k", "a"])).unwrap();
        assert_eq!((stored.life, stored.previous), (7, sequence_of(b"4-0").unwrap()));
        assert!(Stored::parse(entry(&["l", "7", "p", "0-0"])).unwrap().begins());
        // A later version may add something.
        let later = Stored::parse(entry(&["l", "7", "p", "4-0", "b", "data: x\n\n", "new", "x"]));
        assert_eq!(later.unwrap().life, 7);
        for wrong in [
            &["l", "7"][..],
            &["p", "4-0"],
            &["l", "x", "p", "4-0"],
            &["l", "7", "p", "4-0", "b", "id: 1\ndata: x\n\n"],
            &["other", "x"],
        ] {
            assert!(Stored::parse(entry(wrong)).is_err(), "{wrong:?}");
        }
        assert!(Stored::parse(Value::Int(1)).is_err());
    }
}
