use std::{fs::File, io::Write, path::PathBuf};

use sse_tests::{browser::Browser, process::Example};
use tempfile::TempDir;

const LINES: &str = "return [...document.querySelectorAll('#lines li')].map((item) => item.textContent)";

/// A log file and what is to be seen of it.
struct Log {
    folder: TempDir,
    written: Vec<String>,
}

impl Log {
    fn new() -> Self {
        let log = Self {
            folder: tempfile::tempdir().unwrap(),
            written: Vec::new(),
        };
        File::create(log.path()).unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app.log")
    }

    fn append(&self, text: &[u8]) {
        let mut file = File::options().append(true).open(self.path()).unwrap();
        file.write_all(text).unwrap();
    }

    fn write_lines(&mut self, what: &str) {
        for number in 0..50 {
            let line = format!("{what} {number}: größer, «ok», 😀");
            self.append(format!("{line}\n").as_bytes());
            self.written.push(line);
        }
    }
}

#[actix_web::test]
async fn each_line_is_shown_once_whatever_becomes_of_the_server() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut log = Log::new();
    let path = log.path();
    log.write_lines("before it is served");
    let example = Example::start("quickstart", 0, &[path.as_os_str()]);
    let port = example.port();
    browser.open(&example.url("/")).await;
    browser.wait(LINES, |lines: &Vec<String>| lines.len() >= 50).await;

    log.write_lines("while it is read");
    log.append(b"half a li");
    browser.wait(LINES, |lines: &Vec<String>| lines.len() >= 60).await;
    example.kill();
    log.append(b"ne, \xFF\xFE\n\n");
    log.written
        .extend(["half a line, \u{FFFD}\u{FFFD}".to_owned(), String::new()]);
    log.write_lines("while the server is down");

    let example = Example::start("quickstart", port, &[path.as_os_str()]);
    log.write_lines("while the browser comes back");
    browser
        .wait(LINES, |lines: &Vec<String>| lines.len() >= log.written.len())
        .await;
    example.kill();
    let _example = Example::start("quickstart", port, &[path.as_os_str()]);
    log.append(b"the end\n");
    log.written.push("the end".to_owned());
    let lines = browser
        .wait(LINES, |lines: &Vec<String>| lines.last() == log.written.last())
        .await;
    assert_eq!(lines, log.written);
}

#[actix_web::test]
async fn a_file_begun_anew_while_the_server_was_down_is_shown_from_its_start() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut log = Log::new();
    let path = log.path();
    log.write_lines("in the old file");
    let example = Example::start("quickstart", 0, &[path.as_os_str()]);
    let port = example.port();
    browser.open(&example.url("/")).await;
    browser.wait(LINES, |lines: &Vec<String>| lines.len() >= 50).await;
    example.kill();

    std::fs::rename(&path, path.with_extension("old")).unwrap();
    File::create(&path).unwrap();
    log.written
        .push("The file was replaced: from its start.".to_owned());
    log.write_lines("in the new file");
    let _example = Example::start("quickstart", port, &[path.as_os_str()]);
    let lines = browser
        .wait(LINES, |lines: &Vec<String>| lines.last() == log.written.last())
        .await;
    assert_eq!(lines, log.written);
}
