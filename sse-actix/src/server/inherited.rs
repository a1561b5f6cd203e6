//! Listening sockets that a process is started with.

#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::{io, net::TcpListener};

use listenfd::ListenFd;

/// A listening socket that this process was started with. See [`inherited_sockets`]'s example.
#[derive(Debug)]
pub enum InheritedSocket {
    /// For [`Server::listen`](crate::Server::listen) and similar methods.
    Tcp(TcpListener),
    /// For [`Server::listen_uds`](crate::Server::listen_uds).
    #[cfg(unix)]
    Unix(UnixListener),
}

/// The listening sockets that this process was started with, if there are any (`LISTEN_FDS`, as
/// systemd's socket activation and `systemfd` pass them), for [`Server`](crate::Server)'s `listen` methods.
///
/// A supervisor that holds the socket keeps it open while the server restarts, so that no client is refused: Firefox
/// closes a cross-origin `EventSource` permanently when its reconnect is refused. For HTTP/1.1 use
/// [`Server::inherit_or_bind`](crate::Server::inherit_or_bind).
///
/// ```
/// use actix_web::App;
/// use sse_actix::{InheritedSocket, Server, inherited_sockets};
///
/// let mut server = Server::new(App::new);
/// for socket in inherited_sockets()? {
///     server = match socket {
///         InheritedSocket::Tcp(socket) => server.listen(socket)?,
///         InheritedSocket::Unix(socket) => server.listen_uds(socket)?,
///     };
/// }
/// // This test was started with none.
/// assert!(server.addrs().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If an inherited descriptor is neither a TCP nor a unix listener.
pub fn inherited_sockets() -> io::Result<Vec<InheritedSocket>> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        sockets.extend(take(&mut passed, index)?);
    }
    Ok(sockets)
}

#[cfg(unix)]
fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<InheritedSocket>> {
    // A descriptor that is not a unix socket stays in the list, and may still be a TCP socket.
    match passed.take_unix_listener(index) {
        Ok(socket) => Ok(socket.map(InheritedSocket::Unix)),
        Err(_) => Ok(passed.take_tcp_listener(index)?.map(InheritedSocket::Tcp)),
    }
}

#[cfg(not(unix))]
fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<InheritedSocket>> {
    Ok(passed.take_tcp_listener(index)?.map(InheritedSocket::Tcp))
}
