use std::panic::{AssertUnwindSafe, catch_unwind};

use sse_actix_core::{Event, Json};

use super::*;

struct Panics;

impl serde::Serialize for Panics {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("a value that cannot be serialised")
    }
}

#[test]
fn a_value_that_panics_takes_nothing_along() {
    let buffer = EventBuffer::new(None);
    buffer.push("before").unwrap();
    for _ in 0..2 {
        let pushed = catch_unwind(AssertUnwindSafe(|| buffer.push(Json((1, Panics)))));
        assert!(pushed.is_err());
    }
    buffer.push("after").unwrap();
    assert_eq!(buffer.take().unwrap(), "data: before\n\ndata: after\n\n");
}

#[test]
fn what_is_not_for_browsers_is_refused_as_soon_as_they_are_known_to_read() {
    let event = || Event::data("x").event(EventName::not_for_browsers("error").unwrap());
    let buffer = EventBuffer::new(None);
    buffer.push(event()).unwrap();
    assert_eq!(buffer.set_plain(false), Err(NotForBrowsers));
    assert!(buffer.push(event()).is_err());
    let failure = buffer.take_failure().unwrap().to_string();
    assert!(
        failure.starts_with("event name is `open` or `error`"),
        "{failure}"
    );

    let buffer = EventBuffer::new(None);
    buffer.push(event()).unwrap();
    assert_eq!(buffer.set_plain(true), Ok(()));
    buffer.push(event()).unwrap();
    assert_eq!(buffer.take().unwrap(), "event: error\ndata: x\n\n".repeat(2));
}

fn shared_capacity() -> Option<usize> {
    let shared = THREAD_PIECES.take();
    let capacity = shared.as_ref().map(|pieces| pieces.copied.capacity());
    THREAD_PIECES.set(shared);
    capacity
}

#[test]
fn a_stream_that_is_not_polled_holds_no_buffer() {
    let buffer = EventBuffer::new(None);
    buffer.borrow_thread_pieces();
    assert_eq!(shared_capacity(), None);
    buffer.push("x").unwrap();
    assert_eq!(buffer.take().unwrap(), "data: x\n\n");
    assert!(buffer.pieces.take().is_none());
    assert!(shared_capacity().is_some());
}

#[test]
fn a_stream_polled_by_another_has_a_buffer_of_its_own() {
    let (outer, inner) = (EventBuffer::new(None), EventBuffer::new(None));
    outer.borrow_thread_pieces();
    outer.push("outer").unwrap();
    inner.borrow_thread_pieces();
    inner.push("inner").unwrap();
    assert_eq!(inner.take().unwrap(), "data: inner\n\n");
    assert_eq!(outer.take().unwrap(), "data: outer\n\n");
}

#[test]
fn what_was_emitted_before_there_was_a_body_comes_first() {
    let (early, other) = (EventBuffer::new(None), EventBuffer::new(None));
    early.push("early").unwrap();
    other.borrow_thread_pieces();
    other.push("other").unwrap();
    assert_eq!(other.take().unwrap(), "data: other\n\n");
    early.borrow_thread_pieces();
    early.push("late").unwrap();
    assert_eq!(early.take().unwrap(), "data: early\n\ndata: late\n\n");
    assert_eq!(early.take(), None);
}

#[test]
fn a_frame_that_is_all_there_is_is_not_copied() {
    let frame = Bytes::from_static(b"data: x\n\n");
    let buffer = EventBuffer::new(None);
    buffer.borrow_thread_pieces();
    buffer.push_shared(&frame);
    assert_eq!(buffer.take().unwrap().as_ptr(), frame.as_ptr());
    assert_eq!(buffer.take(), None);

    buffer.borrow_thread_pieces();
    buffer.push_shared(&frame);
    assert!(buffer.has_at_least(frame.len()) && !buffer.has_at_least(frame.len() + 1));
    buffer.push("y").unwrap();
    buffer.push_shared(&frame);
    assert_eq!(buffer.take().unwrap(), "data: x\n\ndata: y\n\ndata: x\n\n");
    assert_eq!(buffer.emitted(), 4);
}

/// A frame of 20 KB.
fn large(byte: &str) -> Frame {
    Frame::from(Event::data(byte.repeat(20_000)))
}

fn pieces(buffer: &EventBuffer) -> Vec<Bytes> {
    std::iter::from_fn(|| buffer.take()).collect()
}

/// Asserts that the buffer holds `all`, and that each frame of `shared` is a piece of it, not a copy.
#[track_caller]
fn assert_shared(buffer: &EventBuffer, all: &[&[u8]], shared: &[&Frame]) {
    let pieces = pieces(buffer);
    assert!(pieces.concat() == all.concat());
    for frame in shared {
        let is_frame = |piece: &&Bytes| piece.as_ptr() == frame.as_ptr() && piece.len() == frame.len();
        assert_eq!(pieces.iter().filter(is_frame).count(), 1);
    }
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    assert!(buffer.pieces.take().is_none());
}

#[test]
fn a_large_frame_is_shared_wherever_it_stands() {
    let (a, b) = (large("a"), large("b"));
    let (a_bytes, b_bytes) = (a.clone().into_bytes(), b.clone().into_bytes());
    let small = b"data: small\n\n".as_slice();

    let buffer = EventBuffer::new(None);
    buffer.borrow_thread_pieces();
    buffer.push("small").unwrap();
    buffer.push_shared(&a_bytes);
    assert!(buffer.has_at_least(small.len() + a.len()));
    assert_shared(&buffer, &[small, &a], &[&a]);

    buffer.borrow_thread_pieces();
    buffer.push_shared(&a_bytes);
    buffer.push("small").unwrap();
    buffer.push_shared(&b_bytes);
    buffer.push_uncounted(small);
    assert!(buffer.has_at_least(a.len() + b.len() + 2 * small.len()));
    assert_shared(&buffer, &[&a, small, &b, small], &[&a, &b]);
    assert_eq!(buffer.emitted(), 5);

    // The stream does not hold the thread's buffer while the rest waits.
    buffer.borrow_thread_pieces();
    buffer.push("small").unwrap();
    buffer.push_shared(&a_bytes);
    assert_eq!(buffer.take().unwrap(), small);
    assert!(shared_capacity().is_some());
    assert!(buffer.is_full());
    assert_shared(&buffer, &[&a], &[&a]);
}

#[test]
fn an_emitted_frame_that_is_large_is_shared() {
    let (a, b) = (large("a"), large("b"));
    let small = b"data: small\n\n".as_slice();
    let buffer = EventBuffer::new(None);
    buffer.push(a.clone()).unwrap();
    buffer.push("small").unwrap();
    buffer.push(&b).unwrap();
    buffer.push(Frame::from(Event::data("small"))).unwrap();
    assert!(buffer.is_open());
    assert_eq!(buffer.emitted(), 4);
    assert_shared(&buffer, &[&a, small, &b, small], &[&a, &b]);
}

#[test]
fn a_value_that_panics_after_a_large_frame_takes_nothing_along() {
    let a = large("a");
    let buffer = EventBuffer::new(None);
    buffer.borrow_thread_pieces();
    buffer.push(&a).unwrap();
    let pushed = catch_unwind(AssertUnwindSafe(|| buffer.push(Json((1, Panics)))));
    assert!(pushed.is_err());
    buffer.push("after").unwrap();
    assert_shared(&buffer, &[&a, b"data: after\n\n"], &[&a]);
}

#[test]
fn what_was_pushed_since_a_mark_is_taken_back() {
    let a = large("a");
    let early = b"data: early\n\n".as_slice();
    for large_is_early in [false, true] {
        for last in ["", "last"] {
            let buffer = EventBuffer::new(None);
            buffer.push("early").unwrap();
            if large_is_early {
                buffer.push(&a).unwrap();
            }
            let checkpoint = buffer.borrow_thread_pieces();
            buffer.push(large("b")).unwrap();
            buffer.push("small").unwrap();
            buffer.push(&a).unwrap();
            buffer.push_uncounted(last.as_bytes());
            buffer.roll_back_to(checkpoint);
            assert_eq!(buffer.emitted(), 1 + u64::from(large_is_early));
            buffer.push("on").unwrap();
            let (all, shared) = ([early, &a, b"data: on\n\n"], [&a]);
            if large_is_early {
                assert_shared(&buffer, &all, &shared);
            } else {
                assert_shared(&buffer, &[all[0], all[2]], &[]);
            }
        }
    }
    let buffer = EventBuffer::new(None);
    let checkpoint = buffer.borrow_thread_pieces();
    buffer.push(&a).unwrap();
    buffer.roll_back_to(checkpoint);
    assert_eq!((buffer.take(), buffer.emitted()), (None, 0));
    assert!(shared_capacity().is_some());
}

#[test]
fn the_end_of_a_piece_that_is_put_back_comes_next() {
    let a = large("a");
    let buffer = EventBuffer::new(None);
    buffer.borrow_thread_pieces();
    buffer.push(&a).unwrap();
    buffer.push("later").unwrap();
    assert!(!buffer.has_rest());
    let piece = buffer.take().unwrap();
    assert_eq!(buffer.keep_rest(piece, 100), a[..100]);
    assert!(buffer.has_rest());
    buffer.borrow_thread_pieces();
    buffer.push("end").unwrap();
    assert!(pieces(&buffer).concat() == [&a[100..], b"data: later\n\ndata: end\n\n"].concat());
    assert!(!buffer.has_rest() && buffer.pieces.take().is_none());
}

#[test]
fn what_a_stream_begins_with_comes_first() {
    let opening = || Bytes::from_static(b"retry: 1\n");
    let buffer = EventBuffer::new(None);
    buffer.push("early").unwrap();
    buffer.prepend(opening());
    buffer.borrow_thread_pieces();
    assert_eq!(buffer.take().unwrap(), "retry: 1\ndata: early\n\n");

    // As much as a function emits before it waits.
    let buffer = EventBuffer::new(None);
    while !buffer.is_full() {
        buffer.push("x".repeat(1_016)).unwrap();
    }
    buffer.prepend(opening());
    buffer.borrow_thread_pieces();
    assert_eq!(buffer.take().unwrap().len(), opening().len() + HIGH_WATER);

    let a = large("a");
    for early in [&b""[..], b"data: early\n\n"] {
        let buffer = EventBuffer::new(None);
        buffer.push_uncounted(early);
        buffer.push(&a).unwrap();
        buffer.prepend(opening());
        buffer.borrow_thread_pieces();
        assert_shared(&buffer, &[&opening(), early, &a], &[&a]);
    }
}

#[test]
fn the_buffer_of_a_huge_event_is_not_kept() {
    let buffer = EventBuffer::new(None);
    buffer.borrow_thread_pieces();
    buffer.push("x".repeat(MAX_REUSED_CAPACITY)).unwrap();
    assert!(buffer.take().unwrap().len() > MAX_REUSED_CAPACITY);
    assert_eq!(shared_capacity(), None);

    // The buffer is not kept either if the huge event is one of several pieces.
    buffer.borrow_thread_pieces();
    buffer.push("x".repeat(MAX_REUSED_CAPACITY)).unwrap();
    buffer.push(large("a")).unwrap();
    buffer.push("small").unwrap();
    assert_eq!(pieces(&buffer).len(), 3);
    assert!(shared_capacity().is_none_or(|capacity| capacity <= 2 * CAPACITY));
}
