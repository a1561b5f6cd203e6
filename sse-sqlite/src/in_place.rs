//! Notices that the log's files were removed or replaced while they are open. SQLite would go on writing to files that
//! have no name any more, and everything would be lost when the process ends.

#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{cause::Cause, error::OpenError, file_lock::with_suffix};

/// The files of an open log, as they were when it was opened.
#[derive(Debug)]
pub(crate) struct InPlace(Vec<(Arc<PathBuf>, Id)>);

/// Device and inode of a file.
type Id = (u64, u64);

impl InPlace {
    /// Remembers the files, which are open.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        // The write-ahead log exists, because opening has written to it.
        let files = ["", "-wal", "-lock"].map(|suffix| {
            let path = with_suffix(path, suffix);
            let id = id(&fs::metadata(&path)?);
            Ok((Arc::new(path), id))
        });
        files.into_iter().collect::<io::Result<_>>().map(Self)
    }

    /// Fails if one of the files is not at its place.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        for (path, opened) in &self.0 {
            match fs::metadata(path.as_path()) {
                Ok(found) if id(&found) == *opened => {}
                // The file is open. A folder that cannot be read is no reason to refuse events.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => return Err(Cause::Replaced(Arc::clone(path))),
            }
        }
        Ok(())
    }
}

/// Refuses a file with two names. The lock has the name of the file, so each name would have a lock of its own.
pub(crate) fn check_names(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(found) if names(&found) > 1 => Err(OpenError::HardLink {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn id(file: &Metadata) -> Id {
    (file.dev(), file.ino())
}

#[cfg(unix)]
fn names(file: &Metadata) -> u64 {
    file.nlink()
}

/// Other systems do not remove a file that is open.
#[cfg(not(unix))]
fn id(_: &Metadata) -> Id {
    (0, 0)
}

#[cfg(not(unix))]
fn names(_: &Metadata) -> u64 {
    1
}
