use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// How many bytes before a position its prefix hash covers. They have to be unchanged for the position to be valid.
const HASHED_BYTES: usize = 64;

/// A place in a file. A later process can find it again, and can check that it still is the same place.
///
/// As text, and so as an event's id, it is `<file>-<offset>-<prefix hash>`: file and hash are hexadecimal, the offset
/// is decimal. The file is its inode, which distinguishes a new file from one that was moved away. The prefix hash is a
/// hash of the bytes before the offset. It detects a file that was truncated and has grown again, and one that got an
/// old inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    file: u64,
    offset: u64,
    prefix_hash: u64,
}

impl Position {
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let mut parts = id.splitn(3, '-');
        Some(Self {
            file: u64::from_str_radix(parts.next()?, 16).ok()?,
            offset: parts.next()?.parse().ok()?,
            prefix_hash: u64::from_str_radix(parts.next()?, 16).ok()?,
        })
    }

    pub(crate) fn start_of(file: &File) -> io::Result<Self> {
        Ok(Self {
            file: identity(file)?,
            offset: 0,
            prefix_hash: hash(b""),
        })
    }

    /// The position before the newest complete lines: at most `lines` of them, within the last `size` bytes.
    pub(crate) fn of_newest(lines: usize, size: usize, file: &File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        let start = end.saturating_sub(size as u64);
        let bytes = read(file, start, size)?;
        let breaks = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let line_starts: Vec<_> = breaks.map(|(at, _)| at + 1).take(lines + 1).collect();
        let first = match line_starts.last() {
            _ if start == 0 && line_starts.len() <= lines => 0,
            Some(first) => *first,
            None => bytes.len(),
        };
        let before = bytes.get(..first).unwrap_or_default();
        Ok(Self {
            file: identity(file)?,
            offset: start + first as u64,
            prefix_hash: hash(before),
        })
    }

    /// The bytes after this position in `file`, at most `size`. `None` if the position is not valid in `file`.
    pub(crate) fn chunk(self, file: &File, size: usize) -> io::Result<Option<Chunk>> {
        if self.file != identity(file)? || self.offset > file.metadata()?.len() {
            return Ok(None);
        }
        let known = usize::try_from(self.offset).map_or(HASHED_BYTES, |offset| offset.min(HASHED_BYTES));
        let start = self.offset - known as u64;
        let bytes = read(file, start, known + size)?;
        let holds = bytes
            .get(..known)
            .is_some_and(|before| hash(before) == self.prefix_hash);
        Ok(holds.then_some(Chunk {
            file: self.file,
            start,
            bytes,
            passed: known,
            room: known + size,
        }))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}-{:x}", self.file, self.offset, self.prefix_hash)
    }
}

/// The part of a file after a position.
#[derive(Debug)]
pub(crate) struct Chunk {
    file: u64,
    start: u64,
    bytes: Vec<u8>,
    passed: usize,
    room: usize,
}

impl Chunk {
    /// The bytes that are still to be read.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.passed..).unwrap_or_default()
    }

    /// Whether the file may have more bytes than were read.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() == self.room
    }

    /// Advances over the next `length` bytes, and returns the position after them.
    pub(crate) fn advance(&mut self, length: usize) -> Position {
        self.passed += length;
        let before = self.bytes.get(..self.passed).unwrap_or(&self.bytes);
        Position {
            file: self.file,
            offset: self.start + self.passed as u64,
            prefix_hash: hash(before),
        }
    }
}

/// FNV-1a of the last [`HASHED_BYTES`] bytes. Unlike the standard library's hash, it is the same in every release of
/// Rust.
fn hash(bytes: &[u8]) -> u64 {
    let last = bytes.iter().rev().take(HASHED_BYTES);
    last.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn read(mut file: &File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(unix)]
fn identity(file: &File) -> io::Result<u64> {
    Ok(std::os::unix::fs::MetadataExt::ino(&file.metadata()?))
}

/// Other systems have no inode, so only the prefix hash identifies the file.
#[cfg(not(unix))]
fn identity(_: &File) -> io::Result<u64> {
    Ok(0)
}
