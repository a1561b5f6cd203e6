//! Aborts a body, so that its client does not treat it as complete. All bytes before the abort are sent first.

use std::{
    error, fmt,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::ResponseError;
use tokio::time::{Instant, Sleep, sleep};

use crate::server::{Flush, RESET_PATIENCE, RESET_POLL};

/// How the response reaches the client. This decides how a body can be aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyTransport {
    /// HTTP/1.1 on this library's server: the body fails once the socket has taken all its bytes.
    Http11,
    /// HTTP/1.0 on this library's server: the stream ends with the connection, so the connection is reset.
    Http10,
    /// HTTP/2: the crate `h2` sends all queued data first, then resets the stream.
    Http2,
    /// Another server: bytes that its socket does not take at once are lost.
    OtherServer,
}

/// A body that is being aborted.
pub(super) struct Abort {
    transport: BodyTransport,
    /// The request to the socket, and the time at which it was first made.
    flush: Option<(Flush, Instant)>,
    /// Ends when the kernel is asked again whether it has sent everything.
    pause: Option<Pin<Box<Sleep>>>,
    has_yielded: bool,
}

/// The error with which a body fails. The reason is logged.
#[derive(Debug)]
pub(super) struct Aborted;

impl Abort {
    pub(super) fn new(transport: BodyTransport) -> Self {
        Self {
            transport,
            flush: None,
            pause: None,
            has_yielded: false,
        }
    }

    /// Ready when the body may fail.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Aborted> {
        match self.transport {
            BodyTransport::Http2 => {}
            BodyTransport::OtherServer => ready!(self.poll_yield(cx)),
            BodyTransport::Http11 | BodyTransport::Http10 => ready!(self.poll_flush(cx)),
        }
        Poll::Ready(Aborted)
    }

    /// The server writes its buffer before it polls the body again, as far as the socket takes it.
    fn poll_yield(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Waits until the socket has taken everything. If a client takes nothing, the server's `user_timeout` ends its
    /// connection.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let resets = self.transport == BodyTransport::Http10;
        let Some((flush, since)) = &self.flush else {
            let flush = Flush::new(resets);
            flush.register(cx);
            self.flush = Some((flush, Instant::now()));
            // If no socket of this library has answered by the next poll, none carries this body.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let cannot_flush = !flush.is_our_socket() || resets && since.elapsed() > RESET_PATIENCE;
        if flush.is_done() || cannot_flush {
            return Poll::Ready(());
        }
        flush.register(cx);
        if resets {
            let mut pause = Box::pin(sleep(RESET_POLL));
            let _ = pause.as_mut().poll(cx);
            self.pause = Some(pause);
        }
        Poll::Pending
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream was aborted, so that its client does not treat it as complete")
    }
}

impl error::Error for Aborted {}

impl ResponseError for Aborted {}
