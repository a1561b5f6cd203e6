//! Turns upstream's bytes into the items that are sent on.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use serde_json::Value;
use sse_actix_core::{
    Decoded, Decoder, END_EVENT, GAP_EVENT, Message, POSITION_EVENT, Relayed, RelayedEvents, Retry,
};

use super::error::RelayError;

/// After this many chunks without a wait, other tasks on the thread get a turn: a closure may drop every event, so the
/// stream would never pause.
const TURN: usize = 32;

/// Upstream, and the decoder of its bytes.
pub(super) struct Decoding<S> {
    /// `None` once the relay is over.
    upstream: Option<Pin<Box<S>>>,
    decoder: Decoder,
    max_event_size: usize,
    comments: bool,
    retry: bool,
    sends_gaps_and_positions: bool,
    is_last: Option<fn(&Message) -> bool>,
    /// Chunks read since this was last pending.
    chunks: usize,
}

/// An item that upstream has sent.
pub(super) enum Received {
    Message(Message),
    /// A gap or position event of another server with this library.
    GapOrPosition(Message),
    /// A comment, or a reconnection time.
    Line(Relayed),
}

impl<S> Decoding<S> {
    pub(super) fn new(upstream: S, max_event_size: usize) -> Self {
        Self {
            upstream: Some(Box::pin(upstream)),
            decoder: Decoder::new().max_event_size(max_event_size).comments(true),
            max_event_size,
            comments: true,
            retry: false,
            sends_gaps_and_positions: false,
            is_last: None,
            chunks: 0,
        }
    }

    pub(super) fn max_event_size(&mut self, bytes: usize) {
        self.max_event_size = bytes;
        self.decoder = mem::take(&mut self.decoder).max_event_size(bytes);
    }

    pub(super) fn comments(&mut self, passed: bool) {
        self.comments = passed;
        self.decoder = mem::take(&mut self.decoder).comments(passed);
    }

    pub(super) fn retry(&mut self, passed: bool) {
        self.retry = passed;
    }

    pub(super) fn last_event_id(&mut self, id: &str) {
        self.decoder = Decoder::with_last_event_id(id)
            .max_event_size(self.max_event_size)
            .comments(self.comments);
    }

    pub(super) fn ends_with(&mut self, is_last: fn(&Message) -> bool) {
        self.is_last = Some(is_last);
    }

    pub(super) fn sends_gaps_and_positions(&mut self) {
        self.sends_gaps_and_positions = true;
    }

    /// The next events, if they were received completely and need not be decoded.
    #[inline]
    pub(super) fn next_unchanged(&mut self) -> Option<RelayedEvents> {
        if self.is_last.is_some() || self.upstream.is_none() {
            return None;
        }
        self.decoder.next_unchanged()
    }

    /// Drops upstream; nothing more is received.
    pub(super) fn end(&mut self) {
        self.upstream = None;
    }

    /// Handles a message of upstream; `None` if it is not sent on.
    fn receive(&mut self, message: Message) -> Option<Result<Received, RelayError>> {
        // Most names are not reserved.
        if message.event.starts_with("sse-") {
            match &*message.event {
                END_EVENT => {
                    self.end();
                    let data = message.data;
                    return (!is_finished(&data)).then_some(Err(RelayError::Ended { data }));
                }
                name if name == GAP_EVENT.as_str() && !self.sends_gaps_and_positions => {
                    self.end();
                    return Some(Err(RelayError::Gap { data: message.data }));
                }
                name if name == POSITION_EVENT.as_str() && !self.sends_gaps_and_positions => return None,
                name if name == GAP_EVENT.as_str() || name == POSITION_EVENT.as_str() => {
                    return Some(Ok(Received::GapOrPosition(message)));
                }
                _ => {}
            }
        }
        if self.is_last.is_some_and(|is_last| is_last(&message)) {
            self.end();
        }
        Some(Ok(Received::Message(message)))
    }
}

impl<S, E> Decoding<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The next item. An error is the last item.
    pub(super) fn poll_received(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Received, RelayError>>> {
        loop {
            let Some(upstream) = &mut self.upstream else {
                return Poll::Ready(None);
            };
            match self.decoder.next() {
                Some(Ok(Decoded::Message(message))) => {
                    if let Some(received) = self.receive(message) {
                        return Poll::Ready(Some(received));
                    }
                }
                Some(Ok(Decoded::Comment(text))) => {
                    return Poll::Ready(Some(Ok(Received::Line(Relayed::Comment(text)))));
                }
                Some(Ok(Decoded::Retry(retry))) if self.retry => {
                    let retry = Relayed::Retry(Retry::from(retry));
                    return Poll::Ready(Some(Ok(Received::Line(retry))));
                }
                // Not requested, such as a `retry` line by default.
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.end();
                    return Poll::Ready(Some(Err(RelayError::TooLarge(error))));
                }
                None if self.chunks == TURN => {
                    self.chunks = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => match upstream.as_mut().poll_next(cx) {
                    Poll::Pending => {
                        self.chunks = 0;
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(Ok(chunk))) => {
                        self.chunks += 1;
                        self.decoder.feed(chunk);
                    }
                    Poll::Ready(Some(Err(error))) => {
                        self.end();
                        return Poll::Ready(Some(Err(RelayError::Upstream(error.into()))));
                    }
                    Poll::Ready(None) => {
                        self.end();
                        let is_whole = !self.decoder.is_unfinished() && self.is_last.is_none();
                        return Poll::Ready((!is_whole).then_some(Err(RelayError::Unfinished)));
                    }
                },
            }
        }
    }
}

/// True if a server with this library has said that its stream was complete.
fn is_finished(data: &str) -> bool {
    serde_json::from_str::<Value>(data)
        .is_ok_and(|end| end.get("reason").is_some_and(|reason| reason == "finished"))
}

impl<S> fmt::Debug for Decoding<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoding")
            .field("is_over", &self.upstream.is_none())
            .field("decoder", &self.decoder)
            .field("max_event_size", &self.max_event_size)
            .field("retry", &self.retry)
            .field("sends_gaps_and_positions", &self.sends_gaps_and_positions)
            .finish_non_exhaustive()
    }
}
