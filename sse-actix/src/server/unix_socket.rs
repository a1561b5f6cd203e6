//! Unix sockets, by their path in the file system.

use std::{
    fs, io,
    os::unix::{fs::FileTypeExt as _, net::UnixListener},
    path::Path,
};

use socket2::{Domain, SockAddr, Socket, Type};

/// Binds a path. The file of a process that was killed is replaced; any other file stays.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", path.display()),
        )
    };
    // Two processes that start together must not both replace the file: the later one would remove the other's new
    // socket.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::File::open(directory.unwrap_or(Path::new(".")));
    let _locked = directory
        .and_then(|directory| directory.lock().map(|()| directory))
        .ok();
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path).map_err(named)?;
            UnixListener::bind(path).map_err(named)
        }
        bound => bound.map_err(named),
    }
}

/// Removes a socket that no process listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server whose backlog is full would let a blocking probe wait.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(()) => Err(in_use()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
        Err(error) => Err(error),
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")
}
