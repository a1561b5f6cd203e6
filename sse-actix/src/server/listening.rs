//! What a client sends behind the request for a stream. Nobody answers it before the stream has ended, so little of it is
//! read; but a client that leaves is noticed.

use std::{
    io,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::TcpStream;
use tokio::io::Interest;

/// How many bytes are read behind a stream.
pub(super) const BEHIND_A_STREAM: usize = 64 * 1024;

/// Waits until the client has left, and reads nothing: what it goes on to send stays in the kernel, whose buffer is soon
/// full.
pub(super) fn poll_left(tcp: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        if ready!(tcp.poll_read_ready(cx)).is_err() || has_left(tcp) {
            return Poll::Ready(());
        }
        // Waits for the next time that something happens.
        let _ = tcp.try_io(Interest::READABLE, || {
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
    }
}

#[cfg(target_os = "linux")]
fn has_left(tcp: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(tcp, PollFlags::RDHUP)];
    let left = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    poll(&mut polled, Some(&now)).is_err() || polled[0].revents().intersects(left)
}

/// Elsewhere the next write finds out.
#[cfg(not(target_os = "linux"))]
fn has_left(_: &TcpStream) -> bool {
    false
}
