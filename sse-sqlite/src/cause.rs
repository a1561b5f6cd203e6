use std::{error::Error, fmt, path::PathBuf, sync::Arc};

/// The reason why an event was not written, as the source of an `AppendError`. All events of one commit share it.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// The log was closed.
    Closed,
    /// A thread of the log has panicked.
    Panicked,
    /// Too many events wait to be written.
    Busy { events: usize, bytes: usize },
    /// The file has reached its limit.
    FileFull { used: u64, limit: u64 },
    /// The disk is full, and retention has not made room yet.
    DiskFull,
    /// A file of the log is not at its place any more.
    Replaced(Arc<PathBuf>),
    /// A topic has used its last sequence.
    OutOfSequences,
    /// The file has no free number for another topic.
    OutOfTopics,
    /// The stored data is not valid.
    Foreign(&'static str),
    /// SQLite failed.
    Sqlite(Arc<rusqlite::Error>),
}

impl Cause {
    /// True if there is no room for events, but reading continues.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::FileFull { .. } | Self::DiskFull)
    }

    /// True if the system has refused to write to the file, for a reason that SQLite does not name.
    pub(crate) fn is_failed_write(&self) -> bool {
        matches!(self, Self::Sqlite(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure))
    }

    /// For a line of the program's log.
    pub(crate) fn with_source(&self) -> String {
        match self {
            Self::Sqlite(source) => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the log was closed"),
            Self::Panicked => f.write_str("the log has panicked while it read; its panic message says why"),
            Self::Busy { events, bytes } => write!(
                f,
                "{events} events of {bytes} bytes wait to be written; publish more slowly, or raise `max_pending`, `max_pending_bytes` or `publish_wait`"
            ),
            Self::FileFull { used, limit } => write!(
                f,
                "the file uses {used} bytes, and `max_file_bytes` is {limit}; raise it, or keep less"
            ),
            Self::DiskFull => f.write_str("the disk is full; make room"),
            Self::Replaced(path) => write!(
                f,
                "{} was removed or replaced while the log has it open; put it back, or start the process again",
                path.display()
            ),
            Self::OutOfSequences => f.write_str("the topic has had 2^40 events, which is the maximum"),
            Self::OutOfTopics => {
                f.write_str("the file holds 8,388,607 topics, which is the maximum; lower `topic_ttl`")
            }
            Self::Foreign(what) => write!(f, "{what}; another program writes to this file"),
            Self::Sqlite(_) => f.write_str("SQLite failed"),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Sqlite(source) => Some(&**source),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Cause {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
            Self::DiskFull
        } else {
            Self::Sqlite(Arc::new(error))
        }
    }
}
