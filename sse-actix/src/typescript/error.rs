use std::{error::Error, fmt, io, path::PathBuf};

/// Why there is no TypeScript, or not the one that there should be.
///
/// ```
/// use sse_actix::typescript::{Module, TypeScriptError};
///
/// let missing = Module::new("cargo run -- --typescript").check("no/such/file.ts").unwrap_err();
/// assert!(matches!(missing, TypeScriptError::Io { .. }));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TypeScriptError {
    /// A type of the data is written in a way of which no check can be made.
    Type {
        /// The enum, or the type that it refers to.
        of: String,
        /// Its TypeScript.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two things would have one name, or one would have a name of TypeScript's or of the module's own.
    Name {
        /// The name.
        name: String,
        /// What it is of.
        of: String,
        /// What else it is of.
        other: String,
        /// What to write.
        write: &'static str,
    },
    /// The file is not what the enum says.
    Drift {
        /// The file.
        file: PathBuf,
        /// The first line that differs.
        line: usize,
        /// What writes it.
        command: String,
    },
    /// The file cannot be read or written.
    Io {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl fmt::Display for TypeScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { of, text, reason } => {
                write!(
                    f,
                    "the type of `{of}` cannot be checked: {reason}, in `{text}`; write `#[ts(type = \"..\")]` on the field"
                )
            }
            Self::Name {
                name,
                of,
                other,
                write,
            } => write!(
                f,
                "the module would have two items called `{name}`: one is {of}, and one is {other}; {write}"
            ),
            Self::Drift { file, line, command } => write!(
                f,
                "{} differs from the Rust types, from line {line} on: write it again with `{command}`",
                file.display()
            ),
            Self::Io { file, source } => write!(f, "{}: {source}", file.display()),
        }
    }
}

impl Error for TypeScriptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
