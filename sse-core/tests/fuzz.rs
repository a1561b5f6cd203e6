//! Fuzz targets, which run for a second each with the other tests. For longer, on stable:
//! `BOLERO_RANDOM_TEST_TIME_MS=10000 cargo test -p sse-actix-core --release --test fuzz`; a failure
//! prints the seed that brings it back as `BOLERO_RANDOM_SEED`. With `cargo-bolero` installed and a
//! nightly compiler, `cargo bolero test` fuzzes the same targets guided by coverage.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, SystemTime};

use bolero::check;
use sse_actix_core::{
    DecodeError, Decoded, Decoder, Epoch, Event, EventId, EventName, Frame, Keep, Message, Record, Retry,
    Ring, TopicName,
};

#[path = "decode/reference.rs"]
mod reference;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    items: Vec<Result<Decoded, DecodeError>>,
    last_event_id: String,
    retry: Option<Duration>,
}

fn decode(mut decoder: Decoder, mut stream: &[u8], sizes: &[u8]) -> Outcome {
    let mut items = Vec::new();
    let mut sizes = sizes.iter().copied().cycle();
    while !stream.is_empty() {
        let size = sizes.next().map_or(stream.len(), |size| usize::from(size) + 1);
        let (chunk, rest) = stream.split_at(size.min(stream.len()));
        decoder.feed(chunk.to_vec());
        items.extend(&mut decoder);
        stream = rest;
    }
    Outcome {
        items,
        last_event_id: decoder.last_event_id().to_owned(),
        retry: decoder.retry(),
    }
}

/// Most random bytes are one unknown field, so half of the byte values stand for what matters.
fn meaningful(bytes: &[u8]) -> Vec<u8> {
    let piece = |byte: &u8| -> Vec<u8> {
        match byte {
            0..32 => b"\n".to_vec(),
            32..40 => b"\r".to_vec(),
            40..48 => b"\r\n".to_vec(),
            48..64 => b"data:".to_vec(),
            64..72 => b"data".to_vec(),
            72..80 => b"id: ".to_vec(),
            80..88 => b"event:".to_vec(),
            88..96 => b"retry: ".to_vec(),
            96..104 => b": ".to_vec(),
            104..108 => b"\xEF\xBB\xBF".to_vec(),
            108..112 => b"\xE2\x82\xAC".to_vec(),
            112..120 => b"1234567890".to_vec(),
            120..124 => b" ".to_vec(),
            124..128 => b"\0".to_vec(),
            _ => vec![*byte],
        }
    };
    bytes.iter().flat_map(piece).collect()
}

#[test]
fn any_bytes_in_any_chunks_agree_with_the_reference() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>, bool, bool, Option<u8>)>()
        .for_each(|(bytes, sizes, raw, comments, limit)| {
            let stream = if *raw { bytes.clone() } else { meaningful(bytes) };
            let limit = limit.map_or(usize::MAX, usize::from);
            let expected = reference::decode(&stream, "seed", limit, *comments);
            let decoder = Decoder::with_last_event_id("seed")
                .max_event_size(limit)
                .comments(*comments);
            assert_eq!(decode(decoder, &stream, sizes), expected);
        });
}

#[test]
fn any_event_survives_the_wire_in_any_chunks() {
    check!()
        .with_type::<(String, Option<String>, Option<String>, Option<u32>, Vec<u8>)>()
        .for_each(|(data, name, id, retry, sizes)| {
            let name = name.as_deref().and_then(|name| EventName::try_from(name).ok());
            let id = id.as_deref().and_then(|id| EventId::try_from(id).ok());
            let retry = retry.map(|millis| Retry::from(Duration::from_millis(millis.into())));

            let mut event = Event::data(data);
            let mut expected = Vec::new();
            if let Some(retry) = retry {
                event = event.retry(retry);
                expected.push(Ok(Decoded::Retry(retry.into())));
            }
            if let Some(name) = &name {
                event = event.event(name);
            }
            if let Some(id) = &id {
                event = event.id(id);
            }
            expected.push(Ok(Decoded::Message(Message {
                event: name.as_ref().map_or("message", EventName::as_str).into(),
                data: data.replace("\r\n", "\n").replace('\r', "\n").into(),
                last_event_id: id.as_ref().map_or("", EventId::as_str).into(),
            })));
            let frame = Frame::from(event);
            assert_eq!(decode(Decoder::new(), &frame, sizes).items, expected);
        });
}

/// Other programs may write to a log. What is taken from it is one event, whatever they wrote.
#[test]
fn whatever_a_log_gives_back_is_one_event_that_browsers_take() {
    const FIELDS: [&str; 8] = [
        "event: ", "retry: ", "data: ", "data: ", "data:", "id: ", ": ", "",
    ];
    let epoch = Epoch::new(&TopicName::from_static("t"), 1);
    let decode_entry = |record: Record| {
        let entry = Ring::new(epoch, Keep::Every, 6, true).append(record, SystemTime::UNIX_EPOCH);
        decode(Decoder::new(), entry.frame(), &[])
    };
    check!()
        .with_type::<(Vec<(u8, Vec<u8>)>, String, Option<String>)>()
        .for_each(|(lines, data, name)| {
            let line = |(field, value): &(u8, Vec<u8>)| {
                let field = FIELDS[usize::from(*field) % FIELDS.len()].as_bytes();
                [field, &meaningful(value), b"\n"].concat()
            };
            let mut body: Vec<u8> = lines.iter().flat_map(line).collect();
            body.push(b'\n');
            if let Ok(record) = Record::from_body(body.into()) {
                let mut items = decode_entry(record).items;
                items.retain(
                    |item| !matches!(item, Ok(Decoded::Retry(retry)) if *retry >= Duration::from(Retry::MIN)),
                );
                let [Ok(Decoded::Message(message))] = items.as_slice() else {
                    panic!("{items:?}")
                };
                assert_eq!(&*message.last_event_id, format!("{epoch}-7"));
                assert!(EventName::try_from(&*message.event).is_ok());
            }

            // And what was put into it is taken.
            let mut event = Event::data(data);
            if let Some(name) = name.as_deref().and_then(|name| EventName::try_from(name).ok()) {
                event = event.event(name);
            }
            let record = Record::event(&event, None).unwrap();
            assert_eq!(Record::from_body(record.body().clone()), Ok(record));
        });
}
