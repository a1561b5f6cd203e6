//! Lets a process fail as a disk does, or records what reaches the disk. See `shim.c`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The library to preload, compiled at the first call.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sqlite/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl");
        assert!(compiler.status().unwrap().success());
        library
    })
}

/// The disk of one process, as it sees it.
pub(crate) struct Shim {
    folder: PathBuf,
    log: PathBuf,
}

impl Shim {
    /// For a log at `log`; `folder` is for what it needs itself.
    pub(crate) fn new(folder: &Path, log: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            log: log.to_owned(),
        }
    }

    /// What a process has to have in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("LD_PRELOAD", library().to_owned()),
            ("SSE_SHIM", self.folder.clone()),
            ("SSE_SHIM_LOG", self.log.clone()),
        ]
    }

    /// From now on the log's files may take so many bytes.
    pub(crate) fn limit(&self, bytes: u64) {
        let new = self.folder.join("new");
        fs::write(&new, bytes.to_string()).unwrap();
        fs::rename(new, self.folder.join("limit")).unwrap();
    }

    /// From now on this fails, or does not: `sync-fails`, `writes-fail`, `read-only`; with `quota` the limit is that of a user.
    pub(crate) fn set(&self, what: &str, fails: bool) {
        let path = self.folder.join(what);
        if fails {
            fs::write(path, "").unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}
