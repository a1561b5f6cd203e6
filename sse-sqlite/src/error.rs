use std::{error::Error, fmt, io, path::PathBuf, time::Duration};

use rusqlite::ffi;

/// The reason why a file could not be opened as a log. The file is unchanged.
///
/// ```
/// use sse_actix_sqlite::{OpenError, SqliteLog};
///
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("letter.txt");
/// std::fs::write(&path, "Dear Ada, ..")?;
/// let error = SqliteLog::open(&path).unwrap_err();
/// assert!(matches!(error, OpenError::Foreign { .. }));
/// assert_eq!(
///     error.to_string(),
///     format!("{} is not an SQLite database, not a log of sse-actix; give the log its own file", path.display()),
/// );
/// assert_eq!(std::fs::read_to_string(&path)?, "Dear Ada, ..");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another `SqliteLog` of this process, has the file and has not released it in time.
    Locked {
        /// The file.
        path: PathBuf,
        /// The process that has it, if it is known.
        holder: Option<u32>,
        /// How long `open` has waited.
        waited: Duration,
    },
    /// It is a database of another application, or not a database.
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A newer version of this crate has written it.
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: u32,
        /// The newest version that this crate knows.
        known: u32,
    },
    /// It is damaged, or a part of it is missing.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is on a network file system, where SQLite's write-ahead log does not work.
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// What the file system is called.
        kind: &'static str,
    },
    /// It has a second name, a hard link. Each name has a lock of its own, so two processes could write to it.
    HardLink {
        /// The file.
        path: PathBuf,
    },
    /// The system does not let it be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite does not open it.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// True if there was not enough disk space to open the file.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_out_of_room(source),
            Self::Sqlite { source, .. } => {
                let code = source.sqlite_error().map(|error| error.extended_code);
                // SQLite reports the latter if the file of shared memory cannot grow.
                matches!(code, Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_SHMSIZE))
            }
            _ => false,
        }
    }
}

/// Whether there is no room on the disk, or none for this user.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, holder, waited } => {
                write!(f, "{} is in use by ", path.display())?;
                match holder {
                    Some(process) => write!(f, "process {process}")?,
                    None => f.write_str("another process")?,
                }
                write!(f, ", for longer than {waited:?}; end it, or raise `open_wait`")
            }
            Self::Foreign { path, what } => write!(
                f,
                "{} is {what}, not a log of sse-actix; give the log its own file",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} has version {found} of the schema, and this program knows {known}; update sse-actix-sqlite",
                path.display()
            ),
            Self::Damaged { path, what } => write!(
                f,
                "{} is damaged: {what}; restore it from a backup, or move it away to begin with an empty log",
                path.display()
            ),
            Self::NetworkFileSystem { path, kind } => write!(
                f,
                "{} is on {kind}, where SQLite's write-ahead log does not work; use a local disk",
                path.display()
            ),
            Self::HardLink { path } => write!(
                f,
                "{} has another name, which is a hard link, so another process could write to it unnoticed; \
                 delete the other name",
                path.display()
            ),
            Self::Io { path, .. } | Self::Sqlite { path, .. } => {
                write!(f, "{} could not be opened", path.display())
            }
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sqlite { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Locked { .. } => io::ErrorKind::ResourceBusy,
            OpenError::Io { source, .. } => source.kind(),
            OpenError::Sqlite { .. } => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
