//! What a client sends behind its request for a stream. It is not answered before the stream has ended, so little of
//! it is kept. The rest is read and dropped, because a server that does not read does not learn that the client has left.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// How many bytes are kept behind a stream.
pub(super) const MAX_PIPELINED_BYTES: usize = 64 * 1024;

/// How often is read before others on the thread have a turn.
const READS_PER_TURN: usize = 16;

/// Drops what arrives, and tells so, until the client sends no more. An error says that the connection is lost; without
/// one, the client may have closed its own direction only.
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
