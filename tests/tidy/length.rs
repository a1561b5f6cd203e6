//! Library files are short.

use crate::{none, over_library};

const LONGEST_FILE: usize = 400;

fn too_long(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let fault = format!("{name}: {lines} lines; take it apart, {LONGEST_FILE} are the most");
    Some(fault).filter(|_| lines > LONGEST_FILE).into_iter().collect()
}

#[test]
fn no_library_file_is_long() {
    none(&over_library(too_long));
    assert_eq!(too_long("a.rs", &"//\n".repeat(LONGEST_FILE)).len(), 0);
    assert_eq!(too_long("a.rs", &"//\n".repeat(LONGEST_FILE + 1)).len(), 1);
}
