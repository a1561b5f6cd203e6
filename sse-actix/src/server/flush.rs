//! How a body learns that its connection's socket has taken everything, so that it can fail without a loss.
//!
//! actix drops what it has not written yet when a body fails. So a body that is about to fail asks first, is
//! pending, and fails once it is told. actix's dispatcher polls the body, then writes and flushes, all in one
//! turn of one task; so the socket that is flushed next by the same task is the body's.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use super::os_socket::OsSocket;

/// How long to wait before asking the kernel again whether it has sent everything.
pub(crate) const RESET_POLL: Duration = Duration::from_millis(5);

/// How long the kernel may take to send the last bytes before the connection is reset all the same.
pub(crate) const RESET_PATIENCE: Duration = Duration::from_secs(30);

/// A body's question whether all it gave has been taken.
#[derive(Debug)]
pub(crate) struct Flush(Rc<State>);

#[derive(Debug)]
struct State {
    /// A socket of ours was written to or flushed after the question.
    is_our_socket: Cell<bool>,
    flushed: Cell<bool>,
    /// The connection is to be reset when it is closed. On HTTP/1.0 a stream's end is the connection's, so nothing
    /// else tells a client that the stream was cut.
    resets: bool,
}

thread_local! {
    /// The last question, and the task that was polled.
    static PENDING: Cell<Option<(Waker, Rc<State>)>> = const { Cell::new(None) };
}

impl Flush {
    pub(crate) fn new(resets: bool) -> Self {
        Self(Rc::new(State {
            is_our_socket: Cell::new(false),
            flushed: Cell::new(false),
            resets,
        }))
    }

    /// Asks the socket that is flushed next by the task of `cx`.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        PENDING.set(Some((cx.waker().clone(), Rc::clone(&self.0))));
    }

    /// Whether a socket of ours carries the body. If not, there is nothing to wait for.
    pub(crate) fn is_our_socket(&self) -> bool {
        self.0.is_our_socket.get()
    }

    /// Whether the socket has taken everything.
    pub(crate) fn is_done(&self) -> bool {
        self.0.flushed.get()
    }
}

/// Says that a socket is written to by the task of `cx`.
pub(super) fn note_write(cx: &Context<'_>) {
    let Some((task, state)) = PENDING.take() else {
        return;
    };
    if task.will_wake(cx.waker()) {
        state.is_our_socket.set(true);
        PENDING.set(Some((task, state)));
    }
}

/// Says that a socket was flushed by the task of `cx`.
pub(super) fn note_flush(cx: &Context<'_>, socket: OsSocket<'_>) {
    let Some((task, state)) = PENDING.take() else {
        return;
    };
    if !task.will_wake(cx.waker()) {
        return;
    }
    state.is_our_socket.set(true);
    discard_unread(socket);
    // A unix socket cannot be reset: there a client on HTTP/1.0 cannot tell a cut from an end.
    let resets = socket.tcp().filter(|_| state.resets);
    if resets.is_none_or(prepare_reset) {
        state.flushed.set(true);
        cx.waker().wake_by_ref();
    }
}

/// If bytes are unread when a socket is closed, the kernel resets the connection, and the client loses what it has
/// not read yet.
pub(super) fn discard_unread(socket: OsSocket<'_>) {
    let mut unread = [0; 4096];
    for _ in 0..16 {
        if !matches!(socket.try_read(&mut unread), Ok(1..)) {
            return;
        }
    }
}

/// Makes the close reset the connection. Returns false while the kernel still has unsent bytes, which it would
/// forget.
fn prepare_reset(tcp: &TcpStream) -> bool {
    let socket = SockRef::from(tcp);
    #[cfg(target_os = "linux")]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        // From here on the socket is writable when nothing is unsent.
        let is_set = socket.set_tcp_notsent_lowat(1).is_ok();
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if is_set && matches!(poll(&mut [PollFd::new(tcp, PollFlags::OUT)], Some(&now)), Ok(0)) {
            return false;
        }
    }
    let _ = socket.set_linger(Some(Duration::ZERO));
    true
}
