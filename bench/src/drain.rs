//! Polls a response body as a connection would, but without a connection.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use actix_web::{
    Responder,
    body::{BoxBody, MessageBody as _},
    test::TestRequest,
};

use crate::{
    emitters::arrive,
    events::{Expected, Reading},
};

/// A response body, and the check of what it produces.
#[derive(Debug)]
pub struct Drain<'a> {
    body: BoxBody,
    reading: Reading<'a>,
}

/// What was read in one measurement.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// The number of events.
    pub events: u64,
    /// The number of chunks.
    pub chunks: u64,
}

/// If a body is pending this many times in a row, it waits for something that never happens, and the program fails.
const MAX_PENDING: u32 = 1000;

impl<'a> Drain<'a> {
    /// The body of a handler's response. Its first bytes have to be `prelude`.
    pub fn new(responder: impl Responder<Body = BoxBody>, prelude: &'a str, expected: &'a Expected) -> Self {
        let response = responder.respond_to(&TestRequest::get().to_http_request());
        Self {
            body: response.into_body(),
            reading: Reading::new(prelude, expected),
        }
    }

    /// Reads and checks at least `events` events.
    ///
    /// # Panics
    ///
    /// If the body produces other bytes, or none.
    pub fn events(&mut self, events: u64) -> Drained {
        let before = self.reading.events();
        let mut chunks = 0;
        // Counting events costs more than checking them, so they are counted only after every 64 chunks.
        while self.reading.events() - before < events {
            for _ in 0..64 {
                let chunk = self.chunk();
                self.reading.read(&chunk);
                chunks += 1;
            }
        }
        Drained {
            events: self.reading.events() - before,
            chunks,
        }
    }

    fn chunk(&mut self) -> bytes::Bytes {
        let mut cx = Context::from_waker(Waker::noop());
        let mut polls_left = MAX_PENDING;
        loop {
            match Pin::new(&mut self.body).poll_next(&mut cx) {
                Poll::Ready(Some(Ok(chunk))) => return chunk,
                other => {
                    polls_left -= 1;
                    assert!(
                        other.is_pending() && polls_left > 0,
                        "{other:?} after {:?}",
                        self.reading
                    );
                    arrive();
                }
            }
        }
    }
}
