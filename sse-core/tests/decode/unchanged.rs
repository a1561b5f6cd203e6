//! Events that are sent on as they are.

use proptest::prelude::*;
use sse_actix_core::{Decoded, Decoder, Frame, Relayed};

use crate::{
    decode,
    properties::{cut, sizes, stream},
};

/// All items, where whatever can be sent on unchanged is asked for first.
fn with_unchanged(
    mut decoder: Decoder,
    chunks: &[&[u8]],
) -> Vec<Result<Decoded, sse_actix_core::DecodeError>> {
    let mut items = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk.to_vec());
        loop {
            if let Some(events) = decoder.next_unchanged() {
                let sent = Frame::new(Relayed::from(events.clone())).unwrap();
                let messages: Vec<_> = events.into_messages().map(Decoded::Message).map(Ok).collect();
                let (_, again) = decode(Decoder::new(), [sent.as_ref()]);
                assert_eq!(again.items, messages);
                items.extend(messages);
            } else if let Some(item) = decoder.next() {
                items.push(item);
            } else {
                break;
            }
        }
    }
    items
}

proptest! {
    #[test]
    fn they_are_the_events_that_a_decoder_gives(
        stream in stream(), sizes in sizes(), limit in 4usize..40, comments: bool,
    ) {
        let chunks = cut(&stream, &sizes);
        let decoder = || Decoder::new().max_event_size(limit).comments(comments);
        let (_, expected) = decode(decoder(), chunks.iter().copied());
        prop_assert_eq!(with_unchanged(decoder(), &chunks), expected.items);
    }
}

#[test]
fn several_are_given_at_once_within_4_kib_and_one_of_any_size() {
    let small = "data: 23456789\n\n";
    let large = format!("data: {}\n\n", "x".repeat(5_000));
    let mut decoder = Decoder::new();
    decoder.feed([small.repeat(300), large.clone(), small.to_owned()].concat());
    let mut given = || {
        let events = decoder.next_unchanged().map(Relayed::from)?;
        Some(Frame::new(events).unwrap())
    };
    assert_eq!(given().unwrap().as_ref(), small.repeat(256).as_bytes());
    assert_eq!(given().unwrap().as_ref(), small.repeat(44).as_bytes());
    assert_eq!(given().unwrap().as_ref(), large.as_bytes());
    assert_eq!(given().unwrap().as_ref(), small.as_bytes());
    assert_eq!(given(), None);
}

#[test]
fn nothing_else_is() {
    for stream in [
        "event: a\ndata: x\n\n",
        "id: 1\ndata: x\n\n",
        "data: x\ndata: y\n\n",
        "data: x\n",
        "data: x\r\n\r\n",
        "data: x\n\r\n",
        "data: x\r\r",
        "data:x\n\n",
        "data\n\n",
        ": c\ndata: x\n\n",
        "retry: 1\ndata: x\n\n",
        "\n",
    ] {
        let mut decoder = Decoder::new().comments(true);
        decoder.feed("\n");
        assert_eq!(decoder.next(), None);
        decoder.feed(stream.to_owned());
        assert_eq!(decoder.next_unchanged(), None, "{stream:?}");
    }

    let mut decoder = Decoder::new();
    decoder.feed("id: 1\n\ndata: x\n\n");
    assert!(decoder.next().is_some());
    decoder.feed("data: x\n\n");
    assert_eq!(decoder.next_unchanged(), None, "its last event id is 1");

    let mut decoder = Decoder::new();
    decoder.feed(&b"\ndata: \xFF\n\n"[..]);
    assert_eq!(decoder.next_unchanged(), None, "not UTF-8");
}
