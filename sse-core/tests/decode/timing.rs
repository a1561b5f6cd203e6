//! Each item is given by the byte that completes it, and none later.

use sse_actix_core::{Decoded, Decoder};

/// At which byte, counted from one, each item came.
fn given_at(stream: &str) -> Vec<usize> {
    let mut decoder = Decoder::new().comments(true);
    let mut given = Vec::new();
    for (at, byte) in stream.bytes().enumerate() {
        decoder.feed(vec![byte]);
        given.extend(decoder.by_ref().map(|_| at + 1));
    }
    given
}

#[test]
fn an_event_is_given_by_its_last_line_break() {
    for (stream, at) in [
        ("data: a\n\ndata: b", 9),
        ("data: a\r\rdata: b", 9),
        ("data: a\r\n\r\ndata: b", 10),
        ("data: a\n\rdata: b", 9),
        ("data: a\r\n\ndata: b", 10),
    ] {
        assert_eq!(given_at(stream), [at], "{stream:?}");
    }
}

#[test]
fn an_event_in_one_chunk_does_not_wait_for_the_lf_after_its_last_cr() {
    let mut decoder = Decoder::new();
    decoder.feed("data: a\r\n\r");
    assert!(matches!(decoder.next(), Some(Ok(Decoded::Message(_)))));
    decoder.feed("\ndata: b\r\n\r\n");
    assert!(matches!(decoder.next(), Some(Ok(Decoded::Message(message))) if message.data == "b"));
    assert_eq!(decoder.next(), None);
}

#[test]
fn retry_and_comments_are_given_by_the_end_of_their_line() {
    assert_eq!(given_at("retry: 5\n: a\rdata: b\n\n"), [9, 13, 22]);
}

#[test]
fn the_last_event_id_changes_at_the_empty_line() {
    let mut decoder = Decoder::with_last_event_id("0");
    for (chunk, id) in [
        ("id: 1\n", "0"),
        ("data: a\n", "0"),
        ("\n", "1"),
        ("id: 2\ndata: b", "1"),
    ] {
        decoder.feed(chunk);
        let _ = decoder.by_ref().count();
        assert_eq!(decoder.last_event_id(), id, "{chunk:?}");
    }
    decoder.reconnect();
    assert_eq!(decoder.last_event_id(), "1");
}
