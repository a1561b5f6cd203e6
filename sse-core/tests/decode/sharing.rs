//! What is copied, what is shared and for how long.

use std::fmt::Write;

use allocation_counter::measure;
use bytes::Bytes;
use sse_actix_core::{Decoded, Decoder, Message};

fn message(decoder: &mut Decoder) -> Message {
    match decoder.next() {
        Some(Ok(Decoded::Message(message))) => message,
        other => panic!("{other:?}"),
    }
}

fn shares(chunk: &Bytes, text: &str) -> bool {
    chunk.as_ptr_range().contains(&text.as_ptr())
}

#[test]
fn data_and_id_in_one_chunk_are_that_chunk() {
    let chunk = Bytes::from("id: 1\ndata: a\n\ndata: b\ndata: c\n\ndata: d".to_owned());
    let mut decoder = Decoder::new();
    decoder.feed(chunk.clone());

    let first = message(&mut decoder);
    assert!(shares(&chunk, &first.data) && shares(&chunk, &first.last_event_id));
    let joined = message(&mut decoder);
    assert_eq!(joined.data, "b\nc");
    assert!(!shares(&chunk, &joined.data));

    decoder.feed("\n\n");
    let split = message(&mut decoder);
    assert_eq!((&*split.data, &*split.last_event_id), ("d", "1"));
    assert!(!shares(&chunk, &split.data) && !shares(&chunk, &split.last_event_id));
}

#[test]
fn the_decoder_lets_go_of_a_chunk_before_it_asks_for_the_next() {
    for stream in [
        "id: 1\nevent: a\ndata: b\n\n",
        "id: 1\nevent: a\ndata: b\n",
        "id: 1\nevent: a\ndata: b",
        "id: 1\n",
        ": comment",
        "\u{FEFF}",
        "data: b\r",
        "unknown",
    ] {
        let chunk = Bytes::from(stream.to_owned());
        let mut decoder = Decoder::new().comments(true);
        decoder.feed(chunk.clone());
        while decoder.next().is_some() {}
        assert!(chunk.is_unique(), "{stream:?}");
    }
}

#[test]
fn reconnecting_lets_go_too() {
    let chunk = Bytes::from("id: 1\ndata: b\n\nid: 2\ndata: c\ndata: d\n\n".to_owned());
    let mut decoder = Decoder::new();
    decoder.feed(chunk.clone());
    drop(message(&mut decoder));
    decoder.feed(chunk.clone());
    decoder.reconnect();
    assert!(chunk.is_unique());
    assert_eq!(decoder.next(), None);
}

#[test]
fn events_in_one_chunk_allocate_nothing_each() {
    let mut events = String::new();
    for id in 0..1_000 {
        writeln!(events, "event: tick\nid: {id}\ndata: {{\"n\":{id}}}\n").unwrap();
    }
    let mut decoder = Decoder::new();
    decoder.feed("event: tick\ndata\n\n");
    assert_eq!(decoder.by_ref().count(), 1);

    let chunk = Bytes::from(events);
    let info = measure(|| {
        decoder.feed(chunk.clone());
        assert_eq!(decoder.by_ref().count(), 1_000);
    });
    // The chunk's own counter when it is first shared, the name's likewise.
    assert!(info.count_total <= 2, "{info:?}");
}

/// Whoever keeps messages keeps them without the room of a larger one before.
#[test]
fn a_message_put_together_of_pieces_takes_at_most_twice_its_size() {
    let stream =
        ["x".repeat(40_000), "x".repeat(5_000), "x".repeat(300)].map(|data| format!("data: {data}\n\n"));
    let mut kept = Vec::with_capacity(stream.len());
    let info = measure(|| {
        let mut decoder = Decoder::new();
        for piece in stream.concat().as_bytes().chunks(100) {
            decoder.feed(Bytes::copy_from_slice(piece));
            kept.extend(&mut decoder);
        }
    });
    assert_eq!(kept.len(), 3);
    drop(kept.remove(0));
    let kept = measure(|| drop(kept)).bytes_current.unsigned_abs();
    assert!((5_300..10_600 + 200).contains(&kept), "{kept} of {info:?}");
}

#[test]
fn keep_alives_allocate_nothing() {
    let mut decoder = Decoder::new();
    let info = measure(|| {
        for _ in 0..1_000 {
            decoder.feed(":\n\n");
            decoder.feed(": keep-");
            decoder.feed("alive\r\n\r");
            assert_eq!(decoder.next(), None);
        }
    });
    assert!(info.count_total <= 1, "{info:?}");
}
