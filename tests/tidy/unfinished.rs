//! Nothing is left undone.

use std::fs;

use crate::{CRATES, files, none, root};

/// Split, so that this file does not hold them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("#[ig", "nore"),
];

fn unfinished(name: &str, text: &str) -> Vec<String> {
    // Tests of the macro give it such code.
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let found = UNFINISHED.into_iter().filter(|what| text.contains(what));
    found.map(|what| format!("{name}: `{what}` is left")).collect()
}

#[test]
fn nothing_is_unfinished() {
    let mut faults = Vec::new();
    for folder in CRATES.into_iter().chain(["examples", "tests", "bench"]) {
        for path in files(&root().join(folder), "rs") {
            // A part of a line of code that a test gives to the macro is no code of ours.
            if !path.to_string_lossy().contains("/ui/") {
                faults.extend(unfinished(
                    &path.to_string_lossy(),
                    &fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    none(&faults);
    assert_eq!(unfinished("a.rs", concat!("// TO", "DO: later")).len(), 1);
}
