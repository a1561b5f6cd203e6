//! Streams that end in the middle of something.

use sse_actix_core::Decoder;

use crate::splits::splits;

fn is_unfinished(chunks: &[&[u8]], comments: bool) -> bool {
    let mut decoder = Decoder::new().comments(comments).max_event_size(20);
    for chunk in chunks {
        decoder.feed(chunk.to_vec());
        decoder.by_ref().for_each(drop);
    }
    decoder.is_unfinished()
}

#[test]
fn the_same_is_unfinished_however_it_was_cut() {
    for (stream, unfinished) in [
        ("", false),
        ("\u{FEFF}", false),
        ("\n", false),
        ("data: a\n\n", false),
        ("data: a\r\n\r\n", false),
        ("data: a\r\r", false),
        (": comment\n", false),
        ("retry: 100\n", false),
        ("data: a\n\nretry: 100\n: farewell\n", false),
        ("unknown: field\n", false),
        ("data: far too long, and so discarded\n\n", false),
        ("d", true),
        ("data: a", true),
        ("data: a\n", true),
        ("data\n", true),
        ("data: a\r", true),
        ("data: a\ndata: b\n", true),
        ("data: a\n\ndata: b\n", true),
        ("event: a\n", true),
        ("id: 7\n", true),
        (": comm", true),
        ("unknown: fie", true),
        ("retry: 100", true),
        ("data: a\n\n:", true),
        ("data: far too long, and so discarded", true),
        ("data: far too long, and so discarded\n", true),
        (": far too long, and so discarded, too", true),
    ] {
        for (how, chunks) in splits(stream.as_bytes()) {
            for comments in [false, true] {
                assert_eq!(
                    is_unfinished(&chunks, comments),
                    unfinished,
                    "{stream:?} {how}, {comments}"
                );
            }
        }
    }
}

#[test]
fn a_new_connection_is_not_unfinished() {
    let mut decoder = Decoder::new();
    decoder.feed("data: a");
    decoder.by_ref().for_each(drop);
    assert!(decoder.is_unfinished());
    decoder.reconnect();
    assert!(!decoder.is_unfinished());
}
