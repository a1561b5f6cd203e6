//! What holds for every stream and every event.

use proptest::{collection::vec, prelude::*, sample::select};
use sse_actix_core::{Decoded, Decoder, Event, EventId, EventName, Frame, Message, Retry};

use crate::{decode, reference};

/// What streams are made of, in pieces small enough to meet at every border.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: &[&[u8]] = &[
        b"data",
        b"event",
        b"id",
        b"retry",
        b"data:",
        b"data: ",
        b"event: ",
        b"id: ",
        b"id:",
        b"retry: ",
        b"d",
        b"da",
        b":",
        b": ",
        b" ",
        b"\n",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"0",
        b"1500",
        b"99999999999999999999",
        b"+",
        b"a",
        b"message",
        b"\xEF\xBB\xBF",
        b"\xEF",
        b"\xBB",
        b"\xE2\x82\xAC",
        b"\xE2\x82",
        b"\xF0\x9F\x92\xA9",
        b"\xED\xA0",
        b"\xFF",
        b"0123456789abcdefghijklmnopqrstuvwxyz",
        b"\ndata: x\n\n",
    ];
    prop_oneof![
        9 => select(known).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..20),
    ]
}

pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    vec(pieces(), 0..60).prop_map(|pieces| pieces.concat())
}

/// Sizes of the first chunks; the rest comes in one.
pub(crate) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 0usize..4, 1 => 0usize..60], 0..80)
}

pub(crate) fn cut<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes {
        let (chunk, rest) = stream.split_at((*size).min(stream.len()));
        chunks.push(chunk);
        stream = rest;
    }
    chunks.push(stream);
    chunks
}

/// Any text, with more line breaks than chance would bring.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        2 => any::<String>(),
        1 => select(&["\n", "\r", "\r\n", "", " ", ":", "\0", "\u{FEFF}", "data: x", "é"][..]).prop_map(str::to_owned),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

#[derive(Debug, Clone)]
struct Meant {
    name: Option<EventName>,
    id: Option<EventId>,
    retry: Option<u32>,
    data: String,
}

fn meant() -> impl Strategy<Value = Meant> {
    let name = prop::option::of(any::<String>()).prop_map(|name| EventName::try_from(name?).ok());
    let id = prop::option::of(prop_oneof![any::<String>(), Just(String::new())]);
    let id = id.prop_map(|id| EventId::try_from(id?).ok());
    let retry = prop::option::of(Retry::MIN.as_millis()..=Retry::MAX.as_millis());
    (name, id, retry, text()).prop_map(|(name, id, retry, data)| Meant {
        name,
        id,
        retry,
        data,
    })
}

fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_split_of_any_stream_agrees_with_the_reference(
        stream in stream(), sizes in sizes(), limit in prop_oneof![Just(usize::MAX), 0usize..80],
        comments: bool, seed in "[a-z]{0,3}",
    ) {
        let expected = reference::decode(&stream, &seed, limit, comments);
        let decoder = Decoder::with_last_event_id(&seed).max_event_size(limit).comments(comments);
        prop_assert_eq!(decode(decoder, cut(&stream, &sizes)).1, expected);
    }

    #[test]
    fn chunks_that_are_fed_before_they_are_asked_for_are_not_lost(stream in stream(), sizes in sizes()) {
        let expected = decode(Decoder::new(), [&*stream]).1.items;
        let mut decoder = Decoder::new();
        for chunk in cut(&stream, &sizes) {
            decoder.feed(chunk.to_vec());
        }
        prop_assert_eq!(decoder.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_encoded_is_decoded(events in vec(meant(), 0..5), sizes in sizes()) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        let mut last_event_id = "";
        for Meant { name, id, retry, data } in &events {
            let mut event = Event::data(data);
            if let Some(name) = name {
                event = event.event(name);
            }
            if let Some(id) = id {
                event = event.id(id);
                last_event_id = id.as_str();
            }
            if let Some(retry) = *retry {
                event = event.retry(Retry::from_millis(retry));
                expected.push(Ok(Decoded::Retry(Retry::from_millis(retry).into())));
            }
            stream.extend_from_slice(&Frame::from(event));
            expected.push(Ok(Decoded::Message(Message {
                event: name.as_ref().map_or("message", EventName::as_str).into(),
                data: normalised(data).into(),
                last_event_id: last_event_id.into(),
            })));
        }
        let (_, outcome) = decode(Decoder::new(), cut(&stream, &sizes));
        prop_assert_eq!(outcome.items, expected);
        prop_assert_eq!(outcome.last_event_id, last_event_id);
    }

    #[test]
    fn what_was_commented_is_decoded(text in text(), sizes in sizes()) {
        let frame = Frame::from(Event::comment(text.clone()));
        let expected: Vec<_> = normalised(&text)
            .split('\n')
            .map(|line| Ok(Decoded::Comment(line.into())))
            .collect();
        let (_, outcome) = decode(Decoder::new().comments(true), cut(&frame, &sizes));
        prop_assert_eq!(outcome.items, expected);
        prop_assert_eq!(decode(Decoder::new(), cut(&frame, &sizes)).1.items, []);
    }
}
