//! What docs/clients.md, and the pages that it links to, show is what these tests run.

use std::fs;

use sse_tests::patience::within;
use tokio::process::Command;

use super::{are_installed, client::folder};

/// A file, by its path from the folder of the scripts.
fn read(path: &str) -> String {
    let path = folder(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The programs that this page of the guide shows in this language.
fn programs_of(page: &str, language: &str) -> Vec<String> {
    let guide = read(&format!("../../docs/{page}"));
    let blocks = guide.split("\n```").skip(1).step_by(2);
    let programs = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    programs.map(str::to_owned).collect()
}

/// The program of docs/clients.md that has this in it.
pub(super) fn program(language: &str, text: &str) -> String {
    program_of("clients.md", language, text)
}

/// The program of this page of the guide that has this in it.
pub(super) fn program_of(page: &str, language: &str, text: &str) -> String {
    let programs = programs_of(page, language);
    let program = programs.into_iter().find(|program| program.contains(text));
    program.unwrap_or_else(|| panic!("docs/{page} shows nothing with {text:?}"))
}

/// On every vector of the decoder.
#[tokio::test]
async fn its_parser_is_right() {
    if !are_installed() {
        return;
    }
    let run = Command::new(folder("venv/bin/python"))
        .arg(folder("vectors.py"))
        .output();
    let output = within("the vectors", run).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    println!("measured: {said}");
}

#[test]
fn its_loops_are_those_of_the_scripts() {
    for (script, language, text) in [
        ("fetch-event-source.mjs", "js", "fetchEventSource("),
        ("httpx-sse.py", "python", "connect_sse("),
        ("curl.py", "python", "\"curl\""),
        ("openai-chat.py", "python", "chat.completions"),
        ("../src/bin/reqwest_eventsource.rs", "rust", "EventSource"),
    ] {
        let program = program(language, text);
        assert!(
            read(script).contains(&program),
            "{script} has another loop:\n{program}"
        );
    }
}
