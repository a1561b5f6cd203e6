//! The first bytes of a file, read without SQLite, which would begin to change it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use crate::{error::OpenError, file_lock::with_suffix};

/// As <https://www.sqlite.org/fileformat.html#the_database_header> says.
#[derive(Debug)]
pub(super) struct Header {
    bytes: [u8; 100],
    /// The length of the file.
    len: u64,
    /// Whether there is a write-ahead log beside it.
    pub(super) has_wal: bool,
}

impl Header {
    /// The header of the file; `None` if there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, OpenError> {
        let failed = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let wal = with_suffix(path, "-wal").metadata();
        let has_wal = wal.is_ok_and(|wal| wal.len() > 0);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if has_wal {
                    Err(damaged(path, "its write-ahead log exists, but the file does not"))
                } else {
                    Ok(None)
                };
            }
            other => other.map_err(failed)?,
        };
        let len = file.metadata().map_err(failed)?.len();
        if len == 0 {
            return Err(damaged(path, "it is empty"));
        }
        let mut bytes = [0; 100];
        match file.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            other => other.map_err(failed)?,
        }
        Ok(Some(Self { bytes, len, has_wal }))
    }

    /// Checks that the file is a log that this crate can read, and returns the version of its schema.
    pub(super) fn check(&self, path: &Path, application: u32, known: u32) -> Result<u32, OpenError> {
        let foreign = |what| OpenError::Foreign {
            path: path.to_owned(),
            what,
        };
        if !self.bytes.starts_with(b"SQLite format 3\0") {
            return Err(foreign("not an SQLite database"));
        }
        if self.number(68) != application {
            return Err(foreign("a database of another application"));
        }
        let found = self.number(60);
        if found > known {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                found,
                known,
            });
        }
        // 1 stands for 65,536, which does not fit.
        let page_size = match self.number(16) >> 16 {
            1 => 65_536,
            size => u64::from(size),
        };
        // While pages are copied from the write-ahead log, the first page may be in the file before the last one. So
        // the length counts only if there is no write-ahead log.
        let expected = u64::from(self.number(28)) * page_size;
        if !self.has_wal && self.len < expected {
            let missing = expected - self.len;
            return Err(damaged(path, &format!("its last {missing} bytes are missing")));
        }
        Ok(found)
    }

    /// Four bytes, the highest first.
    fn number(&self, at: usize) -> u32 {
        let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    }
}

fn damaged(path: &Path, what: &str) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}
