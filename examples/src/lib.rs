//! Code that the examples share: their command line, their address, and the history of what they measure. It is not
//! what the examples are meant to show.

mod history;

use std::{
    env,
    ffi::OsString,
    fs::File,
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process,
};

pub use self::history::History;

/// The ports to try if the command line names none. They are tried in order, so an example that is started again
/// usually gets the same address, where its page waits for it.
const PORTS: Range<u16> = 8080..8100;

/// An example's command line: `[--port PORT] [FILE]`, or the port in the environment's `PORT`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The port that the command line names. 0 means any free port.
    pub port: Option<u16>,
    /// The file that the command line names, if the example takes a file.
    pub file: Option<PathBuf>,
    /// The value of the example's option, if the example takes an option.
    pub option: Option<String>,
    /// The file for events (`--data`), if the example stores events.
    pub data: Option<PathBuf>,
}

/// The arguments that an example takes in addition to its port.
#[derive(Debug, Clone, Copy, Default)]
struct Accepted<'a> {
    /// The word for the file, in the usage line.
    file: Option<&'a str>,
    /// An option, and the word for its value.
    option: Option<(&'a str, &'a str)>,
    /// Whether it takes `--data FILE`.
    data: bool,
}

impl CommandLine {
    /// Reads the command line of this process. `file` is the word for the file, if the example takes one. If the
    /// command line is wrong, or asks for help, this prints the usage and ends the process.
    pub fn read(program: &str, file: Option<&str>) -> Self {
        Self::read_accepted(
            program,
            Accepted {
                file,
                ..Accepted::default()
            },
        )
    }

    /// The same for an example that stores its events in a file, and may take an option.
    pub fn read_with_data(program: &str, option: Option<(&str, &str)>) -> Self {
        let file = None;
        Self::read_accepted(
            program,
            Accepted {
                file,
                option,
                data: true,
            },
        )
    }

    /// The same for an example that takes an option instead of a file: the option's name, and the word for its value.
    pub fn read_with_option(program: &str, name: &str, value: &str) -> Self {
        let option = Some((name, value));
        Self::read_accepted(
            program,
            Accepted {
                option,
                ..Accepted::default()
            },
        )
    }

    /// The file for events: the one that the command line names, or one beside the program.
    ///
    /// # Errors
    ///
    /// If the system does not say where the program is.
    pub fn data_file(&self, name: &str) -> io::Result<PathBuf> {
        match &self.data {
            Some(file) => Ok(file.clone()),
            None => Ok(env::current_exe()?.with_file_name(name)),
        }
    }

    fn read_accepted(program: &str, accepted: Accepted<'_>) -> Self {
        let file = accepted.file.map(|file| format!(" [{file}]"));
        let option = accepted.option.map(|(name, value)| format!(" [{name} {value}]"));
        let rest = option.or(file).unwrap_or_default();
        let data = if accepted.data { " [--data FILE]" } else { "" };
        let usage = format!("usage: {program} [--port PORT]{data}{rest}");
        let port = env::var("PORT").ok().filter(|port| !port.is_empty());
        let read = match Self::parse(env::args_os().skip(1), port, accepted) {
            Ok(Some(read)) => read,
            Ok(None) => {
                println!("{usage}");
                process::exit(0)
            }
            Err(error) => fail(2, &format!("{error}\n{usage}")),
        };
        match read.file.as_deref().map(check_readable) {
            Some(Err(error)) => fail(1, &error.to_string()),
            _ => read,
        }
    }

    /// Listens on loopback, at the port that the command line names, otherwise at 8080 or the next free port. If it
    /// cannot, it says why and ends the process.
    pub fn listen(&self) -> TcpListener {
        self.try_listen()
            .unwrap_or_else(|error| fail(1, &error.to_string()))
    }

    /// Listens at a second port, the next free one, for a second site. Ends the process if it cannot.
    pub fn listen_next(&self) -> TcpListener {
        let next = match self.port {
            None | Some(0) => self.try_listen(),
            Some(port) => first_free(port.saturating_add(1)..port.saturating_add(20)),
        };
        next.unwrap_or_else(|error| fail(1, &error.to_string()))
    }

    fn try_listen(&self) -> io::Result<TcpListener> {
        self.port.map_or_else(|| first_free(PORTS), listen_at)
    }

    /// `None` if the command line asks for help.
    fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        port_variable: Option<String>,
        accepted: Accepted<'_>,
    ) -> Result<Option<Self>, String> {
        let mut read = Self::default();
        let mut port = port_variable.map(|port| ("PORT", port));
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("--port") => {
                    let value = arguments.next().ok_or("--port needs a number")?;
                    port = Some(("--port", value.display().to_string()));
                }
                Some("--data") if accepted.data => {
                    read.data = Some(arguments.next().ok_or("--data needs a file")?.into());
                }
                Some(name) if accepted.option.is_some_and(|(known, _)| known == name) => {
                    let value = arguments.next().and_then(|value| value.into_string().ok());
                    read.option = Some(value.ok_or_else(|| format!("{name} needs a value"))?);
                }
                Some(option) if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ if accepted.file.is_some() && read.file.is_none() => read.file = Some(argument.into()),
                _ => return Err(format!("unexpected argument {}", argument.display())),
            }
        }
        if let Some((source, value)) = port {
            let parsed = value.parse();
            read.port = Some(parsed.map_err(|_| format!("{source} is to be 0 to 65535, not {value:?}"))?);
        }
        Ok(Some(read))
    }
}

/// Listens at the first free port of these, otherwise at any free port.
fn first_free(mut ports: Range<u16>) -> io::Result<TcpListener> {
    let taken =
        |tried: &io::Result<_>| matches!(tried, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
    let free = ports.find_map(|port| Some(listen_at(port)).filter(|tried| !taken(tried)));
    free.unwrap_or_else(|| listen_at(0))
}

fn listen_at(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        let message = format!("cannot listen on 127.0.0.1:{port}: {error}");
        io::Error::new(error.kind(), message)
    })
}

fn check_readable(path: &Path) -> io::Result<()> {
    let error = match File::open(path).and_then(|file| file.metadata()) {
        Ok(found) if found.is_dir() => io::ErrorKind::IsADirectory.into(),
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let message = format!("cannot read {}: {error}", path.display());
    Err(io::Error::new(error.kind(), message))
}

/// Prints why, and ends the process.
pub fn fail(code: i32, message: &str) -> ! {
    eprintln!("error: {message}");
    process::exit(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, port: Option<&str>) -> Result<Option<CommandLine>, String> {
        parse_as(line, port, FILE)
    }

    fn parse_as(
        line: &str,
        port: Option<&str>,
        accepted: Accepted<'_>,
    ) -> Result<Option<CommandLine>, String> {
        let arguments = line.split_whitespace().map(OsString::from);
        CommandLine::parse(arguments, port.map(str::to_owned), accepted)
    }

    const FILE: Accepted<'_> = Accepted {
        file: Some("FILE"),
        option: None,
        data: false,
    };

    fn read(port: impl Into<Option<u16>>, file: Option<&str>) -> CommandLine {
        let (port, file) = (port.into(), file.map(PathBuf::from));
        CommandLine {
            port,
            file,
            ..CommandLine::default()
        }
    }

    #[test]
    fn port_and_file_in_any_order() {
        for (line, variable, expected) in [
            ("", None, read(None, None)),
            ("a.log --port 0", None, read(0, Some("a.log"))),
            ("--port 81 a.log", Some("82"), read(81, Some("a.log"))),
            ("", Some("82"), read(82, None)),
        ] {
            assert_eq!(parse(line, variable), Ok(Some(expected)));
        }
        assert_eq!(parse("--port 81 --help", None), Ok(None));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (line, variable, error) in [
            ("--port", None, "--port needs a number"),
            ("--port 65536", None, "--port is to be 0 to 65535, not \"65536\""),
            ("", Some("http"), "PORT is to be 0 to 65535, not \"http\""),
            ("--prot 1", None, "unknown option --prot"),
            ("a.log b.log", None, "unexpected argument b.log"),
        ] {
            assert_eq!(parse(line, variable).unwrap_err(), error);
        }
    }

    #[test]
    fn an_option_where_one_is_taken() {
        let accepted = Accepted {
            option: Some(("--redis", "URL")),
            ..Accepted::default()
        };
        let url = parse_as("--redis redis://a/ --port 81", None, accepted)
            .unwrap()
            .unwrap();
        assert_eq!((url.option.as_deref(), url.port), (Some("redis://a/"), Some(81)));
        let error = parse_as("--redis", None, accepted).unwrap_err();
        assert_eq!(error, "--redis needs a value");
        let error = parse("--redis redis://a/", None).unwrap_err();
        assert_eq!(error, "unknown option --redis");
    }

    #[test]
    fn a_file_for_events_where_they_are_kept() {
        let accepted = Accepted {
            data: true,
            ..Accepted::default()
        };
        let named = parse_as("--data a.db --port 81", None, accepted)
            .unwrap()
            .unwrap();
        assert_eq!(named.data_file("chat.db").unwrap(), Path::new("a.db"));
        let beside = CommandLine::default().data_file("chat.db").unwrap();
        assert!(beside.is_absolute() && beside.ends_with("chat.db"), "{beside:?}");
        assert_eq!(
            parse_as("--data", None, accepted).unwrap_err(),
            "--data needs a file"
        );
        assert_eq!(parse("--data a.db", None).unwrap_err(), "unknown option --data");
    }

    #[test]
    fn a_port_asked_for_is_taken_or_refused_by_its_address() {
        let first = CommandLine {
            port: Some(0),
            ..CommandLine::default()
        }
        .try_listen()
        .unwrap();
        let port = first.local_addr().unwrap().port();
        let error = CommandLine {
            port: Some(port),
            ..CommandLine::default()
        }
        .try_listen()
        .unwrap_err();
        assert!(
            error.to_string().contains(&format!("127.0.0.1:{port}")),
            "{error}"
        );
    }

    #[test]
    fn without_a_port_asked_for_two_can_listen() {
        let first = CommandLine::default().try_listen().unwrap();
        let second = CommandLine::default().try_listen().unwrap();
        assert_ne!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.log");
        for path in [folder.path(), &missing] {
            let error = check_readable(path).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("cannot read {}: ", path.display())),
                "{error}"
            );
        }
        std::fs::write(&missing, "").unwrap();
        check_readable(&missing).unwrap();
    }
}
