//! The lock with which only one process has the file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use crate::error::OpenError;

/// The pause between attempts. The end of the other process is noticed at most this much later.
const PAUSE: Duration = Duration::from_millis(5);

/// Holds the lock while it exists. The system releases the lock when the process ends, however it ends.
///
/// The lock file contains the process that has it, and the name of the last opening of the log; while the log is being
/// opened, the last two. They distinguish a log from a copy that has replaced it.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    openings: Vec<String>,
}

impl FileLock {
    /// Waits until no other process has the file at `path`, for at most `limit`.
    pub(crate) fn acquire(path: &Path, limit: Duration) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = private();
        options.read(true).create(true).truncate(false);
        let mut file = options.open(with_suffix(path, "-lock")).map_err(failed)?;
        let began = Instant::now();
        let mut is_waiting = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let holder = holder(&mut file);
            if !is_waiting {
                is_waiting = true;
                tracing::info!(
                    target: "sse_actix", path = %path.display(), process = holder, limit = ?limit,
                    "waits for the process that holds the log's file"
                );
            }
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(OpenError::Locked {
                    path: path.to_owned(),
                    holder,
                    waited: limit,
                });
            }
            thread::sleep(PAUSE.min(left));
        }
        if is_waiting {
            tracing::info!(
                target: "sse_actix", path = %path.display(), waited = ?began.elapsed(), "now holds the log's file"
            );
        }
        let text = read(&mut file).unwrap_or_default();
        let openings = text.lines().skip(1).map(str::to_owned).collect();
        let mut lock = Self { file, openings };
        lock.write().map_err(failed)?;
        Ok(lock)
    }

    /// True if the log was last opened under this name; `None` if that is unknown.
    pub(crate) fn knows(&self, opening: &str) -> Option<bool> {
        let is_known = self.openings.iter().any(|known| known == opening);
        (!self.openings.is_empty()).then_some(is_known)
    }

    /// Notes under which of these names the log was last opened.
    pub(crate) fn set_openings<'a>(&mut self, openings: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        self.openings = openings.into_iter().map(str::to_owned).collect();
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let mut text = format!("{}\n", process::id());
        for opening in &self.openings {
            text.push_str(opening);
            text.push('\n');
        }
        // The text is overwritten in place: a full disk has room for that, and the names are there whenever the process
        // ends. Then the rest of a longer earlier text is cut off.
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)?;
        self.file.sync_all()
    }
}

fn read(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// The process that holds the lock, which has written its id itself.
fn holder(file: &mut File) -> Option<u32> {
    read(file).ok()?.lines().next()?.parse().ok()
}

/// Options to create a file that only its owner may read and write.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The path of the file beside `path` whose name is the same with `suffix` appended.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
