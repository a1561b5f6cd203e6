//! A record to which a log has given a position. The `id` line before the encoded event contains the position.

use std::{
    fmt, str,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use compact_str::CompactString;
use serde::de::DeserializeOwned;

use super::{
    decoded::Decoded,
    epoch::Epoch,
    position::{Position, PositionsLine},
    record::Record,
};
use crate::{DecodeEventError, Frame, TopicValue};

/// A record with its position in a log, and the frame that every reader shares.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use sse_actix_core::{Entry, Epoch, Event, Position, Record, TopicName};
///
/// let position = Position { epoch: Epoch::new(&TopicName::from_static("prices"), 1), sequence: 7 };
/// let record = Record::event(&Event::data("101.5").event("tick"), None)?.key("ACME");
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
/// let entry = Entry::new(position, record, now);
///
/// assert_eq!(entry.frame(), &format!("id: {position}\nevent: tick\ndata: 101.5\n\n"));
/// assert_eq!(entry.to_frame().as_ref(), entry.frame());
/// assert_eq!(entry.body(), b"event: tick\ndata: 101.5\n\n");
/// assert_eq!((entry.sequence(), entry.at(), entry.key()), (7, now, Some("ACME")));
/// assert_eq!((entry.name(), entry.data().as_str()), (Some("tick"), "101.5"));
/// assert_eq!(entry.value::<f64>().as_deref(), Some(&101.5));
/// # Ok::<(), sse_actix_core::RecordError>(())
/// ```
pub struct Entry {
    sequence: u64,
    millis: u64,
    /// The append time from which its age counts: lowered if the clock was set back.
    latest_append_time: AtomicU64,
    frame: Bytes,
    /// Where the `id` line ends.
    body_at: usize,
    key: Option<CompactString>,
    decoded: Decoded,
}

impl Entry {
    /// `record` at `position`, appended at `at`. Writes the id line.
    pub fn new(position: Position, record: Record, at: SystemTime) -> Self {
        let (body, key) = record.into_parts();
        let mut frame = Vec::with_capacity(64 + body.len());
        frame.extend_from_slice(b"id: ");
        position.push_to(&mut frame);
        frame.push(b'\n');
        let body_at = frame.len();
        frame.extend_from_slice(&body);
        Self {
            sequence: position.sequence,
            millis: millis(at),
            latest_append_time: AtomicU64::new(millis(at)),
            frame: frame.into(),
            body_at,
            key,
            decoded: Decoded::default(),
        }
    }

    /// Its sequence.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The epoch in which it was appended, from its id. The log may have continued in another epoch since.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sse_actix_core::{Entry, Epoch, Event, Position, Record, TopicName};
    ///
    /// let epoch = Epoch::new(&TopicName::from_static("prices"), 1);
    /// let record = Record::event(&Event::data("1"), None)?;
    /// let entry = Entry::new(Position { epoch, sequence: 7 }, record, SystemTime::UNIX_EPOCH);
    /// assert_eq!(entry.epoch(), Some(epoch));
    /// # Ok::<(), sse_actix_core::RecordError>(())
    /// ```
    pub fn epoch(&self) -> Option<Epoch> {
        let id = self.frame.get(b"id: ".len()..self.body_at)?;
        let (epoch, _) = str::from_utf8(id).ok()?.split_once('-')?;
        Epoch::parse(epoch)
    }

    /// The same entry, with the time of the one before it if the clock was set back since.
    pub(crate) fn not_before(mut self, previous: SystemTime) -> Self {
        self.millis = self.millis.max(millis(previous));
        self
    }

    /// When it was appended, to the millisecond. Of two entries of a topic, the later one never has an earlier time: if
    /// the clock is set back, an entry has the time of the one before it.
    pub fn at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.millis)
    }

    /// The complete frame, with its id line.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The complete frame, to be emitted.
    pub fn to_frame(&self) -> Frame {
        Frame::of(self.frame.clone())
    }

    /// The frame with another id line, or with none.
    ///
    /// ```
    /// use sse_actix_core::{Log, MemoryLog, PositionsLine};
    /// # use std::time::SystemTime;
    /// # use sse_actix_core::{Event, Limit, Record, Retention, Start, TopicName};
    /// # let (log, now) = (MemoryLog::new(), SystemTime::UNIX_EPOCH);
    /// # let append = |topic: &TopicName| {
    /// #     let record = Record::event(&Event::data("x"), None).unwrap();
    /// #     log.append(topic, record, &Retention::new(), now).into_ready().unwrap().unwrap().position
    /// # };
    /// # let (a, b) = (TopicName::from_static("a"), TopicName::from_static("b"));
    /// # let positions = [append(&a), append(&b)];
    /// # let read = log.read(&b, Start::Oldest, Limit::DEFAULT, now).into_ready().unwrap().unwrap();
    /// # let entry = &read.entries[0];
    /// let mut line = PositionsLine::default();
    /// assert_eq!(entry.to_frame_with(&line).as_ref(), b"data: x\n\n");
    ///
    /// line.set(positions);
    /// let id = format!("id: {},{}\n", positions[0], positions[1]);
    /// assert_eq!(entry.to_frame_with(&line).as_ref(), format!("{id}data: x\n\n").as_bytes());
    /// ```
    ///
    /// It accepts no bytes, so no code can forge an event:
    ///
    /// ```compile_fail,E0308
    /// fn forge(entry: &sse_actix_core::Entry) -> sse_actix_core::Frame {
    ///     entry.to_frame_with(Some(b"id: 1\ndata: forged\n\n"))
    /// }
    /// ```
    pub fn to_frame_with(&self, id_line: &PositionsLine) -> Frame {
        let body = self.frame.slice(self.body_at..);
        match id_line.as_bytes() {
            b"" => Frame::of(body),
            line => Frame::with_line(line, body),
        }
    }

    /// The frame without its id line.
    pub fn body(&self) -> &[u8] {
        self.frame.get(self.body_at..).unwrap_or_default()
    }

    /// The key of which it is the newest event, in a topic that keeps the newest event of each key.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The event's name; `None` for `message`.
    pub fn name(&self) -> Option<&str> {
        let body = str::from_utf8(self.body()).unwrap_or_default();
        body.strip_prefix("event: ")?.split('\n').next()
    }

    /// The event's data, as a browser joins it.
    pub fn data(&self) -> String {
        data_of(self.body())
    }

    /// The data as a `T`, decoded once for all readers; `None` if it is not JSON of a `T`.
    pub fn value<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let decode = || serde_json::from_str::<T>(&self.data()).ok().map(Arc::new);
        self.decoded.get_or_make(decode).clone()
    }

    /// True if this is an event of `T` for which `shows` returns true. The entry is decoded once for all readers; if it
    /// cannot be decoded, `undecodable` is called once.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use sse_actix_core::{EventName, Limit, Log, MemoryLog, Record, Retention, SseEvents, Start, TopicName, TopicValue};
    /// # #[derive(serde::Serialize, serde::Deserialize)] enum Market { Price(f64) }
    /// # impl SseEvents for Market {
    /// #     const NAMES: &'static [EventName] = &[EventName::from_static("price")];
    /// #     fn event_name(&self) -> &EventName { &Self::NAMES[0] }
    /// # }
    /// # impl TopicValue for Market {}
    /// # let (log, topic, now) = (MemoryLog::new(), TopicName::from_static("a"), SystemTime::UNIX_EPOCH);
    /// # let record = Record::from_value(&Market::Price(12.5)).unwrap();
    /// # log.append(&topic, record, &Retention::new(), now).into_ready().unwrap().unwrap();
    /// # let read = log.read(&topic, Start::Oldest, Limit::DEFAULT, now).into_ready().unwrap().unwrap();
    /// # let entry = &read.entries[0];
    /// assert!(entry.is_event(|Market::Price(price)| *price > 10.0, |error| panic!("{error}")));
    /// ```
    pub fn is_event<T: TopicValue>(
        &self,
        shows: impl FnOnce(&T) -> bool,
        undecodable: impl FnOnce(&DecodeEventError),
    ) -> bool {
        /// `decoded` holds one value for each Rust type. This wrapper is another type than `T`, so `is_event::<T>` and
        /// `value::<T>` do not get each other's result.
        struct OfEnum<T>(Option<T>);
        let mut undecodable = Some(undecodable);
        let decode = || {
            let decoded = T::decode(self.name().unwrap_or("message"), &self.data());
            if let (Err(error), Some(undecodable)) = (&decoded, undecodable.take()) {
                undecodable(error);
            }
            OfEnum(decoded.ok())
        };
        let OfEnum(event) = self.decoded.get_or_make(decode);
        event.as_ref().is_some_and(shows)
    }

    /// The approximate memory of a record once it is appended, in bytes; [`Retention`](crate::Retention) bounds the
    /// sum.
    ///
    /// ```
    /// use sse_actix_core::{Entry, Event, Record};
    ///
    /// let record = |text| Record::event(&Event::data(text), None).unwrap();
    /// assert_eq!(Entry::weight_of(&record("12345")), Entry::weight_of(&record("1")) + 4);
    /// ```
    pub fn weight_of(record: &Record) -> usize {
        size_of::<Self>() + 64 + record.len()
    }

    /// Its approximate memory in bytes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.frame.len() + self.key.as_ref().map_or(0, CompactString::len)
    }

    /// The append time from which its age counts, in milliseconds: lowered if the clock was set back.
    pub(crate) fn latest_append_time(&self) -> u64 {
        self.latest_append_time.load(Ordering::Relaxed)
    }

    /// Lowers the append time to the clock's current time, if the clock was set back.
    pub(crate) fn lower_append_time(&self, millis: u64) {
        self.latest_append_time.store(millis, Ordering::Relaxed);
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("sequence", &self.sequence)
            .field("frame", &String::from_utf8_lossy(&self.frame))
            .finish_non_exhaustive()
    }
}

pub(crate) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The data of one encoded event: its `data` lines, joined by LF.
fn data_of(body: &[u8]) -> String {
    let text = str::from_utf8(body).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut data = String::with_capacity(body.len());
    for (at, line) in lines.enumerate() {
        if at > 0 {
            data.push('\n');
        }
        data.push_str(line);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Event, TopicName};

    fn entry(event: &Event) -> Entry {
        let position = Position {
            epoch: Epoch::new(&TopicName::from_static("t"), 1),
            sequence: 7,
        };
        Entry::new(
            position,
            Record::event(event, None).unwrap(),
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn the_id_line_comes_first_and_the_rest_is_as_it_was() {
        let entry = entry(&Event::data("a\n b").event("x"));
        let id = format!("id: {}-7\n", Epoch::new(&TopicName::from_static("t"), 1));
        assert_eq!(
            entry.frame().as_ref(),
            format!("{id}event: x\ndata: a\ndata:  b\n\n").as_bytes()
        );
        assert_eq!(entry.body(), b"event: x\ndata: a\ndata:  b\n\n");
        assert_eq!((entry.name(), entry.data().as_str()), (Some("x"), "a\n b"));
    }

    #[test]
    fn a_value_is_decoded_as_what_it_is_asked_for() {
        let entry = entry(&Event::json(&[1, 2]).unwrap());
        assert_eq!(entry.value::<Vec<u8>>().as_deref(), Some(&vec![1, 2]));
        assert_eq!(entry.value::<String>(), None);
        assert_eq!(entry.value::<(u8, u8)>().as_deref(), Some(&(1, 2)));
    }
}
