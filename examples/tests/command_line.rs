//! What the examples print when they cannot start.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which fail with the test that calls them"
)]

use std::{net::TcpListener, process::Command};

const QUICKSTART: &str = env!("CARGO_BIN_EXE_quickstart");
const LLM: &str = env!("CARGO_BIN_EXE_llm");
const NODES: &str = env!("CARGO_BIN_EXE_nodes");

/// The exit status and standard error of an example that cannot start.
fn refused(program: &str, arguments: &[&str], port: &str) -> (i32, String) {
    let mut command = Command::new(program);
    command.args(arguments).env("PORT", port);
    refused_by(command)
}

fn refused_by(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "it prints no address");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_log_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.log");
    let (status, message) = refused(QUICKSTART, &[path.to_str().unwrap()], "0");
    assert_eq!(status, 1);
    let expected = format!("error: cannot read {}: ", path.display());
    assert!(
        message.starts_with(&expected) && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for program in [QUICKSTART, LLM] {
        let (status, message) = refused(program, &[], &port.to_string());
        assert_eq!(status, 1);
        let expected = format!("error: cannot listen on 127.0.0.1:{port}: ");
        assert!(
            message.starts_with(&expected) && message.lines().count() == 1,
            "{message}"
        );
    }
}

#[test]
fn an_upstream_that_cannot_be_asked() {
    let (status, message) = refused(LLM, &["--upstream", "https://127.0.0.1/v1"], "0");
    assert_eq!(status, 2);
    assert_eq!(
        message,
        "error: the URL behind --upstream is to begin with http://\n"
    );
}

#[test]
fn a_redis_that_is_not_there() {
    let (status, message) = refused(NODES, &["--redis", "redis://:secret@127.0.0.1:1/"], "0");
    assert_eq!(status, 1);
    assert_eq!(
        message,
        "error: Redis at 127.0.0.1:1/0 does not answer, or refuses the login\n"
    );

    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(NODES);
    command.env("PORT", "0").env("PATH", nowhere.path());
    let (status, message) = refused_by(command);
    assert_eq!(status, 1);
    assert!(
        message
            .starts_with("error: there is no `redis-server` on the path: install the package `redis-server`")
            && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn an_argument_that_means_nothing() {
    for (program, arguments, usage) in [
        (
            QUICKSTART,
            ["--port", "http"],
            "usage: quickstart [--port PORT] [LOG_FILE]\n",
        ),
        (
            LLM,
            ["a", "file"],
            "usage: llm [--port PORT] [--data FILE] [--upstream URL]\n",
        ),
        (
            NODES,
            ["--sentinel", "here"],
            "usage: nodes [--port PORT] [--redis URL]\n",
        ),
    ] {
        let (status, message) = refused(program, &arguments, "");
        assert_eq!(status, 2);
        assert!(
            message.starts_with("error: ") && message.ends_with(usage),
            "{message}"
        );
    }
}
