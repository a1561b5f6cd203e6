//! `max_event_size`, memory, and work that does not grow with the square of an event.

use allocation_counter::measure;
use bytes::Bytes;
use sse_actix_core::{DecodeError, Decoded, Decoder};

use crate::{decode, splits::splits};

const LIMIT: usize = 20;
const EVENT: Result<&str, DecodeError> = Err(DecodeError::EventTooLarge { limit: LIMIT });
const COMMENT: Result<&str, DecodeError> = Err(DecodeError::CommentTooLarge { limit: LIMIT });

/// What a stream brings under `LIMIT`, the same in every split: data, after a name that is not
/// `message` and `=`; comments, after a colon; and the last event id in the end.
fn check(stream: &str, comments: bool, expected: &[Result<&str, DecodeError>], last_event_id: &str) {
    for (how, chunks) in splits(stream.as_bytes()) {
        let decoder = Decoder::with_last_event_id("seed")
            .max_event_size(LIMIT)
            .comments(comments);
        let (_, outcome) = decode(decoder, chunks);
        let items = outcome.items.into_iter().map(|item| {
            item.map(|item| match item {
                Decoded::Message(message) if message.event == "message" => message.data.to_string(),
                Decoded::Message(message) => format!("{}={}", message.event, message.data),
                Decoded::Comment(comment) => format!(":{comment}"),
                other => format!("{other:?}"),
            })
        });
        let expected = expected.iter().map(|item| item.map(str::to_owned));
        assert!(items.eq(expected), "{stream:?} {how}");
        assert_eq!(outcome.last_event_id, last_event_id, "{stream:?} {how}");
    }
}

#[test]
fn an_event_of_just_the_limit_is_given() {
    // "data: 1234567890123" is 19 bytes, and its line break is one, CRLF or not.
    check("data: 1234567890123\n\n", false, &[Ok("1234567890123")], "seed");
    check(
        "data: 1234567890123\r\n\r\n",
        false,
        &[Ok("1234567890123")],
        "seed",
    );
    check(
        "data: 12345678901234\n\ndata: a\n\n",
        false,
        &[EVENT, Ok("a")],
        "seed",
    );
}

#[test]
fn the_lines_of_an_event_count_together() {
    check("data: 1\ndata: 2\nid\n\n", false, &[Ok("1\n2")], "");
    check(
        "data: 1\ndata: 2\nid:23\n\ndata\n\n",
        false,
        &[EVENT, Ok("")],
        "seed",
    );
    check(
        "event: 12\ndata: 123456\n\ndata: a\n\n",
        false,
        &[EVENT, Ok("a")],
        "seed",
    );
    check(
        "data\ndata\ndata\ndata\ndata\n\ndata: a\n\n",
        false,
        &[EVENT, Ok("a")],
        "seed",
    );
}

#[test]
fn an_event_that_was_too_large_leaves_nothing_behind() {
    let stream =
        "id: 5\nevent: e\ndata: far too large\nid: 6\nretry: 7\ndata: b\n\ndata: c\n\nid: 8\ndata: d\n\n";
    check(stream, false, &[EVENT, Ok("c"), Ok("d")], "8");
    check("id: 5\ndata: far too large\n\n", false, &[EVENT], "seed");
    check("id: 5\ndata: far too large", false, &[EVENT], "seed");
}

#[test]
fn a_new_connection_starts_from_nothing() {
    for unfinished in [
        "id: 5\nevent: e\ndata: ab",
        "id: 5\nevent: e\ndata: far too large\n",
    ] {
        let mut decoder = Decoder::new().max_event_size(LIMIT);
        decoder.feed(unfinished);
        while decoder.next().is_some() {}
        decoder.reconnect();
        decoder.feed("data: 1234567890123\n\n");
        let Some(Ok(Decoded::Message(message))) = decoder.next() else {
            panic!("{unfinished:?}");
        };
        assert_eq!((&*message.event, &*message.data), ("message", "1234567890123"));
        assert_eq!(message.last_event_id, "");
    }
}

#[test]
fn several_in_a_row_are_an_error_each() {
    let large = "data: far too large: x\r\n\r\n";
    check(
        &format!("{large}{large}data: a\n\n"),
        false,
        &[EVENT, EVENT, Ok("a")],
        "seed",
    );
}

#[test]
fn what_means_nothing_does_not_count() {
    let stream = "unknown: as long as it likes to be\n: a comment without any end in sight\ndata: a\n\n";
    check(stream, false, &[Ok("a")], "seed");
}

#[test]
fn a_comment_that_is_too_large_is_lost_alone() {
    let stream = "data: a\n: too large a comment here\n: fits in\ndata: b\n\n";
    check(stream, true, &[COMMENT, Ok(":fits in"), Ok("a\nb")], "seed");
    check(stream, false, &[Ok("a\nb")], "seed");
}

#[test]
fn a_limit_of_nothing_refuses_every_event_and_nothing_else() {
    let stream = b":\n\ndata: a\n\nunknown\n\ndata\n\n";
    for (how, chunks) in splits(stream) {
        let (_, outcome) = decode(Decoder::new().max_event_size(0), chunks);
        assert_eq!(
            outcome.items,
            [const { Err(DecodeError::EventTooLarge { limit: 0 }) }; 2],
            "{how}"
        );
    }
}

#[test]
fn by_default_an_event_of_16_mib_is_too_large_and_a_little_less_is_not() {
    let size = Decoder::DEFAULT_MAX_EVENT_SIZE;
    assert_eq!(size, 16 * 1024 * 1024);
    let line = |len: usize| Bytes::from(format!("data: {}\n\n", "x".repeat(len)));

    let mut decoder = Decoder::new();
    decoder.feed(line(size - 7));
    assert!(matches!(decoder.next(), Some(Ok(Decoded::Message(message))) if message.data.len() == size - 7));
    decoder.feed(line(size - 6));
    assert_eq!(
        decoder.next(),
        Some(Err(DecodeError::EventTooLarge { limit: size }))
    );
    assert_eq!(decoder.next(), None);
}

/// Feeds `stream` over and over in pieces of `size`, up to 2 MiB, after `start`; gives the most memory
/// that was held meanwhile.
fn peak(mut decoder: Decoder, start: &'static str, stream: &'static str, size: usize) -> u64 {
    let endless = Bytes::from(stream.repeat(2 * 1024 * 1024 / stream.len()));
    let info = measure(|| {
        decoder.feed(start);
        for at in (0..endless.len()).step_by(size) {
            decoder.feed(endless.slice(at..endless.len().min(at + size)));
            for item in &mut decoder {
                drop(item);
            }
        }
    });
    info.bytes_max
}

#[test]
fn memory_is_bounded_whatever_comes() {
    const LIMIT: usize = 256 * 1024;
    for (start, stream) in [
        ("data: ", "x"),
        ("event: ", "x"),
        ("id: ", "x"),
        ("retry: ", "0"),
        ("", "data: 0123456789\n"),
        ("", "data\n"),
        ("", "id: 0123456789\n"),
        ("", "event: 0123456789\r\n"),
        ("", "retry: 1000\n"),
        (": ", "x"),
        ("unknown", "x"),
        ("data: ", "\u{0}"),
        ("", ":\n"),
        ("", "id: 1\ndata: 0123456789\n\n"),
    ] {
        for size in [40, 1_460, 64 * 1024] {
            let decoder = Decoder::new().max_event_size(LIMIT).comments(true);
            let peak = peak(decoder, start, stream, size);
            // Two of it while a buffer that doubled is handed over, and room to double.
            assert!(peak <= 4 * LIMIT as u64, "{start:?} {stream:?} {size}: {peak}");
        }
    }
}

#[test]
fn ids_and_names_of_the_largest_size_are_bounded_too() {
    const LIMIT: usize = 256 * 1024;
    let mut decoder = Decoder::new().max_event_size(LIMIT);
    let value = "x".repeat(LIMIT - 100);
    let stream = Bytes::from(format!(
        "id: {value}\ndata\n\ndata\n\nevent: {value}\ndata\n\nid: {value}\ndata\n\ndata: {value}"
    ));
    let info = measure(|| {
        for at in (0..stream.len()).step_by(100) {
            decoder.feed(stream.slice(at..stream.len().min(at + 100)));
            while decoder.next().is_some() {}
        }
    });
    assert!(info.bytes_max <= 8 * LIMIT as u64, "{info:?}");
}

/// 4 MiB in pieces of 16 bytes, and 1 MiB in single ones: work that grew with the square would keep
/// this test busy for hours.
#[test]
fn work_is_linear_whatever_the_pieces() {
    for (len, size) in [(4 << 20, 16), (1 << 20, 1)] {
        for filler in ["x", "x\ndata: ", "\r\ndata:"] {
            let data = filler.repeat(len / filler.len());
            let stream = Bytes::from(format!("id: 1\ndata: {data}\n\n"));
            let mut decoder = Decoder::new().max_event_size(usize::MAX);
            let mut messages = 0;
            for at in (0..stream.len()).step_by(size) {
                decoder.feed(stream.slice(at..stream.len().min(at + size)));
                for item in &mut decoder {
                    assert!(matches!(item, Ok(Decoded::Message(_))));
                    messages += 1;
                }
            }
            assert_eq!(messages, 1);
        }
    }
}

#[test]
fn memory_is_given_back_after_large_events() {
    let line = format!("data: {}\n", "x".repeat(1 << 20));
    let stream = Bytes::from(format!("{line}\n{line}{line}\n: {line}\ndata\n\n"));
    let mut decoder = Decoder::new().comments(true);
    let info = measure(|| {
        for at in (0..stream.len()).step_by(100) {
            decoder.feed(stream.slice(at..stream.len().min(at + 100)));
            while decoder.next().is_some() {}
        }
    });
    assert!(info.bytes_current <= 256 * 1024, "{info:?}");
}

/// A large id that stays must not be copied for each chunk or event that follows.
#[test]
fn work_does_not_grow_with_what_is_kept() {
    let id = "x".repeat(1 << 20);
    let mut decoder = Decoder::new();
    let info = measure(|| {
        decoder.feed(format!("id: {id}\n"));
        for _ in 0..1_000 {
            decoder.feed("event: a\n");
            assert_eq!(decoder.next(), None);
        }
        decoder.feed("\n");
        for _ in 0..1_000 {
            decoder.feed("event: a\n");
            assert_eq!(decoder.next(), None);
            decoder.feed("data: a\n\n");
            assert!(decoder.next().is_some());
        }
    });
    assert!(info.bytes_total <= 8 << 20, "{info:?}");
}
