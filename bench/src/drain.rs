//! Reads a body as a connection would, without one: polled until it has given enough.

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

/// A body that is read.
#[derive(Debug)]
pub struct Drain<'a> {
    body: BoxBody,
    reading: Reading<'a>,
}

/// What a reader got.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// How many events.
    pub events: u64,
    /// In how many chunks.
    pub chunks: u64,
}

/// A body that is pending this often in a row waits for what does not come.
const PATIENCE: u32 = 1000;

impl<'a> Drain<'a> {
    /// The body of what a handler has returned, which starts with `prelude`.
    pub fn new(responder: impl Responder<Body = BoxBody>, prelude: &'a str, expected: &'a Expected) -> Self {
        let response = responder.respond_to(&TestRequest::get().to_http_request());
        Self {
            body: response.into_body(),
            reading: Reading::new(prelude, expected),
        }
    }

    /// Reads at least this many events, and checks them.
    ///
    /// # Panics
    ///
    /// If anything else arrives, or nothing.
    pub fn events(&mut self, events: u64) -> Drained {
        let before = self.reading.events();
        let mut chunks = 0;
        // Events are counted only now and then: it costs more than to check them.
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
        let mut patience = PATIENCE;
        loop {
            match Pin::new(&mut self.body).poll_next(&mut cx) {
                Poll::Ready(Some(Ok(chunk))) => return chunk,
                other => {
                    patience -= 1;
                    assert!(
                        other.is_pending() && patience > 0,
                        "{other:?} after {:?}",
                        self.reading
                    );
                    arrive();
                }
            }
        }
    }
}
