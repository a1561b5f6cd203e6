//! Disk space that is held in reserve, so that events can be deleted when the disk is full.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    error::is_out_of_room,
    file_lock::{private, with_suffix},
};

const PIECE: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(crate) fn new(log: &Path, bytes: u64) -> Self {
        Self {
            path: with_suffix(log, "-reserve"),
            bytes,
        }
    }

    /// Takes the disk space of the reserve.
    pub(crate) fn take(&self) -> io::Result<()> {
        if fs::metadata(&self.path).map_or(0, |file| file.len()) == self.bytes {
            return Ok(());
        }
        let taken = self.fill();
        if taken.is_err() {
            self.release();
        }
        taken
    }

    /// Releases the reserve.
    pub(crate) fn release(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(target: "sse_actix", %error, "the reserve cannot be released");
            }
            _ => {}
        }
    }

    /// True if there is no room to write. SQLite reports a full disk as such, but it reports a quota that is used up
    /// like any other error.
    pub(crate) fn is_disk_full(&self) -> bool {
        let probe = with_suffix(&self.path, "-probe");
        let write = || {
            let mut file = private().create(true).truncate(true).open(&probe)?;
            let mut piece = vec![0; PIECE];
            fastrand::fill(&mut piece);
            file.write_all(&piece)?;
            file.sync_all()
        };
        let written = write();
        let _ = fs::remove_file(&probe);
        written.is_err_and(|error| is_out_of_room(&error))
    }

    fn fill(&self) -> io::Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        let mut file = private().create(true).truncate(true).open(&self.path)?;
        let mut left = self.bytes;
        let mut piece = vec![0; PIECE];
        while left > 0 {
            // Random bytes, because a file system may use no space for zeros.
            fastrand::fill(&mut piece);
            let length = left.min(PIECE as u64);
            let piece = piece.get(..usize::try_from(length).unwrap_or(PIECE));
            file.write_all(piece.unwrap_or_default())?;
            left -= length;
        }
        file.sync_all()
    }
}
