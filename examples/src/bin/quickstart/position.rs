use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// How many bytes before a position must still be what they were for the position to hold.
const PROOF: usize = 64;

/// A place in a file that a later process finds again, and of which it can tell whether it still is the
/// same place.
///
/// As text, and so as an event's id: `<file>-<offset>-<proof>`, hexadecimal but for the offset. The file is
/// its inode, which tells a new file from one that was moved away. The proof is a hash of the bytes before
/// the offset; it tells a file that was truncated and has grown again, or one that was given an old inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    file: u64,
    offset: u64,
    proof: u64,
}

impl Position {
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let mut parts = id.splitn(3, '-');
        Some(Self {
            file: u64::from_str_radix(parts.next()?, 16).ok()?,
            offset: parts.next()?.parse().ok()?,
            proof: u64::from_str_radix(parts.next()?, 16).ok()?,
        })
    }

    pub(crate) fn start_of(file: &File) -> io::Result<Self> {
        Ok(Self {
            file: identity(file)?,
            offset: 0,
            proof: hash(b""),
        })
    }

    /// Before the newest complete lines: as many as `lines`, as far as they lie in the last `size` bytes.
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
            proof: hash(before),
        })
    }

    /// What follows this position in `file`, at most `size` bytes; `None` if the position is none in `file`.
    pub(crate) fn chunk(self, file: &File, size: usize) -> io::Result<Option<Chunk>> {
        if self.file != identity(file)? || self.offset > file.metadata()?.len() {
            return Ok(None);
        }
        let known = usize::try_from(self.offset).map_or(PROOF, |offset| offset.min(PROOF));
        let start = self.offset - known as u64;
        let bytes = read(file, start, known + size)?;
        let holds = bytes
            .get(..known)
            .is_some_and(|before| hash(before) == self.proof);
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
        write!(f, "{:x}-{}-{:x}", self.file, self.offset, self.proof)
    }
}

/// A part of a file behind a position.
#[derive(Debug)]
pub(crate) struct Chunk {
    file: u64,
    start: u64,
    bytes: Vec<u8>,
    passed: usize,
    room: usize,
}

impl Chunk {
    /// What was not passed yet.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.passed..).unwrap_or_default()
    }

    /// Whether the file may have more than was read.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() == self.room
    }

    /// Passes the next `length` bytes and gives the position behind them.
    pub(crate) fn pass(&mut self, length: usize) -> Position {
        self.passed += length;
        let before = self.bytes.get(..self.passed).unwrap_or(&self.bytes);
        Position {
            file: self.file,
            offset: self.start + self.passed as u64,
            proof: hash(before),
        }
    }
}

/// FNV-1a of the last [`PROOF`] bytes: unlike the standard library's hash it is the same in every release.
fn hash(bytes: &[u8]) -> u64 {
    let last = bytes.iter().rev().take(PROOF);
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

/// Elsewhere the proof alone has to tell.
#[cfg(not(unix))]
fn identity(_: &File) -> io::Result<u64> {
    Ok(0)
}
