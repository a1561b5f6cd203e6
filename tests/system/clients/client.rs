//! A client as a process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use sse_tests::patience::within;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// The event that tells a position. Clients that are shown every event see it.
const POSITION: &str = "sse-position";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// npm's `eventsource`.
    EventSource,
    /// undici's `EventSource`.
    Undici,
    /// `@microsoft/fetch-event-source`.
    FetchEventSource,
    /// Python's httpx-sse.
    HttpxSse,
    /// curl, with a parser written by hand.
    Curl,
    /// The crate reqwest-eventsource.
    Reqwest,
    /// Python's openai. It only reads answers to POST.
    OpenAi,
}

impl Client {
    pub(super) const ALL: [Self; 7] = [
        Self::EventSource,
        Self::Undici,
        Self::FetchEventSource,
        Self::HttpxSse,
        Self::Curl,
        Self::Reqwest,
        Self::OpenAi,
    ];

    /// Those that read streams by GET and resume.
    pub(super) const READERS: [Self; 6] = [
        Self::EventSource,
        Self::Undici,
        Self::FetchEventSource,
        Self::HttpxSse,
        Self::Curl,
        Self::Reqwest,
    ];

    /// Those that the guide has a loop for.
    pub(super) const LOOPING: [Self; 3] = [Self::FetchEventSource, Self::HttpxSse, Self::Curl];

    /// Those that are asked to POST, and show what is answered.
    pub(super) const ASKING: [Self; 4] = [Self::FetchEventSource, Self::HttpxSse, Self::Curl, Self::Reqwest];

    /// Whether it follows the standard's rules of reconnecting: any status but 200 ends it.
    pub(super) fn is_event_source(self) -> bool {
        matches!(self, Self::EventSource | Self::Undici)
    }

    pub(super) fn is_installed(self) -> bool {
        match self {
            Self::Reqwest => true,
            Self::EventSource | Self::Undici | Self::FetchEventSource => {
                folder("node_modules/installed").exists()
            }
            Self::HttpxSse | Self::Curl | Self::OpenAi => folder("venv/installed").exists(),
        }
    }

    fn command(self) -> Command {
        let (program, script) = match self {
            Self::EventSource => ("node".into(), "eventsource.mjs"),
            Self::Undici => ("node".into(), "undici.mjs"),
            Self::FetchEventSource => ("node".into(), "fetch-event-source.mjs"),
            Self::HttpxSse => (folder("venv/bin/python"), "httpx-sse.py"),
            Self::Curl => (folder("venv/bin/python"), "curl.py"),
            Self::OpenAi => (folder("venv/bin/python"), "openai-chat.py"),
            Self::Reqwest => return Command::new(env!("CARGO_BIN_EXE_reqwest_eventsource")),
        };
        let mut command = Command::new(program);
        command.arg(folder(script));
        command
    }

    /// Starts it.
    pub(super) fn start(self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.process_group(0).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Running {
            client: self,
            output,
            process,
        }
    }

    /// Starts it as a reader of this stream, to which the gap and the end are shown as well.
    pub(super) fn read(self, url: &str) -> Running {
        if self.is_event_source() {
            self.start(&[url, "--name", "price", "--name", "sse-gap", "--name", "sse-end"])
        } else {
            self.start(&[url])
        }
    }

    /// Starts one that does not come back by itself as a reader of this stream, without the loop of the guide.
    pub(super) fn read_once(self, url: &str) -> Running {
        self.start(&[url, "--once"])
    }

    /// Has it POST this.
    pub(super) fn ask(self, url: &str, body: &str) -> Running {
        match self {
            Self::OpenAi => self.start(&[url, "--model", body]),
            _ => self.start(&[url, "--post", body]),
        }
    }
}

/// A path in the folder of the scripts.
pub(super) fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(path)
}

/// What a client tells.
#[derive(Debug, Deserialize)]
#[serde(tag = "moment", rename_all = "lowercase")]
pub(super) enum Moment {
    /// An answer has begun. Not every client tells.
    Open,
    /// It was given an event.
    Event(Given),
    /// The connection is gone, and it comes back. Not every client tells.
    Lost,
    /// It is done: of its own accord, or because of this.
    Closed { why: Option<String> },
}

/// An event as a client was given it.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) data: String,
    pub(super) id: String,
}

/// One that runs. It is killed when this is dropped, with what it has started.
#[derive(Debug)]
pub(super) struct Running {
    client: Client,
    output: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // curl's script has curl for a child.
        let group = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(Pid::from_raw) {
            // It may have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Running {
    /// What it tells next; `None` if it has ended.
    pub(super) async fn moment(&mut self) -> Option<Moment> {
        let awaited = format!("a word of {:?}", self.client);
        let line = within(&awaited, self.output.next_line()).await.unwrap()?;
        let moment = serde_json::from_str(&line);
        Some(moment.unwrap_or_else(|error| panic!("{:?}: {line:?}: {error}", self.client)))
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Given {
        loop {
            match self.moment().await {
                Some(Moment::Event(event)) if event.name == POSITION => {
                    assert_eq!(event.data, "{}", "{:?}", self.client);
                    assert_ne!(event.id, "", "{:?}", self.client);
                }
                Some(Moment::Event(event)) => return event,
                Some(Moment::Open | Moment::Lost) => {}
                end => panic!("{:?} has ended: {end:?}", self.client),
            }
        }
    }

    /// The data of the next events, which have no name.
    pub(super) async fn data(&mut self, events: usize) -> Vec<String> {
        let mut data = Vec::new();
        while data.len() < events {
            let event = self.event().await;
            assert_eq!(event.name, "message", "{:?}: {}", self.client, event.data);
            data.push(event.data);
        }
        data
    }

    /// Waits until it has ended, and was given nothing before; says why, if it had a reason.
    pub(super) async fn closed(mut self) -> Option<String> {
        loop {
            match self.moment().await {
                Some(Moment::Closed { why }) => {
                    let rest = self.moment().await;
                    assert!(rest.is_none(), "{:?}: {rest:?}", self.client);
                    return why;
                }
                Some(Moment::Open | Moment::Lost) => {}
                moment => panic!("{:?}: {moment:?}", self.client),
            }
        }
    }
}
