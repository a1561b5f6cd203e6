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
    let shared = SHARED.take();
    let capacity = shared.as_ref().map(|buf| buf.bytes.capacity());
    SHARED.set(shared);
    capacity
}

#[test]
fn a_stream_that_is_not_polled_holds_no_buffer() {
    let buffer = EventBuffer::new(None);
    buffer.attach_buffer();
    assert_eq!(shared_capacity(), None);
    buffer.push("x").unwrap();
    assert_eq!(buffer.take().unwrap(), "data: x\n\n");
    assert!(buffer.buf.take().is_none());
    assert!(shared_capacity().is_some());
}

#[test]
fn a_stream_polled_by_another_has_a_buffer_of_its_own() {
    let (outer, inner) = (EventBuffer::new(None), EventBuffer::new(None));
    outer.attach_buffer();
    outer.push("outer").unwrap();
    inner.attach_buffer();
    inner.push("inner").unwrap();
    assert_eq!(inner.take().unwrap(), "data: inner\n\n");
    assert_eq!(outer.take().unwrap(), "data: outer\n\n");
}

#[test]
fn what_was_emitted_before_there_was_a_body_comes_first() {
    let (early, other) = (EventBuffer::new(None), EventBuffer::new(None));
    early.push("early").unwrap();
    other.attach_buffer();
    other.push("other").unwrap();
    assert_eq!(other.take().unwrap(), "data: other\n\n");
    early.attach_buffer();
    early.push("late").unwrap();
    assert_eq!(early.take().unwrap(), "data: early\n\ndata: late\n\n");
    assert_eq!(early.take(), None);
}

#[test]
fn a_frame_that_is_all_there_is_is_not_copied() {
    let frame = Bytes::from_static(b"data: x\n\n");
    let buffer = EventBuffer::new(None);
    buffer.attach_buffer();
    buffer.push_shared(&frame);
    assert_eq!(buffer.take().unwrap().as_ptr(), frame.as_ptr());
    assert_eq!(buffer.take(), None);

    buffer.attach_buffer();
    buffer.push_shared(&frame);
    assert!(buffer.has_at_least(frame.len()) && !buffer.has_at_least(frame.len() + 1));
    buffer.push("y").unwrap();
    buffer.push_shared(&frame);
    assert_eq!(buffer.take().unwrap(), "data: x\n\ndata: y\n\ndata: x\n\n");
    assert_eq!(buffer.emitted(), 4);
}

#[test]
fn the_buffer_of_a_huge_event_is_not_kept() {
    let buffer = EventBuffer::new(None);
    buffer.attach_buffer();
    buffer.push("x".repeat(KEPT_CHUNK)).unwrap();
    assert!(buffer.take().unwrap().len() > KEPT_CHUNK);
    assert_eq!(shared_capacity(), None);
}
