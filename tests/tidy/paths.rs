//! Files that DESIGN.md names are there, by their path in the repository.

use std::{fs, path::Path};

use crate::{none, root};

fn lost_paths(root: &Path, text: &str) -> Vec<String> {
    let names = text.split('`').skip(1).step_by(2);
    let paths = names.filter(|name| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "rs")
            && !name.contains(char::is_whitespace)
    });
    let lost = paths.filter(|path| !root.join(path).is_file());
    lost.map(|path| format!("DESIGN.md: `{path}` is no file; write its path in the repository"))
        .collect()
}

#[test]
fn files_that_the_design_names_are_there() {
    // Blocks of code have an even number of quotes, too.
    let design = fs::read_to_string(root().join("DESIGN.md")).unwrap();
    none(&lost_paths(&root(), &design));
    assert_eq!(lost_paths(&root(), "`tests/tidy.rs` `hub.rs` `a b.rs`").len(), 1);
}
