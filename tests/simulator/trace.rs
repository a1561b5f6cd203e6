//! What a run has done, step by step.

use std::{
    fmt::{self, Write as _},
    fs::File,
    hash::{DefaultHasher, Hasher},
    io::{BufWriter, Write as _},
    path::Path,
};

/// A digest of all steps, and the steps themselves if somebody wants them.
pub(crate) struct Trace {
    digest: DefaultHasher,
    line: String,
    file: Option<BufWriter<File>>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            // The same in each process.
            digest: DefaultHasher::new(),
            line: String::new(),
            file: None,
        }
    }

    pub(crate) fn to_file(path: &Path) -> Self {
        Self {
            file: Some(BufWriter::new(File::create(path).unwrap())),
            ..Self::new()
        }
    }

    pub(crate) fn note(&mut self, step: fmt::Arguments<'_>) {
        self.line.clear();
        writeln!(self.line, "{step}").unwrap();
        self.digest.write(self.line.as_bytes());
        if let Some(file) = &mut self.file {
            file.write_all(self.line.as_bytes()).unwrap();
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }
}

/// The digest of steps that were written to a file.
pub(crate) fn digest(steps: &str) -> u64 {
    let mut digest = DefaultHasher::new();
    for line in steps.split_inclusive('\n') {
        digest.write(line.as_bytes());
    }
    digest.finish()
}
