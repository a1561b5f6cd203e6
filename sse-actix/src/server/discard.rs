//! Handles the bytes that a client sends after its request for a stream. They are not answered before the stream has
//! ended, so few of them are kept. The rest is read and dropped, because a server that does not read does not notice
//! that the client has left.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// How many bytes after a request for a stream are kept.
pub(super) const MAX_PIPELINED_BYTES: usize = 64 * 1024;

/// How many reads are done before other tasks on the thread get a turn.
const READS_PER_TURN: usize = 16;

/// Drops all bytes that arrive, until the client sends no more. Calls `dropped` after each read that had bytes. An
/// error means that the connection is lost; without an error, the client may have closed only its sending side.
pub(super) fn poll_discard(
    transport: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    mut dropped: impl FnMut(),
) -> Poll<io::Result<()>> {
    for _ in 0..READS_PER_TURN {
        let mut unread = [0; 4096];
        let mut unread = ReadBuf::new(&mut unread);
        ready!(Pin::new(&mut *transport).poll_read(cx, &mut unread))?;
        if unread.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        dropped();
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
