//! The house's rules, as far as a program can see them. Each rule has a file, and is also shown something that breaks it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Their files are in the folder of this name.
mod tidy {
    mod conformance;
    mod examples;
    mod fields;
    mod length;
    mod links;
    mod mistakes;
    mod names;
    mod paths;
    mod reasons;
    mod rings;
    mod unfinished;
}

const CRATES: [&str; 5] = ["sse-core", "sse-macros", "sse-actix", "sse-redis", "sse-sqlite"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files under a folder whose names end so, without what is built or installed.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "venv"].contains(&&*name) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The library files of a crate, by their path in the repository.
fn library(krate: &str) -> Vec<(String, String)> {
    files(&root().join(krate).join("src"), "rs")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Runs a rule over all library files.
fn over_library(rule: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let all = CRATES.into_iter().flat_map(library);
    all.flat_map(|(name, text)| rule(&name, &text)).collect()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
