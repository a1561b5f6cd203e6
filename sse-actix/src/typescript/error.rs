use std::{error::Error, fmt, io, path::PathBuf};

/// The reason why the TypeScript could not be made, or why the file is out of date.
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
    /// No check can be made of a type of the data.
    Type {
        /// The enum, or the type that it refers to.
        of: String,
        /// Its TypeScript.
        text: String,
        /// The reason.
        reason: &'static str,
    },
    /// ts-rs has no TypeScript for the data of an event.
    Data {
        /// The enum.
        of: String,
        /// The event.
        event: &'static str,
        /// What ts-rs says.
        reason: String,
    },
    /// Two items would have the same name, or one would have a name of TypeScript or of the module itself.
    Name {
        /// The name.
        name: String,
        /// The owner of the name.
        of: String,
        /// The other owner of the name.
        other: String,
        /// What to write instead.
        write: &'static str,
    },
    /// The file differs from the enum.
    Drift {
        /// The file.
        file: PathBuf,
        /// The first line that differs.
        line: usize,
        /// The command that writes it.
        command: String,
    },
    /// The file cannot be read or written.
    Io {
        /// The file.
        file: PathBuf,
        /// The reason.
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
            Self::Data { of, event, reason } => write!(
                f,
                "the data of the event `{event}` of `{of}` has no TypeScript: {reason}; of an optional struct that is flattened, \
                 write each field as an `Option` instead"
            ),
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
